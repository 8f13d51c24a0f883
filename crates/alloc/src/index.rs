//! The in-memory half of an allocator: a set of free blocks that chooses which to hand out.
//!
//! Invariant: an index is a *set*; two indexes given the same calls agree on what is free, never on which is chosen.
//! It knows no pages and no epochs, and cannot fail.

use crate::Want;
use spinney_core::{Effort, Extent, Flow};

/// A set of free runs inside a universe.
pub trait FreeIndex: Send {
    /// Forget everything; from now on all runs lie in `universe`. Nothing is free afterwards.
    fn reset(&mut self, universe: Extent);
    /// Caller: none of `run` is free. Owed: all of it is, afterwards. A double free may assert.
    fn insert(&mut self, run: Extent);
    /// Caller: all of `run` is free. Owed: none of it is, afterwards.
    fn remove(&mut self, run: Extent);
    /// Choose and remove a run of `blocks_min..=blocks_max` blocks, aligned. Owed: `Some` whenever a run that satisfies
    /// `blocks_min` and `align` exists. The same calls give the same answers.
    fn pick(&mut self, want: &Want) -> Option<Extent>;
    /// Whether every block of `run` is free.
    fn is_free(&self, run: Extent) -> bool;
    /// The maximal free runs that touch `within`, clipped to it, in address order.
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow);
    /// Blocks in the set.
    fn free_blocks(&self) -> u64;
    /// Maximal free runs in the set, known without a walk.
    fn free_runs(&self) -> u64;
    /// No run is longer: the longest run if the index knows it without a walk, else any bound.
    fn longest_max(&self) -> u64 {
        self.free_blocks()
    }
    /// Work done by `pick`, `insert` and `remove` since `reset`.
    fn effort(&self) -> Effort;
    /// Bytes of memory that it holds now (a reckoning from its own structures, the same on any machine).
    fn memory_bytes(&self) -> u64;
}
