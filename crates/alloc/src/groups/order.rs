//! The plain choices: in order, most free first, spread by stream, near the wish.
//!
//! Invariant: each names every group once. All cut the universe by XFS's rule unless told a size.

use super::choice::{Group, GroupChoice, around, wished};
use super::ranked::Ranked;
use crate::Want;
use spinney_core::Flow;

/// How the universe is cut when nothing is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// Groups of so many blocks.
    Blocks(u64),
    /// mkfs.xfs on a single device: 1 group below 32 MiB, 2 below 128 MiB, 4 up to 4 TiB, then one for each TiB.
    Xfs,
    /// btrfs data chunks: 1 GiB, but at most a tenth of the device.
    Btrfs,
    /// ext4 with blocks of 4 KiB: 128 MiB, what one bitmap block describes.
    Ext4,
}

/// Blocks in a MiB, a GiB, a TiB.
const MIB: u64 = 1 << 8;
const GIB: u64 = 1 << 18;
const TIB: u64 = 1 << 28;

impl Cut {
    /// Blocks of a group.
    #[must_use]
    pub fn group_blocks(self, universe_blocks: u64) -> u64 {
        match self {
            Cut::Blocks(blocks) => blocks,
            Cut::Xfs if universe_blocks < 32 * MIB => universe_blocks,
            Cut::Xfs if universe_blocks < 128 * MIB => universe_blocks.div_ceil(2),
            Cut::Xfs => universe_blocks.div_ceil(4).min(TIB),
            Cut::Btrfs => (universe_blocks / 10).clamp(1, GIB),
            Cut::Ext4 => 128 * MIB,
        }
    }
}

/// Where a request looks first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// In the first group.
    First,
    /// In its stream's group: XFS's rotor over directories. Streams are numbered as they come, so that the number itself
    /// turns the rotor, and a pool that is opened again goes on as before.
    Stream,
    /// In the group of the wished place; without a wish, as [`Start::Stream`].
    Near,
}

/// From somewhere on, by address, and around.
#[derive(Clone, Copy, Debug)]
pub struct InOrder {
    /// From where.
    pub start: Start,
    /// How the universe is cut.
    pub cut: Cut,
}

impl GroupChoice for InOrder {
    fn group_blocks(&self, universe_blocks: u64) -> u64 {
        self.cut.group_blocks(universe_blocks)
    }
    fn reset(&mut self, _: &[Group]) {}
    fn changed(&mut self, _: usize, _: &[Group]) {}
    fn picked(&mut self, _: usize, _: &Want) {}
    fn order(&self, want: &Want, groups: &[Group], each: &mut dyn FnMut(usize) -> Flow) {
        let stream = want.stream as usize % groups.len().max(1);
        let first = match self.start {
            Start::First => 0,
            Start::Stream => stream,
            Start::Near => wished(want, groups).unwrap_or(stream),
        };
        around(first, groups.len(), each);
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

/// The group with the most free blocks, and so on downward.
#[derive(Clone, Debug)]
pub struct MostFree {
    cut: Cut,
    /// By taken blocks, so that the most free come first whatever the sizes.
    ranked: Ranked,
}

impl MostFree {
    /// Over a universe so cut.
    #[must_use]
    pub fn new(cut: Cut) -> MostFree {
        MostFree { cut, ranked: Ranked::default() }
    }
}

fn least_free_last(group: &Group) -> u64 {
    u64::MAX - group.free_blocks
}

impl GroupChoice for MostFree {
    fn group_blocks(&self, universe_blocks: u64) -> u64 {
        self.cut.group_blocks(universe_blocks)
    }
    fn reset(&mut self, groups: &[Group]) {
        self.ranked = Ranked::new(groups.iter().map(least_free_last));
    }
    fn changed(&mut self, group: usize, groups: &[Group]) {
        self.ranked.set(group, least_free_last(&groups[group]));
    }
    fn picked(&mut self, _: usize, _: &Want) {}
    fn order(&self, _: &Want, _: &[Group], each: &mut dyn FnMut(usize) -> Flow) {
        let _ = self.ranked.from(0).any(|group| each(group) == Flow::Stop);
    }
    fn memory_bytes(&self) -> u64 {
        self.ranked.memory_bytes()
    }
}
