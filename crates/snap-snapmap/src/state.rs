//! Where everything of a pool stands.
//!
//! Invariant: constant after `format` or `open`: all that changes stands on pages.

use crate::bits::Bits;
use alloc::vec::Vec;
use spinney_core::{DevId, Error, Flow, LbaRange, PageNo, PageRead, PageRef, PageTxn, Place, Result};
use spinney_snap_tree::catalogue::OWN_WORDS;
use spinney_snap_tree::{Anchor, Catalogue, Counts, Record, SPARSE_WORDS, Shape, Tree};

/// Word of the anchor: the next id.
const NEXT_DEV: usize = 0;
/// Word of the anchor: deleted versions that are not gone yet.
const JOBS: usize = 1;
const CATALOGUE: usize = 2;
const ZOMBIES: usize = CATALOGUE + SPARSE_WORDS;
const NODES: usize = ZOMBIES + SPARSE_WORDS;
/// Own word of a record: the page of its map of blocks.
const MAP: usize = 0;

/// The places of all structures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) shape: Shape,
    pub(crate) anchor: Anchor,
    /// Live versions.
    pub(crate) catalogue: Catalogue,
    /// Deleted versions whose maps and trees `tend` still empties.
    pub(crate) zombies: Catalogue,
    /// Owners beyond the first of index nodes, by page number.
    pub(crate) nodes: Counts,
}

impl State {
    pub(crate) fn at(anchor: Anchor, shape: Shape) -> State {
        let (catalogue, zombies) = (Catalogue::at(anchor, CATALOGUE), Catalogue::at(anchor, ZOMBIES));
        State { shape, anchor, catalogue, zombies, nodes: Counts::at(anchor, NODES) }
    }
    pub(crate) fn format(shape: Shape, pages: &mut dyn PageTxn) -> Result<State> {
        let anchor = Anchor::create(pages)?;
        anchor.set(NEXT_DEV, 1, pages)?;
        Ok(State::at(anchor, shape))
    }
    pub(crate) fn next_dev(&self, pages: &dyn PageRead) -> Result<DevId> {
        self.anchor.get(NEXT_DEV, pages).map(DevId)
    }
    /// Store the record of a new version under the next id.
    pub(crate) fn issue(&self, record: &Record, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.next_dev(pages)?;
        let Some(next) = dev.0.checked_add(1) else { return self.anchor.corrupt("next version id") };
        if self.catalogue.find(dev, pages)?.is_some() {
            return self.anchor.corrupt("next version id (there is such a version)");
        }
        self.catalogue.put(dev, record, pages)?;
        self.anchor.set(NEXT_DEV, next, pages)?;
        Ok(dev)
    }
    pub(crate) fn jobs(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(JOBS, pages)
    }
    pub(crate) fn set_jobs(&self, jobs: u64, pages: &mut dyn PageTxn) -> Result<()> {
        self.anchor.set(JOBS, jobs, pages)
    }
    pub(crate) fn tree(&self, record: &Record) -> Tree {
        Tree { shape: self.shape, root: record.root, blocks: record.blocks }
    }
    /// A writable version's record, if `range` is inside it.
    pub(crate) fn writable(&self, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Record> {
        let record = self.catalogue.writable(dev, pages)?;
        self.tree(&record).contains(range)?;
        Ok(record)
    }
    /// The maps of all versions but this one: users', and unless `live_only` those of deleted ones.
    pub(crate) fn others(&self, dev: DevId, live_only: bool, pages: &dyn PageRead) -> Result<Vec<Bits>> {
        let mut others = Vec::new();
        let tables = [self.catalogue, self.zombies];
        for table in &tables[..if live_only { 1 } else { 2 }] {
            table.visit(pages, &mut |other, record| {
                if other != dev {
                    others.push(map_of(other, &record)?);
                }
                Ok(Flow::Continue)
            })?;
        }
        Ok(others)
    }
}

/// A version's map of blocks. Errors: `Corrupt`.
pub(crate) fn map_of(dev: DevId, record: &Record) -> Result<Bits> {
    match record.own[MAP] {
        0 => Err(Error::Corrupt { what: "a version without a map of blocks", place: Place::Version(dev) }),
        page => Ok(Bits::at(PageNo(page))),
    }
}

/// The same record with another map.
pub(crate) fn with_map(record: Record, map: Bits) -> Record {
    let mut own = [0; OWN_WORDS];
    own[MAP] = map.page().0;
    Record { own, ..record }
}

/// The same page of each of these maps, where there is one.
pub(crate) fn leaves(maps: &[Bits], leaf: u64, pages: &dyn PageRead) -> Result<Vec<PageRef>> {
    maps.iter().filter_map(|map| map.leaf(leaf, pages).transpose()).collect()
}

/// The record of a version that begins.
pub(crate) fn new_record(blocks: u64) -> Record {
    let access = spinney_snap::Access::Writable;
    Record { access, blocks, root: None, parent: None, referenced_blocks: 0, own: [0; OWN_WORDS] }
}
