//! What each allocation asked for, got and cost, seen at the allocator's seam.
//!
//! Invariant: passes every call through unchanged. Counts are a function of the calls; wall-clock times are kept apart and
//! leave by `timed` only. Knows no algorithm.

use super::buckets::Buckets;
use spinney_alloc::{Allocator, Grant, SpaceStats, Want};
use spinney_core::{Effort, Epoch, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Pba, Result, Root};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a stretch of a run asked of its allocator. A request is one wish of the volume: calls go on until it is covered.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allocations {
    /// Requests begun.
    pub(crate) requests: u64,
    /// Runs that they were served with.
    pub(crate) pieces: u64,
    /// Blocks in those.
    pub(crate) blocks: u64,
    /// Requests that took more than one piece.
    pub(crate) split: u64,
    /// The pieces of these.
    pub(crate) split_pieces: u64,
    /// Writes of the workload that took more than one piece of the device, pieces that lie side by side counted as one.
    pub(crate) split_writes: u64,
    /// The pieces of these.
    pub(crate) split_write_pieces: u64,
    /// Writes of the workload that took any.
    pub(crate) writes: u64,
    /// Steps of the index for each piece.
    pub(crate) effort: Buckets,
    /// Free runs that searches by address passed, for each piece.
    pub(crate) passed: Buckets,
    /// Most blocks that waited to be allocatable again when a commit began or became durable: between commits they only
    /// pile up, so nothing is read at each release.
    pub(crate) deferred_blocks_max: u64,
}

#[derive(Default)]
struct State {
    now: Allocations,
    /// Nanoseconds for each piece, over the whole case.
    wall_ns: Buckets,
    /// Pieces of the request under way, 0 if there is none.
    open: u64,
    /// Pieces of the write under way, and where the last one ends.
    write: u64,
    write_end: Option<Pba>,
}

/// The reading side of a [`MeteredAllocator`].
#[derive(Clone, Default)]
pub(crate) struct AllocationMeter(Arc<Mutex<State>>);

impl AllocationMeter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What happened since this was last called.
    pub(crate) fn take(&self) -> Allocations {
        std::mem::take(&mut self.state().now)
    }

    /// A write of the workload begins: what was allocated before belongs to others.
    pub(crate) fn begin_write(&self) {
        let mut state = self.state();
        (state.write, state.write_end) = (0, None);
    }

    /// Wall-clock nanoseconds of each call since the case began: median, 99th percentile, maximum.
    pub(crate) fn timed(&self) -> [f64; 3] {
        let state = self.state();
        [state.wall_ns.quantile(0.5), state.wall_ns.quantile(0.99), state.wall_ns.max()]
    }
}

impl State {
    fn count(&mut self, wanted: u64, got: u64, effort: Effort) {
        let now = &mut self.now;
        now.requests += u64::from(self.open == 0);
        now.pieces += 1;
        now.blocks += got;
        now.effort.add(effort.steps);
        now.passed.add(effort.passed);
        self.open += 1;
        match self.open {
            1 => {}
            2 => (now.split, now.split_pieces) = (now.split + 1, now.split_pieces + 2),
            _ => now.split_pieces += 1,
        }
        if got >= wanted {
            self.open = 0;
        }
    }
}

impl State {
    fn count_write(&mut self, run: Extent) {
        if self.write_end.replace(run.end()) == Some(run.start) {
            return;
        }
        self.write += 1;
        let now = &mut self.now;
        match self.write {
            1 => now.writes += 1,
            2 => {
                (now.split_writes, now.split_write_pieces) =
                    (now.split_writes + 1, now.split_write_pieces + 2)
            }
            _ => now.split_write_pieces += 1,
        }
    }
}

/// An allocator that is watched.
pub(crate) struct MeteredAllocator {
    below: Box<dyn Allocator>,
    meter: AllocationMeter,
}

impl MeteredAllocator {
    pub(crate) fn new(below: Box<dyn Allocator>, meter: AllocationMeter) -> MeteredAllocator {
        MeteredAllocator { below, meter }
    }
}

impl MeteredAllocator {
    fn sample_deferred(&self) {
        let deferred = self.below.stats().deferred_blocks;
        let most = &mut self.meter.state().now.deferred_blocks_max;
        *most = deferred.max(*most);
    }
}

impl Allocator for MeteredAllocator {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.below.format(universe, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.below.open(universe, root, pages)
    }
    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        self.below.reserve(blocks)
    }
    fn allocate(&mut self, want: &Want, grant: &mut Grant, pages: &dyn PageRead) -> Result<Extent> {
        let wanted = want.blocks_max.min(grant.blocks());
        let (before, began) = (self.below.stats().effort, Instant::now());
        let run = self.below.allocate(want, grant, pages);
        let (ns, after) = (began.elapsed().as_nanos(), self.below.stats().effort);
        let mut state = self.meter.state();
        match &run {
            Ok(run) => {
                let effort = Effort {
                    steps: after.steps - before.steps,
                    fallbacks: after.fallbacks - before.fallbacks,
                    passed: after.passed - before.passed,
                };
                state.count(wanted, run.blocks, effort);
                state.count_write(*run);
                state.wall_ns.add(ns as u64);
            }
            Err(_) => state.open = 0, // the wish is given up
        }
        drop(state);
        run
    }
    fn claim(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()> {
        self.below.claim(run, pages)
    }
    fn release(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()> {
        self.below.release(run, pages)
    }
    fn settle(&mut self, grant: Grant) {
        self.below.settle(grant);
    }
    fn pages_bound(&self, more: u64) -> u64 {
        self.below.pages_bound(more)
    }
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        self.sample_deferred();
        self.below.commit(epoch, pages)
    }
    fn committed(&mut self, epoch: Epoch, oldest_reader: Option<Epoch>) {
        self.sample_deferred();
        self.below.committed(epoch, oldest_reader);
    }
    fn hurry(&mut self) {
        self.below.hurry();
    }
    fn is_draining(&self, oldest_reader: Option<Epoch>) -> bool {
        self.below.is_draining(oldest_reader)
    }
    fn visit_free(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        self.below.visit_free(pages, each)
    }
    fn visit_deferred(&self, each: &mut dyn FnMut(Extent)) {
        self.below.visit_deferred(each);
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.below.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.below.check(pages, found)
    }
    fn stats(&self) -> SpaceStats {
        self.below.stats()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_ends_when_it_is_covered() {
        let mut state = State::default();
        for (wanted, got) in [(8, 8), (8, 3), (5, 1), (4, 4), (2, 2), (9, 5), (4, 4)] {
            state.count(wanted, got, Effort { steps: 7, fallbacks: 0, passed: 40 });
        }
        let now = state.now;
        assert_eq!((now.requests, now.pieces, now.blocks), (4, 7, 27));
        assert_eq!((now.split, now.split_pieces), (2, 5), "8 in three pieces and 9 in two");
        assert_eq!((now.effort.max(), now.passed.max()), (7.0, 40.0));
    }

    #[test]
    fn pieces_of_a_write_that_lie_side_by_side_are_one() {
        let meter = AllocationMeter::default();
        for write in [&[(0, 4), (4, 4), (8, 1)][..], &[(9, 3), (20, 1), (21, 2), (5, 1)], &[(6, 2)]] {
            meter.begin_write();
            for (start, blocks) in write {
                meter.state().count_write(Extent { start: Pba(*start), blocks: *blocks });
            }
        }
        let now = meter.take();
        assert_eq!((now.writes, now.split_writes, now.split_write_pieces), (3, 1, 3));
    }
}
