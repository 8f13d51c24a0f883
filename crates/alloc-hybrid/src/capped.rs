//! [`CappedIndex`]: a tree of free runs under a policy, with a cap, and the bitmap that takes what spills over.
//!
//! Invariant: a maximal free run is whole in the tree or whole in the bitmap, and the tree has at most `cap_runs` runs, the longest
//! ones as they were when they came. Without a cap there is never a bitmap. Knows no policy's rules.

use crate::spill::Spill;
use crate::{Avl, Btree2};
use core::fmt;
use spinney_alloc::{ExtentSet, FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow, Pba};

/// How a tree serves a request.
pub trait Policy: Send + fmt::Debug {
    /// The empty tree that it wants.
    fn tree(&self, universe: Extent) -> ExtentSet;
    /// Forget all.
    fn reset(&mut self, universe: Extent);
    /// A run was freed.
    fn freed(&mut self, _: Extent) {}
    /// Choose and take out a run that satisfies the request. Owed: one, if the tree has any. `misses` counts what was not the first choice.
    fn pick(
        &mut self,
        tree: &mut ExtentSet,
        spill: &mut Spill,
        want: &Want,
        misses: &mut u64,
    ) -> Option<Extent>;
}

/// The index.
#[derive(Debug)]
pub struct CappedIndex<P> {
    tree: ExtentSet,
    spill: Spill,
    policy: P,
    cap_runs: u64,
    fallbacks: u64,
}

/// Offset and size trees under bounded first fit, without a cap.
pub type AvlIndex = CappedIndex<Avl>;
/// Offset tree and size buckets, without a cap.
pub type Btree2Index = CappedIndex<Btree2>;

impl<P: Policy + Default> Default for CappedIndex<P> {
    fn default() -> CappedIndex<P> {
        CappedIndex::new(P::default(), u64::MAX)
    }
}

impl<P: Policy> CappedIndex<P> {
    /// A tree of at most `cap_runs` runs under this policy; then `reset`.
    #[must_use]
    pub fn new(policy: P, cap_runs: u64) -> CappedIndex<P> {
        let nowhere = Extent { start: Pba(0), blocks: 0 };
        CappedIndex { tree: policy.tree(nowhere), spill: Spill::new(nowhere), policy, cap_runs, fallbacks: 0 }
    }
    /// Runs in the tree, and in the bitmap.
    #[must_use]
    pub fn runs_by_place(&self) -> (u64, u64) {
        (self.tree.runs(), self.spill.runs())
    }
    /// While the tree has too many runs, its shortest goes to the bitmap.
    fn settle(&mut self) {
        while self.tree.runs() > self.cap_runs {
            let shortest = self.tree.smallest_run(1).expect("a tree over its cap has runs");
            self.tree.remove(shortest);
            self.spill.insert(shortest);
        }
    }
}

impl<P: Policy> FreeIndex for CappedIndex<P> {
    fn reset(&mut self, universe: Extent) {
        self.tree = self.policy.tree(universe);
        self.spill = Spill::new(universe);
        self.policy.reset(universe);
        self.fallbacks = 0;
    }
    fn insert(&mut self, run: Extent) {
        assert!(self.spill.first(run.start, run.end()).is_none(), "{run:?} is free already, or part of it");
        self.tree.insert(self.spill.claim(run));
        self.policy.freed(run);
        self.settle();
    }
    fn remove(&mut self, run: Extent) {
        if !self.tree.try_remove(run) {
            self.spill.remove(run);
        }
        self.settle();
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        let want = Want {
            blocks_max: want.blocks_max.min(self.tree.universe().blocks).max(want.blocks_min),
            ..*want
        };
        // What is shorter than all of the tree's runs would cut one up.
        let spill_first = self.spill.blocks() > 0 && self.tree.size_at_most(want.blocks_max).is_none();
        let spilled = if spill_first { self.spill.pick(&want) } else { None };
        let picked = match spilled {
            Some(run) => Some(run),
            None => self.policy.pick(&mut self.tree, &mut self.spill, &want, &mut self.fallbacks),
        };
        let picked = picked.or_else(|| {
            self.fallbacks += 1;
            self.spill.pick(&want)
        });
        self.settle();
        picked
    }
    fn is_free(&self, run: Extent) -> bool {
        self.tree.contains(run) || self.spill.contains(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.tree.universe()) else { return };
        if self.spill.blocks() == 0 {
            return self.tree.visit(within, each);
        }
        let (mut at, mut flow) = (within.start, Flow::Continue);
        let mut spilled_until = |until: Pba, each: &mut dyn FnMut(Extent) -> Flow| {
            while flow == Flow::Continue
                && let Some(run) = self.spill.first(at, until)
            {
                flow = each(run);
                at = run.end();
            }
            at = at.max(until);
            flow
        };
        let mut ended = false;
        self.tree.visit(within, &mut |run| {
            let stop = spilled_until(run.start, each) == Flow::Stop || each(run) == Flow::Stop;
            ended = stop;
            if stop { Flow::Stop } else { Flow::Continue }
        });
        if !ended {
            spilled_until(within.end(), each);
        }
    }
    fn free_blocks(&self) -> u64 {
        self.tree.blocks() + self.spill.blocks()
    }
    fn free_runs(&self) -> u64 {
        self.tree.runs() + self.spill.runs()
    }
    fn longest_max(&self) -> u64 {
        self.tree.longest_blocks().max(self.spill.longest_max())
    }
    fn effort(&self) -> Effort {
        Effort {
            steps: self.tree.steps() + self.spill.steps(),
            fallbacks: self.fallbacks,
            passed: self.tree.passed(),
        }
    }
    fn memory_bytes(&self) -> u64 {
        self.tree.memory_bytes() + self.spill.memory_bytes() + size_of::<Self>() as u64
    }
}
