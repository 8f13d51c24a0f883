//! [`BitmapIndex`]: the free index over the bitmap, as a volume's allocator sees it: addresses outside, positions inside.
//!
//! Invariant: bit `i` stands for block `base + i`, and no bit outside the universe is ever set. Knows no pages, no epochs,
//! and not how a run is chosen (`search.rs`).

use crate::bits::LEAF_BLOCKS;
use crate::leaves::{Leaves, Span};
use crate::level::LONG_BLOCKS;
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Effort, Extent, Flow, Pba};

/// Which of the leaves that can serve a request does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fit {
    /// A run of exactly the size if one was seen lately, else a leaf whose longest run is of the smallest class that serves:
    /// nearly best fit, so long runs stay whole.
    #[default]
    Best,
    /// The one with the lowest address.
    First,
    /// The first one after the last pick of the same stream.
    Next,
    /// The one closest to the goal, on either side: the wish to be near, or else the last pick of the same stream.
    Near,
}

/// Streams that have a place of their own under [`Fit::Next`] and [`Fit::Near`]; others share one by their number's remainder.
pub(crate) const STREAMS: usize = 16;

/// Default of the parameter `groups`.
pub(crate) const GROUPS: u64 = 8;
/// Default of the parameter `near_blocks`.
pub(crate) const NEAR_BLOCKS: u64 = 4096;

/// A bitmap with summary levels. Exact, 1.07 bits a block, no allocation after `reset`.
#[derive(Clone, Debug)]
pub struct BitmapIndex {
    pub(crate) fit: Fit,
    pub(crate) groups: usize,
    /// Where the next search for a tight fit begins.
    pub(crate) group: usize,
    pub(crate) near_leaves: usize,
    pub(crate) universe: Extent,
    /// The block of bit 0: the universe's start, rounded down to a leaf so that alignment within a word holds.
    pub(crate) base: u64,
    pub(crate) leaves: Leaves,
    pub(crate) cursors: [usize; STREAMS],
    pub(crate) fallbacks: u64,
}

impl Default for BitmapIndex {
    fn default() -> BitmapIndex {
        BitmapIndex::new(Fit::default(), GROUPS, NEAR_BLOCKS)
    }
}

impl BitmapIndex {
    /// An index; then `reset`. of `groups` groups of 64 leaves the tightest run is taken;
    /// `near_blocks` blocks after a wish to be near are looked at before the rest; with 0 the wish is not heeded. See [`crate::INDEX`].
    #[must_use]
    pub fn new(fit: Fit, groups: u64, near_blocks: u64) -> BitmapIndex {
        let near_leaves = usize::try_from(near_blocks.div_ceil(LEAF_BLOCKS as u64)).unwrap_or(usize::MAX);
        BitmapIndex {
            fit,
            groups: usize::try_from(groups).unwrap_or(usize::MAX),
            group: 0,
            near_leaves,
            universe: Extent { start: Pba(0), blocks: 0 },
            base: 0,
            leaves: Leaves::default(),
            cursors: [0; STREAMS],
            fallbacks: 0,
        }
    }
    pub(crate) fn span(&self, run: Extent) -> Span {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        Span { start: (run.start.0 - self.base) as usize, blocks: run.blocks as usize }
    }
    pub(crate) fn extent(&self, span: Span) -> Extent {
        Extent::new(Pba(self.base + span.start as u64), span.blocks as u64)
    }
    /// Proof that no run of so many blocks is free, from what earlier searches found out.
    pub(crate) fn is_too_long(&self, blocks: u64) -> bool {
        blocks > self.longest_max()
    }
    /// One past the last bit that can be set.
    pub(crate) fn end(&self) -> usize {
        (self.universe.start.0 - self.base + self.universe.blocks) as usize
    }
}

impl FreeIndex for BitmapIndex {
    fn reset(&mut self, universe: Extent) {
        let base = universe.start.0 - universe.start.0 % LEAF_BLOCKS as u64;
        let blocks = usize::try_from(universe.end().0 - base).expect("a bitmap has a bit a block in memory");
        *self = BitmapIndex {
            universe,
            base,
            leaves: Leaves::new(blocks, self.fit == Fit::Best),
            near_leaves: self.near_leaves,
            groups: self.groups,
            ..BitmapIndex::new(self.fit, 0, 0)
        };
    }
    fn insert(&mut self, run: Extent) {
        let span = self.span(run);
        self.leaves.insert(span.start, span.end());
    }
    fn remove(&mut self, run: Extent) {
        let span = self.span(run);
        self.leaves.remove(span.start, span.end());
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        let want = &Want { near: want.near.filter(|_| self.near_leaves > 0), ..*want };
        let most = want.blocks_max.min(self.leaves.free_blocks);
        if most < want.blocks_min || self.is_too_long(want.blocks_min) {
            return None;
        }
        let plain = want.align == 1 && want.near.is_none() && matches!(self.fit, Fit::Best | Fit::First);
        if plain && most <= LONG_BLOCKS as u64 {
            if let Some(run) = self.quick(most as usize) {
                return Some(run);
            }
            if most == want.blocks_min {
                return None;
            }
        }
        self.careful(want, most)
    }
    fn is_free(&self, run: Extent) -> bool {
        if !self.universe.contains(run) {
            return false;
        }
        let span = self.span(run);
        self.leaves.bits.ones_end(span.start, span.end()) == span.end()
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe) else { return };
        let span = self.span(within);
        let mut at = span.start;
        while let Some(start) = self.leaves.bits.next_one(at, span.end()) {
            at = self.leaves.bits.ones_end(start, span.end());
            if each(self.extent(Span { start, blocks: at - start })) == Flow::Stop {
                return;
            }
        }
    }
    fn free_blocks(&self) -> u64 {
        self.leaves.free_blocks
    }
    fn free_runs(&self) -> u64 {
        self.leaves.free_runs
    }
    fn longest_max(&self) -> u64 {
        // Longer runs are counted to some place beyond that only.
        if self.leaves.bound < LONG_BLOCKS { self.leaves.bound as u64 } else { self.leaves.free_blocks }
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.leaves.steps, fallbacks: self.fallbacks, ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        self.leaves.memory_bytes() + size_of::<BitmapIndex>() as u64
    }
}
