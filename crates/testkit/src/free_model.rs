//! The slowest free set that is obviously right: one flag a block.
//!
//! Invariant: `free[i]` says whether block `universe.start + i` is free, and nothing is derived or cached. Chooses no
//! blocks: laws compare *what* is free with it, never which run was picked.

use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Extent, Flow, Pba};

/// One flag a block.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FreeModel {
    /// All blocks.
    pub universe: Extent,
    free: Vec<bool>,
}

impl FreeModel {
    /// Nothing is free.
    #[must_use]
    pub fn empty(universe: Extent) -> FreeModel {
        FreeModel { universe, free: vec![false; universe.blocks as usize] }
    }
    /// Everything is free.
    #[must_use]
    pub fn full(universe: Extent) -> FreeModel {
        FreeModel { universe, free: vec![true; universe.blocks as usize] }
    }
    fn flags(&mut self, run: Extent) -> &mut [bool] {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        let from = (run.start.0 - self.universe.start.0) as usize;
        &mut self.free[from..from + run.blocks as usize]
    }
    /// All of `run` becomes free; none of it may be.
    pub fn insert(&mut self, run: Extent) {
        let flags = self.flags(run);
        assert!(flags.iter().all(|free| !free), "{run:?} is partly free");
        flags.fill(true);
    }
    /// None of `run` is free afterwards; all of it must be.
    pub fn remove(&mut self, run: Extent) {
        let flags = self.flags(run);
        assert!(flags.iter().all(|free| *free), "{run:?} is not all free");
        flags.fill(false);
    }
    /// Whether the block is free (outside the universe none is).
    #[must_use]
    pub fn is_free(&self, at: Pba) -> bool {
        at.0.checked_sub(self.universe.start.0).and_then(|place| self.free.get(place as usize)) == Some(&true)
    }
    /// Blocks that are free.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.free.iter().filter(|free| **free).count() as u64
    }
    /// Maximal runs of the given state that touch `within`, clipped to it, in address order.
    #[must_use]
    pub fn runs_within(&self, within: Extent, free: bool) -> Vec<Extent> {
        let mut runs: Vec<Extent> = Vec::new();
        let Some(within) = within.intersect(self.universe) else { return runs };
        for at in within.iter().filter(|at| self.is_free(*at) == free) {
            match runs.last_mut() {
                Some(last) if last.end() == at => last.blocks += 1,
                _ => runs.push(Extent::new(at, 1)),
            }
        }
        runs
    }
    /// All maximal free runs.
    #[must_use]
    pub fn runs(&self) -> Vec<Extent> {
        self.runs_within(self.universe, true)
    }
    /// Whether some run satisfies `want`.
    #[must_use]
    pub fn has(&self, want: &Want) -> bool {
        self.runs().into_iter().any(|run| want.fit(run).is_some())
    }
}

/// What `index` says is free inside `within`.
#[must_use]
pub fn visited(index: &dyn FreeIndex, within: Extent) -> Vec<Extent> {
    let mut runs = Vec::new();
    index.visit(within, &mut |run| {
        runs.push(run);
        Flow::Continue
    });
    runs
}
