//! What lies near a place: the runs on both sides of it, and the nearest runs of a size.
//!
//! Invariant: nothing is taken and no answer depends on an earlier one; whoever walks keeps its own place. Knows no distance
//! beyond order: which of two runs is nearer is the policy's to say.

use super::ExtentSet;
use spinney_core::{Extent, Flow, Pba};

impl ExtentSet {
    /// A place from the start of the universe, if it lies inside.
    fn inside(&self, at: Pba) -> Option<u64> {
        at.0.checked_sub(self.universe.start.0).filter(|at| *at < self.universe.blocks)
    }

    /// The run that holds `at`, else the first one after it.
    #[must_use]
    pub fn run_from(&self, at: Pba) -> Option<Extent> {
        let at = self.inside(at.max(self.universe.start))?;
        self.touching_or_after(at).map(|found| self.extent(&found))
    }

    /// The last run that starts before `at`.
    #[must_use]
    pub fn run_before(&self, at: Pba) -> Option<Extent> {
        let end = self.universe.end().0.min(at.0);
        let last = self.inside(Pba(end.checked_sub(1)?))?;
        self.regions.before(self.regions.seat(last)).map(|found| self.extent(&found))
    }

    /// The run after `run`, which is in the set.
    #[must_use]
    pub fn next_right(&self, run: Extent) -> Option<Extent> {
        self.run_from(run.end())
    }

    /// The run before `run`, which is in the set.
    #[must_use]
    pub fn next_left(&self, run: Extent) -> Option<Extent> {
        self.run_before(run.start)
    }

    /// The smallest size of at least `blocks` that some run has.
    #[must_use]
    pub fn size_at_least(&mut self, blocks: u64) -> Option<u64> {
        self.sizes.settle();
        self.sizes.at_least(blocks)
    }

    /// The largest size of at most `blocks` blocks that some run has.
    #[must_use]
    pub fn size_at_most(&mut self, blocks: u64) -> Option<u64> {
        self.sizes.settle();
        self.sizes.below(blocks.min(self.universe.blocks) + 1)
    }

    /// The last run of exactly `blocks` blocks that starts before `at`, and the first that starts there or after it.
    #[must_use]
    pub fn runs_of_size_around(&mut self, blocks: u64, at: Pba) -> [Option<Extent>; 2] {
        self.sizes.settle();
        let at = at.0.saturating_sub(self.universe.start.0);
        let after = if at < self.universe.blocks { self.first_at(blocks, at) } else { None };
        let region = self.regions.region(at.min(self.universe.blocks.saturating_sub(1)));
        let here = self.last_of(blocks, region, at);
        let before = here.or_else(|| {
            let region = self.sizes.region_until(blocks, region.checked_sub(1)?)?;
            self.last_of(blocks, region, at)
        });
        [before, after].map(|found| found.map(|found| self.extent(&found)))
    }

    /// The last run of a region with exactly `blocks` blocks that starts before `at`.
    fn last_of(&self, blocks: u64, region: u32, at: u64) -> Option<super::Found> {
        let mut last = None;
        let mut next = self.regions.find(region, 0, blocks);
        while let Some(found) = next.filter(|found| found.start < at) {
            next = self.regions.find(region, found.place + 1, blocks);
            last = Some(found);
        }
        last
    }

    /// Runs of at least `blocks` blocks, shortest first.
    pub fn visit_at_least(&mut self, blocks: u64, each: &mut dyn FnMut(Extent) -> Flow) {
        self.sizes.settle();
        let mut size = self.sizes.at_least(blocks);
        while let Some(blocks) = size {
            let mut next = self.first_of(blocks, 0);
            while let Some(found) = next {
                if each(self.extent(&found)) == Flow::Stop {
                    return;
                }
                next = self.next_of(&found);
            }
            size = self.sizes.at_least(blocks + 1);
        }
    }
}
