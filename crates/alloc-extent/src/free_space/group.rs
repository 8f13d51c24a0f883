//! A group's record, and its free runs in either form.
//!
//! Invariant: an operation on one group reads and writes records of that group only. What a record contradicts is `Corrupt`.

use super::bits::{self, Bits};
use super::open::Opened;
use crate::tree::{Tree, corrupt_at};
use alloc::vec::Vec;
use core::ops::Range;
use spinney_alloc::FreeView;
use spinney_core::{Extent, Flow, PageRead, PageTxn, Pba, Result};

/// What a group's record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Group {
    /// Free runs, cut at the group's ends.
    pub(super) runs: u64,
    /// Whether bitmaps hold them.
    pub(super) bitmaps: bool,
}

impl Opened {
    /// The group's part of the tree of extents.
    fn tree(&self, group: usize) -> Tree {
        let (universe, runs) = (self.extent(group), self.groups[group].runs);
        Tree { map: self.extents, universe, shared: true, runs, blocks: self.blocks }
    }

    /// Write the free runs of a group that has no records yet.
    pub(super) fn fill(&mut self, group: usize, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<()> {
        let extent = self.extent(group);
        let mut runs = Vec::new();
        free.visit(extent, &mut |run| {
            runs.push(run);
            Flow::Continue
        });
        self.blocks += runs.iter().map(|run| run.blocks).sum::<u64>();
        self.groups[group].runs = runs.len() as u64;
        self.groups[group].bitmaps = self.shape.wants_bitmaps(self.groups[group], extent.blocks);
        self.put_runs(group, &runs, pages)?;
        self.put_record(group, pages)
    }

    /// The free runs of a group inside `within`, clipped to it. Errors: `Corrupt`.
    pub(super) fn walk(
        &self,
        group: usize,
        within: Extent,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()> {
        if !self.groups[group].bitmaps {
            return self.tree(group).walk(within, pages, each);
        }
        let base = self.extent(group).start.0;
        let (from, until) = (within.start.0 - base, within.end().0 - base);
        // A run goes on from one bitmap to the next.
        let mut open: Option<Range<u64>> = None;
        let mut give = |run: Range<u64>| {
            let (start, end) = (run.start.max(from), run.end.min(until));
            Extent::checked(base + start, end.saturating_sub(start)).into_iter().for_each(&mut *each);
        };
        for number in from / bits::BLOCKS..until.div_ceil(bits::BLOCKS) {
            let bits = self.bitmap(group, number, pages)?;
            for run in bits::runs(&bits) {
                let run = run.start + number * bits::BLOCKS..run.end + number * bits::BLOCKS;
                open = match open.take() {
                    Some(left) if left.end == run.start => Some(left.start..run.end),
                    left => {
                        left.into_iter().for_each(&mut give);
                        Some(run)
                    }
                };
            }
        }
        open.into_iter().for_each(give);
        Ok(())
    }

    /// A bitmap of a group, by number. Errors: `Corrupt` if it is not there or has blocks behind the group's end.
    fn bitmap(&self, group: usize, number: u64, pages: &dyn PageRead) -> Result<Bits> {
        let extent = self.extent(group);
        let first = extent.start.0 + number * bits::BLOCKS;
        let bits = self.bitmaps.get(&first, pages)?.ok_or(corrupt_at(first))?;
        let blocks = extent.blocks - number * bits::BLOCKS;
        let behind = bits::runs(&bits).last().is_some_and(|run| run.end > blocks);
        if behind { Err(corrupt_at(first)) } else { Ok(bits) }
    }

    /// Free or take a part of a group.
    pub(super) fn apply(
        &mut self,
        group: usize,
        part: Extent,
        free: bool,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        if self.groups[group].bitmaps {
            return self.apply_bits(group, part, free, pages);
        }
        let mut tree = self.tree(group);
        if free {
            tree.free(part, pages)?;
        } else {
            tree.take(part, pages)?;
        }
        (self.groups[group].runs, self.blocks) = (tree.runs, tree.blocks);
        Ok(())
    }

    fn apply_bits(&mut self, group: usize, part: Extent, free: bool, pages: &mut dyn PageTxn) -> Result<()> {
        let extent = self.extent(group);
        let wrong = || corrupt_at(part.start.0);
        let neighbors = [
            part.start.0.checked_sub(1).filter(|at| *at >= extent.start.0),
            Some(part.end().0).filter(|at| *at < extent.end().0),
        ];
        let mut free_neighbors = 0;
        for at in neighbors.into_iter().flatten() {
            let at = at - extent.start.0;
            let bits = self.bitmap(group, at / bits::BLOCKS, pages)?;
            free_neighbors += u64::from(bits::get(&bits, at % bits::BLOCKS));
        }
        self.set_bits(group, part, free, pages)?;
        let (runs, blocks) = (self.groups[group].runs, self.blocks);
        (self.groups[group].runs, self.blocks) = if free {
            ((runs + 1).checked_sub(free_neighbors).ok_or_else(wrong)?, blocks + part.blocks)
        } else {
            let runs = (runs + free_neighbors).checked_sub(1).ok_or_else(wrong)?;
            (runs, blocks.checked_sub(part.blocks).ok_or_else(wrong)?)
        };
        Ok(())
    }

    /// Change bits that have the other value. Errors: `Corrupt` if one has not.
    fn set_bits(&self, group: usize, part: Extent, free: bool, pages: &mut dyn PageTxn) -> Result<()> {
        let base = self.extent(group).start.0;
        let (from, until) = (part.start.0 - base, part.end().0 - base);
        for number in from / bits::BLOCKS..until.div_ceil(bits::BLOCKS) {
            let first = number * bits::BLOCKS;
            let mut bits = self.bitmap(group, number, pages)?;
            let range = from.max(first) - first..until.min(first + bits::BLOCKS) - first;
            if !bits::set(&mut bits, range, free) {
                return Err(corrupt_at(part.start.0));
            }
            self.bitmaps.put(&(base + first), &bits, pages)?;
        }
        Ok(())
    }

    /// Write runs as the group's record says.
    fn put_runs(&self, group: usize, runs: &[Extent], pages: &mut dyn PageTxn) -> Result<()> {
        if !self.groups[group].bitmaps {
            return runs.iter().try_for_each(|run| {
                self.extents.put(&run.start.0, &run.blocks, pages)?;
                Ok(())
            });
        }
        let extent = self.extent(group);
        let mut all = alloc::vec![[0; 256]; extent.blocks.div_ceil(bits::BLOCKS) as usize];
        for run in runs {
            let (mut at, end) = (run.start.0 - extent.start.0, run.end().0 - extent.start.0);
            while at < end {
                let (number, first) = (at / bits::BLOCKS, at % bits::BLOCKS);
                let until = (first + end - at).min(bits::BLOCKS);
                if !bits::set(&mut all[number as usize], first..until, true) {
                    return Err(corrupt_at(run.start.0));
                }
                at += until - first;
            }
        }
        for (number, bits) in (0..).zip(&all) {
            self.bitmaps.put(&(extent.start.0 + number * bits::BLOCKS), bits, pages)?;
        }
        Ok(())
    }

    /// Give a group the other kind of records.
    pub(super) fn convert(&mut self, group: usize, pages: &mut dyn PageTxn) -> Result<()> {
        let (extent, mut runs) = (self.extent(group), Vec::new());
        self.walk(group, extent, pages, &mut |run| runs.push(run))?;
        if runs.len() as u64 != self.groups[group].runs {
            return Err(corrupt_at(extent.start.0));
        }
        if self.groups[group].bitmaps {
            for number in 0..extent.blocks.div_ceil(bits::BLOCKS) {
                self.bitmaps.remove(&(extent.start.0 + number * bits::BLOCKS), pages)?;
            }
        } else {
            for run in &runs {
                self.extents.remove(&run.start.0, pages)?;
            }
        }
        self.groups[group].bitmaps ^= true;
        self.put_runs(group, &runs, pages)?;
        self.put_record(group, pages)
    }

    /// Write a group's record.
    pub(super) fn put_record(&self, group: usize, pages: &mut dyn PageTxn) -> Result<()> {
        let Group { runs, bitmaps } = self.groups[group];
        self.records.put(&self.extent(group).start.0, &(runs, u64::from(bitmaps)), pages)?;
        Ok(())
    }

    /// Where a group that has records starts, from its number.
    pub(super) fn extent(&self, group: usize) -> Extent {
        let start = self.universe.start.0 + group as u64 * self.group_blocks;
        let blocks = self.group_blocks.min(self.universe.end().0 - start);
        Extent { start: Pba(start), blocks }
    }
}
