//! The extent tree: free runs by first block in an ordered map on pages. The order by size is not stored: it is derived
//! at load, for it would double what a commit changes (X2) and could only disagree.
//!
//! Invariant: the map holds exactly the maximal free runs, key first block, value blocks; the root counts them and their
//! blocks. A commit puts and removes what changed and its neighbors. Chooses no blocks.
#![doc = include_str!("../FORMAT.md")]

use crate::tree::Tree;
use alloc::boxed::Box;
use spinney_alloc::{Change, Changes, FormEntry, FreeView, SpaceForm};
use spinney_core::{
    Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use spinney_pages::TypedMap;

const WHAT: &str = "extent tree";
/// The first word of the root: `XTRE` and the version.
const MAGIC: u64 = u32::from_le_bytes(*b"XTRE") as u64 | 1 << 32;

/// The form.
#[derive(Debug, Default)]
pub struct ExtentTreeForm {
    tree: Option<Tree>,
}

fn root(tree: &Tree) -> Root {
    let universe = tree.universe;
    Root::from_words(&[MAGIC, tree.map.root().0, tree.runs, tree.blocks, universe.start.0, universe.blocks])
}

impl ExtentTreeForm {
    /// A form; then `format` or `open`.
    #[must_use]
    pub fn new() -> ExtentTreeForm {
        ExtentTreeForm::default()
    }
    fn tree(&self) -> &Tree {
        self.tree.as_ref().expect("a form is formatted or opened before it is used")
    }
}

impl SpaceForm for ExtentTreeForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let map = TypedMap::create(PageKind::SPACE, pages)?;
        let (mut tree, mut done) =
            (Tree { map, universe, shared: false, runs: 0, blocks: free.free_blocks() }, Ok(()));
        free.visit(universe, &mut |run| {
            done = tree.put(run.start.0, run.blocks, pages);
            if done.is_ok() { Flow::Continue } else { Flow::Stop }
        });
        done?;
        self.tree = Some(tree);
        Ok(root(&tree))
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let [magic, page, runs, blocks, start, length] = root.words(WHAT)?;
        let same = magic == MAGIC && (Pba(start), length) == (universe.start, universe.blocks);
        if !same || blocks > universe.blocks || runs > blocks {
            return Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        }
        let map = TypedMap::open(PageNo(page), PageKind::SPACE, pages)?;
        self.tree = Some(Tree { map, universe, shared: false, runs, blocks });
        Ok(())
    }

    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let tree = self.tree();
        let (mut runs, mut blocks) = (0, 0);
        tree.walk(within, pages, &mut |run| {
            runs += 1;
            blocks += run.blocks;
            each(run);
        })?;
        if within.contains(tree.universe) && (runs, blocks) != (tree.runs, tree.blocks) {
            return Err(Error::corrupt_page(WHAT, tree.map.root()));
        }
        Ok(())
    }

    fn pages_bound(&self, changes: u64, _: u64, runs: u64) -> u64 {
        let tree = self.tree();
        // A change, netted, is at most two puts or removes, and adds at most one run.
        let runs_max = runs.max(tree.runs.saturating_add(changes));
        tree.map.pages_bound(changes.saturating_mul(2), runs_max)
    }

    fn commit(&mut self, changes: &Changes, _: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut tree = *self.tree();
        for change in changes.netted() {
            match change {
                Change::Take(run) => tree.take(run, pages)?,
                Change::Free(run) => tree.free(run, pages)?,
            }
        }
        self.tree = Some(tree);
        Ok(root(&tree))
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.tree().map.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let tree = self.tree();
        tree.map.check(pages, found);
        match tree.count(pages) {
            Ok(counts) if counts == (tree.runs, tree.blocks) => {}
            Ok(_) => {
                let rule = "an extent tree holds as many runs and blocks as its root says";
                found(Finding { rule, place: Place::Page(tree.map.root()) });
            }
            Err(Error::Corrupt { place, .. }) => {
                found(Finding {
                    rule: "runs of an extent tree lie inside the universe and do not touch",
                    place,
                });
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// The row of the registry.
pub const FORM: FormEntry = FormEntry {
    name: "extent-tree",
    summary: "free extents by first block in a copy-on-write ordered map; the order by size is derived at load",
    paper: "XFS (1996), by-block tree; the key-value article",
    parameters: &[],
    build: |_| Ok(Box::new(ExtentTreeForm::new())),
};

#[cfg(test)]
mod tests;
