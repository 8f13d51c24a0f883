//! One space for several threads: stretches of equal size, each an index of its own behind a lock of its own.
//!
//! Invariant: no thread ever holds two locks, so there is no order of locks to keep; and no run that is handed out crosses a
//! border of stretches. A stream has a home stretch, so threads with streams of their own meet only when a home has run dry.
//! Spawns no thread and knows no pages; whoever wants the same answers from the same calls calls it from one thread.

use crate::{FreeIndex, Want};
use alloc::boxed::Box;
use spinney_core::{Extent, Pba};
use std::sync::{Mutex, MutexGuard};

/// An index and the lock around it, alone on its cache lines.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<I>(Mutex<I>);

/// A set of free runs that several threads take from and give back to.
#[derive(Debug)]
pub struct Sharded<I> {
    universe: Extent,
    /// Blocks of a stretch; the last one may be shorter.
    stretch_blocks: u64,
    shards: Box<[Shard<I>]>,
}

impl<I: FreeIndex> Sharded<I> {
    /// `universe` in at most `shards` stretches (at least one), with an index from `make` for each; nothing is free.
    #[must_use]
    pub fn new(universe: Extent, shards: u32, mut make: impl FnMut() -> I) -> Sharded<I> {
        let stretch_blocks = universe.blocks.div_ceil(u64::from(shards.max(1))).max(1);
        let stretch = |at: u64| {
            let start = universe.start.0 + at * stretch_blocks;
            Extent { start: Pba(start), blocks: stretch_blocks.min(universe.end().0 - start) }
        };
        let count = universe.blocks.div_ceil(stretch_blocks).max(1);
        let shard = |at| {
            let mut index = make();
            index.reset(stretch(at));
            Shard(Mutex::new(index))
        };
        Sharded { universe, stretch_blocks, shards: (0..count).map(shard).collect() }
    }
    fn shard(&self, at: usize) -> MutexGuard<'_, I> {
        self.shards[at].0.lock().expect("an index that has panicked is not used again")
    }
    /// The parts of a run in each stretch that it touches.
    fn parts(&self, run: Extent) -> impl Iterator<Item = (usize, Extent)> {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        let (base, blocks) = (self.universe.start.0, self.stretch_blocks);
        let mut at = run.start.0;
        core::iter::from_fn(move || {
            let shard = (at - base) / blocks;
            let end = run.end().0.min(base + (shard + 1) * blocks);
            let part = (at < end).then(|| (shard as usize, Extent::new(Pba(at), end - at)));
            at = end;
            part
        })
    }
    /// Caller: none of `run` is free. Owed: all of it is, once this returns; a run over a border is two in the set.
    pub fn insert(&self, run: Extent) {
        self.parts(run).for_each(|(shard, part)| self.shard(shard).insert(part));
    }
    /// Caller: all of `run` is free, and nobody takes of it meanwhile. Owed: none of it is, once this returns.
    pub fn remove(&self, run: Extent) {
        self.parts(run).for_each(|(shard, part)| self.shard(shard).remove(part));
    }
    /// Choose and remove a run, from the home of `want.stream` if it has one, else from the next stretch that has; a run of
    /// all that is wanted is preferred to a shorter one at home. Owed: `Some` whenever a run that satisfies the least lies in
    /// one stretch and no other thread changes the set meanwhile.
    pub fn pick(&self, want: &Want) -> Option<Extent> {
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let shorter = || (want.blocks_min < want.blocks_max).then(|| self.pick_from_home(want)).flatten();
        self.pick_from_home(&whole).or_else(shorter)
    }
    fn pick_from_home(&self, want: &Want) -> Option<Extent> {
        let count = self.shards.len();
        let home = want.stream as usize % count;
        (home..count).chain(0..home).find_map(|at| self.shard(at).pick(want))
    }
    /// Whether every block of `run` is free, each stretch asked at its own moment.
    #[must_use]
    pub fn is_free(&self, run: Extent) -> bool {
        self.universe.contains(run) && self.parts(run).all(|(shard, part)| self.shard(shard).is_free(part))
    }
    /// Blocks in the set, each stretch counted at its own moment.
    #[must_use]
    pub fn free_blocks(&self) -> u64 {
        (0..self.shards.len()).map(|at| self.shard(at).free_blocks()).sum()
    }
    /// Bytes of memory of the indexes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        (0..self.shards.len()).map(|at| self.shard(at).memory_bytes()).sum()
    }
}
