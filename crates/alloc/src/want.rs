//! What a caller wishes of an allocation: data, not control.
//!
//! Invariant: `1 <= blocks_min <= blocks_max` and `align >= 1`; `check` asserts it.

use spinney_core::{Extent, Pba};

/// What the blocks are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Class {
    /// A user's data.
    #[default]
    Data,
    /// Pages of the store.
    Metadata,
}

/// A request. A pick may be shorter than `blocks_max`: the caller loops, so a fragmented allocator degrades instead of failing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Want {
    /// The fewest blocks that are of use, in one run.
    pub blocks_min: u64,
    /// The most that are wanted.
    pub blocks_max: u64,
    /// The run's first block is a multiple of this (counted from block 0 of the device).
    pub align: u64,
    /// Close to here if it costs nothing.
    pub near: Option<Pba>,
    /// Requests of one stream would like to lie together.
    pub stream: u32,
    /// What for.
    pub class: Class,
}

impl Want {
    /// Up to `blocks` blocks, one being better than none.
    #[must_use]
    pub fn up_to(blocks: u64) -> Want {
        Want { blocks_min: 1, blocks_max: blocks, align: 1, near: None, stream: 0, class: Class::Data }
    }
    /// Exactly `blocks` blocks in one run.
    #[must_use]
    pub fn exactly(blocks: u64) -> Want {
        Want { blocks_min: blocks, ..Want::up_to(blocks) }
    }
    /// The same, near `at`.
    #[must_use]
    pub fn near(self, at: Pba) -> Want {
        Want { near: Some(at), ..self }
    }
    /// Assert the invariant.
    pub fn check(&self) {
        assert!(
            1 <= self.blocks_min && self.blocks_min <= self.blocks_max && self.align >= 1,
            "bad want {self:?}"
        );
    }
    /// The part of a free run that this request would take from its start: aligned, at most `blocks_max`, or `None` if too short.
    #[must_use]
    pub fn fit(&self, run: Extent) -> Option<Extent> {
        let start = run.start.0.checked_next_multiple_of(self.align)?;
        let blocks = run.end().0.checked_sub(start)?.min(self.blocks_max);
        (blocks >= self.blocks_min).then(|| Extent::new(Pba(start), blocks))
    }
}
