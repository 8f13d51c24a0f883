//! [`PowerIndex`]: the free set under one of the policies.
//!
//! Invariant: a policy only names a free piece that satisfies the request; taking it, and searching exactly when the policy has none,
//! is done here, once. So a policy cannot break the law that a request which some run satisfies is served.

use core::fmt;
use core::ops::RangeInclusive;
use spinney_alloc::{BitSpace, FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow, Pba};

/// What differs between the three.
pub trait Policy: Default + Send + fmt::Debug {
    /// Forget all; the space is new and empty.
    fn reset(&mut self, space: &BitSpace);
    /// Blocks in these leaves changed.
    fn changed(&mut self, space: &BitSpace, leaves: RangeInclusive<usize>);
    /// A free piece that satisfies the request, or `None` to have an exact search. Sets `spilled` if it is not its first choice.
    fn choose(&mut self, space: &mut BitSpace, want: &Want, spilled: &mut bool) -> Option<Extent>;
    /// Bytes held.
    fn memory_bytes(&self) -> u64;
}

/// An index; then `reset`.
#[derive(Debug)]
pub struct PowerIndex<P> {
    space: BitSpace,
    policy: P,
    fallbacks: u64,
}

impl<P: Policy> Default for PowerIndex<P> {
    fn default() -> PowerIndex<P> {
        PowerIndex::with(P::default())
    }
}

impl<P: Policy> PowerIndex<P> {
    /// An index under this policy.
    #[must_use]
    pub fn with(policy: P) -> PowerIndex<P> {
        PowerIndex { space: BitSpace::new(Extent { start: Pba(0), blocks: 0 }), policy, fallbacks: 0 }
    }
    fn change(&mut self, run: Extent, free: bool) {
        let leaves = self.space.change(run, free);
        self.policy.changed(&self.space, leaves);
    }
}

impl<P: Policy> FreeIndex for PowerIndex<P> {
    fn reset(&mut self, universe: Extent) {
        self.space = BitSpace::new(universe);
        self.policy.reset(&self.space);
        self.fallbacks = 0;
    }
    fn insert(&mut self, run: Extent) {
        self.change(run, true);
    }
    fn remove(&mut self, run: Extent) {
        self.change(run, false);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        if self.space.blocks() < want.blocks_min {
            return None;
        }
        // More than the universe is as much as possible.
        let want = Want { blocks_max: want.blocks_max.min(self.space.universe().blocks), ..*want };
        let mut spilled = false;
        let piece = self.policy.choose(&mut self.space, &want, &mut spilled);
        self.fallbacks += u64::from(spilled || piece.is_none());
        let piece = piece.or_else(|| self.space.search(&want))?;
        self.change(piece, false);
        Some(piece)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.space.contains(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.space.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.space.blocks()
    }
    fn free_runs(&self) -> u64 {
        self.space.runs()
    }
    fn longest_max(&self) -> u64 {
        self.space.longest_max()
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.space.steps(), fallbacks: self.fallbacks, ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        self.space.memory_bytes() + self.policy.memory_bytes() + size_of::<Self>() as u64
    }
}
