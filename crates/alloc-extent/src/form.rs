//! The extent tree: free runs by first block in an ordered map on pages. The order by size is not stored: it is derived
//! at load, for it would double what a commit changes (X2) and could only disagree.
//!
//! Invariant: the map holds exactly the maximal free runs, key first block, value blocks; the root counts them and their
//! blocks. A commit puts and removes what changed and its neighbors. Chooses no blocks.
#![doc = include_str!("../FORMAT.md")]

use alloc::boxed::Box;
use core::ops::Bound;
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

/// An open tree.
#[derive(Clone, Copy, Debug)]
struct Tree {
    map: TypedMap<u64, u64>,
    universe: Extent,
    runs: u64,
    blocks: u64,
}

fn corrupt_at(at: u64) -> Error {
    Error::Corrupt { what: WHAT, place: Place::Block(Pba(at)) }
}

impl Tree {
    fn root(&self) -> Root {
        let universe = self.universe;
        Root::from_words(&[
            MAGIC,
            self.map.root().0,
            self.runs,
            self.blocks,
            universe.start.0,
            universe.blocks,
        ])
    }
    /// A stored pair as a run, if it can be one.
    fn run(&self, start: u64, blocks: u64) -> Result<Extent> {
        let run = Extent::checked(start, blocks).filter(|run| self.universe.contains(*run));
        run.ok_or(corrupt_at(start))
    }
    /// The last run that starts at or before `at`.
    fn at_or_before(&self, at: u64, pages: &dyn PageRead) -> Result<Option<Extent>> {
        let mut found = None;
        self.map.range_reverse(..=at, pages, &mut |start, blocks| {
            found = Some((start, blocks));
            Flow::Stop
        })?;
        found.map(|(start, blocks)| self.run(start, blocks)).transpose()
    }
    fn put(&mut self, start: u64, blocks: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let replaced = self.map.put(&start, &blocks, pages)?;
        self.runs += u64::from(!replaced);
        Ok(())
    }
    fn remove(&mut self, start: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let there = self.map.remove(&start, pages)?;
        self.runs = self.runs.checked_sub(u64::from(there)).ok_or(corrupt_at(start))?;
        if there { Ok(()) } else { Err(corrupt_at(start)) }
    }
    /// `run` is free no more: what is left of the run that held it stays.
    fn take(&mut self, run: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        let (start, end) = (run.start.0, run.end().0);
        let held = self.at_or_before(start, pages)?.filter(|held| held.contains(run));
        let held = held.ok_or(corrupt_at(start))?;
        if held.start.0 < start {
            self.put(held.start.0, start - held.start.0, pages)?;
        } else {
            self.remove(start, pages)?;
        }
        if end < held.end().0 {
            self.put(end, held.end().0 - end, pages)?;
        }
        self.blocks = self.blocks.checked_sub(run.blocks).ok_or(corrupt_at(start))?;
        Ok(())
    }
    /// `run` is free: it joins the neighbors that it touches.
    fn free(&mut self, run: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        let (mut start, mut end) = (run.start.0, run.end().0);
        if let Some(before) = self.at_or_before(start, pages)?.filter(|before| before.end().0 >= start) {
            if before.end().0 > start {
                return Err(corrupt_at(start));
            }
            start = before.start.0;
        }
        if let Some((next, blocks)) = self.map.next(&run.start.0, pages)?.filter(|(next, _)| *next <= end) {
            if next < end {
                return Err(corrupt_at(next));
            }
            end = self.run(next, blocks)?.end().0;
            self.remove(next, pages)?;
        }
        self.blocks = self.blocks.checked_add(run.blocks).ok_or(corrupt_at(start))?;
        self.put(start, end - start, pages)
    }
    /// The runs that touch `within`, clipped. Errors: `Corrupt` if two touch or one lies outside the universe.
    fn walk(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let Some(within) = within.intersect(self.universe) else { return Ok(()) };
        let bounds = if within == self.universe {
            (Bound::Unbounded, Bound::Unbounded)
        } else {
            let first = self.at_or_before(within.start.0, pages)?.map_or(within.start.0, |run| run.start.0);
            (Bound::Included(first), Bound::Excluded(within.end().0))
        };
        let (mut last_end, mut bad) = (None, None);
        self.map.range(bounds, pages, &mut |start, blocks| {
            let run = self.run(start, blocks).ok().filter(|run| last_end.is_none_or(|end| end < run.start));
            let Some(run) = run else {
                bad = Some(start);
                return Flow::Stop;
            };
            last_end = Some(run.end());
            run.intersect(within).into_iter().for_each(&mut *each);
            Flow::Continue
        })?;
        bad.map_or(Ok(()), |start| Err(corrupt_at(start)))
    }
    /// Runs and blocks by a walk.
    fn count(&self, pages: &dyn PageRead) -> Result<(u64, u64)> {
        let (mut runs, mut blocks) = (0, 0);
        self.walk(self.universe, pages, &mut |run| {
            runs += 1;
            blocks += run.blocks;
        })?;
        Ok((runs, blocks))
    }
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
        let (mut tree, mut done) = (Tree { map, universe, runs: 0, blocks: free.free_blocks() }, Ok(()));
        free.visit(universe, &mut |run| {
            done = tree.put(run.start.0, run.blocks, pages);
            if done.is_ok() { Flow::Continue } else { Flow::Stop }
        });
        done?;
        self.tree = Some(tree);
        Ok(tree.root())
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let [magic, page, runs, blocks, start, length] = root.words(WHAT)?;
        let same = magic == MAGIC && (Pba(start), length) == (universe.start, universe.blocks);
        if !same || blocks > universe.blocks || runs > blocks {
            return Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        }
        let map = TypedMap::open(PageNo(page), PageKind::SPACE, pages)?;
        self.tree = Some(Tree { map, universe, runs, blocks });
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
        Ok(tree.root())
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
