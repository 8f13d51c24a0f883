//! One region of the universe: where its map is, what is known of its free space, and its index while it is loaded.
//!
//! Invariant: `free_blocks` is exact at all times. The histogram and `longest` are exact while the region is loaded and when it is
//! unloaded; afterwards frees are only added, so they are bounds from below. Neither is ever taken for more than a hint.

use super::tuning::Weight;
use crate::RangeIndex;
use alloc::boxed::Box;
use spinney_alloc::metrics::{ZfsTable, zfs_fragmentation};
use spinney_alloc::{Changes, FreeIndex};
use spinney_core::{Epoch, Extent, Flow, PageNo, Pba};

/// Powers of two that a histogram tells apart; longer runs count in the last.
pub(super) const BUCKETS: usize = 32;
/// Runs by power of two of their length.
pub(super) type Histogram = [u32; BUCKETS];

pub(super) fn bucket(blocks: u64) -> usize {
    (blocks.max(1).ilog2() as usize).min(BUCKETS - 1)
}

/// Where a region's map is, and how much of it counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct MapPlace {
    pub(super) page: PageNo,
    pub(super) words: u64,
}

/// A region.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) extent: Extent,
    /// `None`: nothing was ever written, all of it is free.
    pub(super) map: Option<MapPlace>,
    /// Changes up to this epoch are in the map.
    pub(super) flushed: Epoch,
    /// Durable in the pool's log, not in the map yet.
    pub(super) unflushed: Changes,
    /// Of the open epoch.
    pub(super) changes: Changes,
    /// Allocatable.
    pub(super) free_blocks: u64,
    /// Recorded as free or to be so, not allocatable yet.
    pub(super) waiting_blocks: u64,
    pub(super) histogram: Histogram,
    /// The longest run, as far as it is known of a region that is not loaded.
    pub(super) longest: Option<u64>,
    pub(super) index: Option<Box<RangeIndex>>,
    /// The epoch in which it was last chosen or loaded.
    pub(super) used: Epoch,
    pub(super) weight: u64,
}

impl Region {
    /// A region that nothing was ever written about.
    pub(super) fn fresh(extent: Extent) -> Region {
        let mut histogram = [0; BUCKETS];
        histogram[bucket(extent.blocks)] = 1;
        Region {
            extent,
            map: None,
            flushed: Epoch(0),
            unflushed: Changes::default(),
            changes: Changes::default(),
            free_blocks: extent.blocks,
            waiting_blocks: 0,
            histogram,
            longest: Some(extent.blocks),
            index: None,
            used: Epoch(0),
            weight: 0,
        }
    }

    /// The longest free run, as far as it is known.
    pub(super) fn longest_blocks(&self) -> Option<u64> {
        self.index.as_ref().map(|index| index.set().longest_blocks()).or(self.longest)
    }

    /// Whether it may have a run of `blocks`: by its longest run, or if that is not known by its histogram. A bucket may hold runs
    /// of up to twice its size, so the second may promise what is not there.
    pub(super) fn may_hold(&self, blocks: u64) -> bool {
        match self.longest_blocks() {
            Some(longest) => blocks <= longest,
            None => self.top().is_some_and(|top| blocks < 2 << top),
        }
    }

    /// The highest power of two that a run has.
    fn top(&self) -> Option<usize> {
        self.histogram.iter().rposition(|runs| *runs > 0)
    }

    /// Free runs, as far as they are known.
    pub(super) fn runs(&self) -> u64 {
        let counted = || self.histogram.iter().map(|runs| u64::from(*runs)).sum();
        self.index.as_ref().map_or_else(counted, |index| index.free_runs())
    }

    /// Use this index, and count its runs.
    pub(super) fn put_index(&mut self, index: Box<RangeIndex>) {
        self.histogram = [0; BUCKETS];
        index.visit(self.extent, &mut |run| {
            self.histogram[bucket(run.blocks)] += 1;
            Flow::Continue
        });
        self.index = Some(index);
    }

    /// `run` has just left the index (`left`) or come into it: the runs beside it have become two, or one with it.
    pub(super) fn recount(&mut self, run: Extent, left: bool) {
        let Some(index) = &self.index else { return };
        let set = index.set();
        let before = run.start.0.checked_sub(1).and_then(|at| set.run_at(Pba(at)));
        let before = before.map_or(0, |found| run.start.0 - found.start.0);
        let after = set.run_at(run.end()).map_or(0, |found| found.end().0 - run.end().0);
        let histogram = &mut self.histogram;
        let mut add = |blocks: u64, more: bool| {
            let slot = &mut histogram[bucket(blocks)];
            *slot = if more { *slot + 1 } else { *slot - 1 };
        };
        add(before + run.blocks + after, !left);
        [before, after].into_iter().filter(|blocks| *blocks > 0).for_each(|blocks| add(blocks, left));
    }

    /// How good it is to allocate from. Full: 0.
    ///
    /// By segments: the power of two of the longest runs, then how many of these there are. By space: free blocks, less for
    /// those in small runs. Source: OpenZFS, metaslab weights (notes, 1b).
    pub(super) fn weigh(&self, by: Weight) -> u64 {
        if self.free_blocks == 0 {
            return 0;
        }
        match by {
            Weight::Segment => self.weigh_by_segments(),
            Weight::Space => {
                let runs = self.histogram.iter().enumerate();
                let buckets = runs.map(|(at, runs)| (1 << at, u64::from(*runs)));
                let lost = u64::from(zfs_fragmentation(buckets, ZfsTable::Since2025)).saturating_sub(1);
                ((u128::from(self.free_blocks) * u128::from(100 - lost.min(99))) / 100).max(1) as u64
            }
        }
    }

    fn weigh_by_segments(&self) -> u64 {
        let top = self.top().unwrap_or(0);
        (top as u64 + 1) << 32 | u64::from(self.histogram[top].max(1))
    }

    /// A run comes back that is not in memory: it is counted alone, whatever it may have joined.
    pub(super) fn count_unseen(&mut self, blocks: u64) {
        let slot = &mut self.histogram[bucket(blocks)];
        *slot = slot.saturating_add(1);
        self.longest = self.longest.map(|longest| longest.max(blocks));
    }

    /// Drop the index; what it knew is kept.
    pub(super) fn unload(&mut self) {
        self.longest = self.longest_blocks();
        self.index = None;
    }
}
