//! [`StupidIndex`]: BlueStore's first allocator, ten bins by the power of two in a run's length, searched from a hint.
//!
//! Invariant: bin k has the runs of 2^k <= n < 2^(k+1) blocks, the last one all from 512 on. A bin is searched by address and run by run:
//! that is the design, and its price where a bin is full of runs that are a little too short. Knows no trees.

use spinney_alloc::bit_space::BLOCKS;
use spinney_alloc::{BitSpace, FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow, Pba};

const BINS: u32 = 10;

/// The index.
#[derive(Clone, Debug)]
pub struct StupidIndex {
    space: BitSpace,
    /// The position behind the last pick: the hint of a request that has none of its own.
    last: usize,
    fallbacks: u64,
}

impl Default for StupidIndex {
    /// An index; then `reset`.
    fn default() -> StupidIndex {
        StupidIndex::over(Extent { start: Pba(0), blocks: 0 })
    }
}

impl StupidIndex {
    fn over(universe: Extent) -> StupidIndex {
        StupidIndex { space: BitSpace::with_classes(universe, BINS), last: 0, fallbacks: 0 }
    }
    /// The first run of a bin that starts in positions `from..to` and satisfies the request.
    fn find(&mut self, bin: u32, (from, to): (usize, usize), want: &Want) -> Option<Extent> {
        let mut next = self.space.leaf_from(bin, from / BLOCKS);
        while let Some(leaf) = next.filter(|leaf| leaf * BLOCKS < to) {
            let mut looked_at = 0;
            let fits = |(start, end): (usize, usize)| {
                looked_at += 1;
                let here = from <= start && start < to && self.space.class_of((end - start) as u64) == bin;
                if here { want.fit(self.space.extent(start, end)) } else { None }
            };
            let found = self.space.starting(leaf).find_map(fits);
            self.space.looked_at(looked_at);
            if found.is_some() {
                return found;
            }
            next = self.space.leaf_from(bin, leaf + 1);
        }
        None
    }
    /// From the hint on in each bin, then what lies before it in each.
    fn round(&mut self, bins: impl Iterator<Item = u32> + Clone, hint: usize, want: &Want) -> Option<Extent> {
        let end = self.space.leaves() * BLOCKS;
        let after = bins.clone().find_map(|bin| self.find(bin, (hint, end), want));
        after.or_else(|| bins.into_iter().find_map(|bin| self.find(bin, (0, hint), want)))
    }
    fn search(&mut self, want: &Want) -> Option<Extent> {
        let universe = self.space.universe();
        let near = want.near.filter(|near| universe.start <= *near && *near < universe.end());
        let hint = near.map_or(self.last, |near| (near.0 - self.space.base()) as usize);
        let (own, bins) = (self.space.class_of(want.blocks_max), self.space.class_count());
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        if let Some(run) = self.round(own..bins, hint, &whole) {
            return Some(run);
        }
        self.fallbacks += 1;
        // A longer run that has no aligned place for all may have one for less.
        let top = if want.align == 1 { own + 1 } else { bins };
        self.round((self.space.class_of(want.blocks_min)..top).rev(), hint, want)
    }
}

impl FreeIndex for StupidIndex {
    fn reset(&mut self, universe: Extent) {
        *self = StupidIndex::over(universe);
    }
    fn insert(&mut self, run: Extent) {
        self.space.change(run, true);
    }
    fn remove(&mut self, run: Extent) {
        self.space.change(run, false);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        if self.space.blocks() < want.blocks_min {
            return None;
        }
        let run =
            self.search(&Want { blocks_max: want.blocks_max.min(self.space.universe().blocks), ..*want })?;
        self.space.change(run, false);
        self.last = (run.end().0 - self.space.base()) as usize;
        Some(run)
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
        self.space.memory_bytes() + size_of::<StupidIndex>() as u64
    }
}
