//! Free runs by first block in an ordered map, or in a range of one that several share.
//!
//! Invariant: inside the range the map holds exactly the maximal free runs, key first block, value blocks; what lies outside is
//! neither read nor joined. Counts runs and blocks as it changes them. Chooses no blocks and knows no root.

use core::ops::Bound;
use spinney_core::{Error, Extent, Flow, PageRead, PageTxn, Pba, Place, Result};
use spinney_pages::TypedMap;

const WHAT: &str = "tree of free extents";

/// The runs of a range.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tree {
    pub(crate) map: TypedMap<u64, u64>,
    pub(crate) universe: Extent,
    /// Whether the map has other ranges too.
    pub(crate) shared: bool,
    pub(crate) runs: u64,
    pub(crate) blocks: u64,
}

pub(crate) fn corrupt_at(at: u64) -> Error {
    Error::Corrupt { what: WHAT, place: Place::Block(Pba(at)) }
}

impl Tree {
    /// A stored pair as a run, if it can be one.
    pub(crate) fn run(&self, start: u64, blocks: u64) -> Result<Extent> {
        let run = Extent::checked(start, blocks).filter(|run| self.universe.contains(*run));
        run.ok_or(corrupt_at(start))
    }
    /// The last run that starts at or before `at`.
    fn at_or_before(&self, at: u64, pages: &dyn PageRead) -> Result<Option<Extent>> {
        let mut found = None;
        self.map.range_reverse(self.universe.start.0..=at, pages, &mut |start, blocks| {
            found = Some((start, blocks));
            Flow::Stop
        })?;
        found.map(|(start, blocks)| self.run(start, blocks)).transpose()
    }
    pub(crate) fn put(&mut self, start: u64, blocks: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let replaced = self.map.put(&start, &blocks, pages)?;
        self.runs += u64::from(!replaced);
        Ok(())
    }
    pub(crate) fn remove(&mut self, start: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let there = self.map.remove(&start, pages)?;
        self.runs = self.runs.checked_sub(u64::from(there)).ok_or(corrupt_at(start))?;
        if there { Ok(()) } else { Err(corrupt_at(start)) }
    }
    /// `run` is free no more: what is left of the run that held it stays.
    pub(crate) fn take(&mut self, run: Extent, pages: &mut dyn PageTxn) -> Result<()> {
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
    pub(crate) fn free(&mut self, run: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        let (mut start, mut end) = (run.start.0, run.end().0);
        if let Some(before) = self.at_or_before(start, pages)?.filter(|before| before.end().0 >= start) {
            if before.end().0 > start {
                return Err(corrupt_at(start));
            }
            start = before.start.0;
        }
        let bound = end.min(self.universe.end().0 - 1);
        if let Some((next, blocks)) = self.map.next(&run.start.0, pages)?.filter(|(next, _)| *next <= bound) {
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
    pub(crate) fn walk(
        &self,
        within: Extent,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()> {
        let Some(within) = within.intersect(self.universe) else { return Ok(()) };
        let bounds = if within == self.universe && !self.shared {
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
    pub(crate) fn count(&self, pages: &dyn PageRead) -> Result<(u64, u64)> {
        let (mut runs, mut blocks) = (0, 0);
        self.walk(self.universe, pages, &mut |run| {
            runs += 1;
            blocks += run.blocks;
        })?;
        Ok((runs, blocks))
    }
}
