//! The free tree on pages: (epoch, first block) to blocks, in one ordered map.
//!
//! Invariant: the root tells how many entries there are, the high-water mark and the epoch; what is read is checked against them.
//! Byte diagram: `FORMAT.md`. Chooses no block.
#![doc = include_str!("../FORMAT.md")]

use crate::records::Records;
use spinney_core::{
    Epoch, Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_pages::TypedMap;

const WHAT: &str = "free tree";
/// The first word of the root: `FTRE` and the version.
const MAGIC: u64 = u32::from_le_bytes(*b"FTRE") as u64 | 1 << 32;

/// An open tree, as of its last commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    map: TypedMap<(u64, u64), u64>,
    pub(crate) universe: Extent,
}

/// What a root says beside the map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    /// Blocks from here on were never used.
    pub(crate) mark: Pba,
    pub(crate) epoch: Epoch,
}

impl Tree {
    pub(crate) fn create(universe: Extent, pages: &mut dyn PageTxn) -> Result<Tree> {
        Ok(Tree { map: TypedMap::create(PageKind::SPACE, pages)?, universe })
    }
    pub(crate) fn root(&self, header: Header, entries: u64) -> Root {
        let Extent { start, blocks } = self.universe;
        Root::from_words(&[MAGIC, self.map.root().0, entries, header.mark.0, header.epoch.0, start.0, blocks])
    }
    /// Find the tree again and read its entries. Errors: `Corrupt`.
    pub(crate) fn open(
        universe: Extent,
        root: &Root,
        pages: &dyn PageRead,
    ) -> Result<(Tree, Header, Records)> {
        let [magic, page, entries, mark, epoch, start, blocks] = root.words(WHAT)?;
        let same = magic == MAGIC && (Pba(start), blocks) == (universe.start, universe.blocks);
        let marked = universe.start.0 <= mark && mark <= universe.end().0;
        if !same || !marked || epoch == 0 {
            return Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        }
        let tree = Tree { map: TypedMap::open(PageNo(page), PageKind::SPACE, pages)?, universe };
        let (header, mut records, mut bad) =
            (Header { mark: Pba(mark), epoch: Epoch(epoch) }, Records::default(), None);
        tree.map.range(.., pages, &mut |(freed, start), blocks| {
            let inside = |run: &Extent| universe.start <= run.start && run.end().0 <= mark;
            let run = Extent::checked(start, blocks).filter(inside);
            let sound =
                freed <= epoch && records.len() < entries && run.is_some_and(|run| records.read(freed, run));
            if sound {
                return Flow::Continue;
            }
            bad = Some(start);
            Flow::Stop
        })?;
        match bad {
            Some(at) => Err(Error::Corrupt { what: WHAT, place: Place::Block(Pba(at)) }),
            None if records.len() != entries => Err(Error::corrupt_page(WHAT, tree.map.root())),
            None => Ok((tree, header, records)),
        }
    }
    /// Write what changed.
    pub(crate) fn apply(&self, records: &mut Records, pages: &mut dyn PageTxn) -> Result<()> {
        for (key, blocks) in records.drain() {
            match blocks {
                Some(blocks) => self.map.put(&key, &blocks, pages)?,
                None => self.map.remove(&key, pages)?,
            };
        }
        Ok(())
    }
    pub(crate) fn pages_bound(&self, operations: u64, entries_max: u64) -> u64 {
        self.map.pages_bound(operations, entries_max)
    }
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.map.visit_pages(pages, each)
    }
    /// The map's own rules; and, if nothing is open, that it holds what memory does.
    pub(crate) fn check(
        &self,
        records: &Records,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) -> Result<()> {
        self.map.check(pages, found);
        if records.ops() > 0 {
            return Ok(());
        }
        let mut stored = alloc::vec::Vec::new();
        self.map.range(.., pages, &mut |key, blocks| {
            stored.push((key, blocks));
            Flow::Continue
        })?;
        let mut held: alloc::vec::Vec<_> = records.iter().collect();
        held.sort_unstable();
        if stored != held {
            let place = Place::Page(self.map.root());
            found(Finding { rule: "the stored free tree equals the one in memory", place });
        }
        Ok(())
    }
}
