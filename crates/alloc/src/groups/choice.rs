//! Which group of blocks a request is taken to: the seam between the choice of a group and the choice inside it.
//!
//! Invariant: a choice sees summaries and requests only. What it answers is an order, so it can cost a request time and place
//! but never the blocks: every group is asked before a request is refused. Knows no index, no pages and no clock.

use crate::Want;
use spinney_core::{Extent, Flow};

/// What is known of a group without a look inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// Its blocks, free or not.
    pub extent: Extent,
    /// How many are free.
    pub free_blocks: u64,
    /// Free runs, each cut at the group's borders.
    pub free_runs: u64,
    /// No free run of it is longer. The longest run itself if the index inside knows it.
    pub longest_max: u64,
}

impl Group {
    /// Whether nothing in it is taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free_blocks == self.extent.blocks
    }
    /// Mean length of its free runs, rounded down; 0 if there are none.
    #[must_use]
    pub fn mean_run_blocks(&self) -> u64 {
        self.free_blocks.checked_div(self.free_runs).unwrap_or(0)
    }
}

/// A policy that ranks groups.
pub trait GroupChoice: Send {
    /// Into groups of how many blocks it would cut a universe of so many; the last one is what is left.
    fn group_blocks(&self, universe_blocks: u64) -> u64;
    /// Begin anew with these groups, in address order.
    fn reset(&mut self, groups: &[Group]);
    /// Something was freed or taken in `group`; `groups` is as it is now.
    fn changed(&mut self, group: usize, groups: &[Group]);
    /// `want` was served from `group` (told after `changed`).
    fn picked(&mut self, group: usize, want: &Want);
    /// Name groups in the order in which `want` should try them, until told to stop. What this try needs is `blocks_min`, in
    /// one run. Owed: every group whose `longest_max` reaches it is named; named twice, it is asked twice.
    fn order(&self, want: &Want, groups: &[Group], each: &mut dyn FnMut(usize) -> Flow);
    /// Bytes of memory that it holds now.
    fn memory_bytes(&self) -> u64;
}

/// The group that holds the place that `want` wishes to be near, if any does.
#[must_use]
pub fn wished(want: &Want, groups: &[Group]) -> Option<usize> {
    let (at, first) = (want.near?, groups.first()?.extent);
    let group = at.0.checked_sub(first.start.0)? / first.blocks;
    usize::try_from(group).ok().filter(|group| *group < groups.len())
}

/// All groups from `first` on, then those before it. `Stop` if the visitor said so.
pub fn around(first: usize, count: usize, each: &mut dyn FnMut(usize) -> Flow) -> Flow {
    let stopped = (first..count).chain(0..first).any(|group| each(group) == Flow::Stop);
    if stopped { Flow::Stop } else { Flow::Continue }
}
