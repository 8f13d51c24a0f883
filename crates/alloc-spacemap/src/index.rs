//! Free extents by address and by size, under one of five policies.
//!
//! Invariant: whatever the policy prefers, a request that some run satisfies is served: each falls back to the smallest
//! run that fits. Cursors are hints: losing them costs placement, never correctness. Knows no pages and no epochs.

use crate::policy::{Policy, Tuning};
use spinney_alloc::extents::Reach;
use spinney_alloc::{ExtentSet, FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow, Pba};

/// Alignments of a size: one cursor each.
const CURSORS: usize = 64;

/// The index.
#[derive(Debug)]
pub struct RangeIndex {
    set: ExtentSet,
    tuning: Tuning,
    cursors: [u64; CURSORS],
    /// Cursor fit only: where the segment that it carves ends.
    segment_end: u64,
    fallbacks: u64,
}

impl Default for RangeIndex {
    fn default() -> RangeIndex {
        RangeIndex::new(Tuning::default())
    }
}

impl RangeIndex {
    /// An index with these numbers; then `reset`.
    #[must_use]
    pub fn new(tuning: Tuning) -> RangeIndex {
        RangeIndex { set: ExtentSet::default(), tuning, cursors: [0; CURSORS], segment_end: 0, fallbacks: 0 }
    }
    /// The index of a set that is there already.
    #[must_use]
    pub fn over(set: ExtentSet, tuning: Tuning) -> RangeIndex {
        let cursors = [set.universe().start.0; CURSORS];
        RangeIndex { set, cursors, ..RangeIndex::new(tuning) }
    }
    /// The free runs, to look at.
    #[must_use]
    pub fn set(&self) -> &ExtentSet {
        &self.set
    }

    /// Dynamic fit: while space is plentiful, the next fit after the cursor of the size's alignment, so that requests of
    /// one kind lie together; once it is not, best fit.
    fn dynamic(&mut self, want: &Want) -> Option<Extent> {
        let cursor = &mut self.cursors[want.blocks_max.trailing_zeros() as usize];
        let universe = self.set.universe().blocks;
        let plenty = self.set.has_run(self.tuning.run_blocks_min.max(want.blocks_max))
            && self.set.blocks() as u128 * 100
                >= u128::from(universe) * u128::from(self.tuning.free_percent_min);
        if plenty {
            let reach = Reach { blocks: self.tuning.walk_blocks_max, runs: self.tuning.walk_runs_min };
            if let Some(run) = self.set.take_first(want, Pba(*cursor), reach) {
                *cursor = run.end().0;
                return Some(run);
            }
            *cursor = self.set.universe().start.0;
        }
        self.fallbacks += 1;
        let run = self.set.take_best(want)?;
        *cursor = run.end().0;
        Some(run)
    }

    /// First fit: the lowest address that holds it.
    fn first(&mut self, want: &Want) -> Option<Extent> {
        let reach = Reach { blocks: u64::MAX, runs: u64::MAX };
        if self.set.has_run(want.blocks_max) {
            let run = self.set.take_first(want, self.set.universe().start, reach);
            if run.is_some() {
                return run;
            }
        }
        self.fall_back(want)
    }

    /// Cursor fit: carve one large segment from its start; when it no longer holds the request, go on with the longest.
    fn cursor(&mut self, want: &Want) -> Option<Extent> {
        let segment = Extent::checked(self.cursors[0], self.segment_end.saturating_sub(self.cursors[0]));
        let piece = segment.and_then(|segment| self.take_at(want, segment));
        let piece = piece.or_else(|| {
            let longest = self.set.longest_run()?;
            self.segment_end = longest.end().0;
            self.take_at(want, longest)
        });
        match piece {
            Some(piece) => {
                self.cursors[0] = piece.end().0;
                Some(piece)
            }
            None => self.fall_back(want),
        }
    }

    /// Worst fit: from the longest run, so that what is left of it is as long as can be (Knuth, section 2.5).
    fn worst(&mut self, want: &Want) -> Option<Extent> {
        let piece = self.set.longest_run().and_then(|longest| self.take_at(want, longest));
        piece.or_else(|| self.fall_back(want))
    }

    /// New dynamic fit: go on exactly where the last request of about this size ended; otherwise find a run sixteen
    /// times the size, so that the next ones can follow.
    fn clump(&mut self, want: &Want) -> Option<Extent> {
        let order = want.blocks_max.ilog2() as usize;
        let at = self.cursors[order];
        let next = Extent::checked(at, want.blocks_max.saturating_add(want.align - 1));
        let piece = next.and_then(|next| self.take_at(want, next)).or_else(|| {
            let clump = want.blocks_max.checked_next_power_of_two().unwrap_or(u64::MAX);
            let clump = clump.saturating_mul(1 << self.tuning.clump_shift).min(self.set.longest_blocks());
            let run = self.set.smallest_run(clump)?;
            self.take_at(want, run)
        });
        match piece {
            Some(piece) => {
                self.cursors[order] = piece.end().0;
                Some(piece)
            }
            None => self.fall_back(want),
        }
    }

    /// All that `want` asks for from inside `run`, if it is free there.
    fn take_at(&mut self, want: &Want, run: Extent) -> Option<Extent> {
        let piece = Want { blocks_min: want.blocks_max, ..*want }.fit(run)?;
        self.set.try_remove(piece).then_some(piece)
    }

    fn fall_back(&mut self, want: &Want) -> Option<Extent> {
        self.fallbacks += 1;
        self.set.take_best(want)
    }
}

impl FreeIndex for RangeIndex {
    fn reset(&mut self, universe: Extent) {
        *self = RangeIndex::new(self.tuning);
        self.set = ExtentSet::crowded(universe).with_sized_blocks_min(self.tuning.sized_blocks_min);
        self.cursors = [universe.start.0; CURSORS];
    }
    fn insert(&mut self, run: Extent) {
        self.set.insert(run);
    }
    fn remove(&mut self, run: Extent) {
        self.set.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        // More than the universe is as much as possible.
        let blocks_max = want.blocks_max.min(self.set.universe().blocks).max(want.blocks_min);
        let want = Want { blocks_max, near: None, ..*want };
        match self.tuning.policy {
            Policy::Dynamic => self.dynamic(&want),
            Policy::First => self.first(&want),
            Policy::Cursor => self.cursor(&want),
            Policy::Worst => self.worst(&want),
            Policy::NewDynamic => self.clump(&want),
        }
    }
    fn is_free(&self, run: Extent) -> bool {
        self.set.contains(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.set.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.set.blocks()
    }
    fn free_runs(&self) -> u64 {
        self.set.runs()
    }
    fn longest_max(&self) -> u64 {
        self.set.longest_blocks()
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.set.steps(), fallbacks: self.fallbacks, passed: self.set.passed() }
    }
    fn memory_bytes(&self) -> u64 {
        self.set.memory_bytes() + size_of::<RangeIndex>() as u64
    }
}

#[cfg(test)]
mod tests;
