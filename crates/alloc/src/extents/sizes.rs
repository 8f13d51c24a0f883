//! Free runs by size: for each size, the set of regions in which a run of that size starts.
//!
//! Invariant: (size, region) is a member exactly if the region's list has a run of that size. So the smallest run that
//! fits, at the lowest address, is: the first size that has regions, its first region, the first such run of its list.
//! Knows sizes and region numbers only. Changes of small sizes are put off until somebody asks for a size.
//!
//! Small sizes have a set each (a sorted list while they are few, a bit set afterwards); larger ones, rare in an aged
//! space, share one ordered set of packed pairs.

use super::levels::Levels;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// Sizes with a set of their own, at least: requests of up to 1 MiB in a universe of 4 GiB and more. A size above costs descents of an
/// ordered set, which were half of a pair's time under dynamic fit at 2^28 blocks; each size costs 24 bytes. So a larger universe has more,
/// and a smaller one fewer: 2^32 blocks in groups of 1 GiB are 16,384 of these.
const SMALL_MIN: u64 = 256;
/// One size for each 4,096 blocks of a universe that is too small for [`SMALL_MIN`].
const FEW_SHIFT: u32 = 12;
/// The fewest sizes with a set of their own.
const SMALL_FEWEST: u64 = 16;
/// The most sizes with a set of their own.
const SMALL_MAX: u64 = 4096;
/// One size for each 16,384 blocks of the universe, so that their 24 bytes never matter.
const SMALL_SHIFT: u32 = 14;
/// Bits of a region number in a packed pair.
const REGION_BITS: u32 = 24;
/// Changes that are put off at most. Each touches a line that is in no cache when there are many runs; made one after the
/// other those lines come at once, and not each in the middle of a free. Worth a tenth of a pair's time under dynamic fit,
/// most of whose requests ask for no size, at 2^28 blocks; nothing in small spaces. 64 were no faster and doubled the 99th
/// percentile.
const PENDING_MAX: usize = 16;
/// What an ordered set of `u64` holds for each, reckoned as nodes of 11 at two thirds.
const LARGE_BYTES: u64 = 14;

/// Regions that have a run of one size.
#[derive(Clone, Debug)]
enum Regions {
    /// Few: sorted.
    Few(Vec<u32>),
    /// Many: words of a [`Levels`] set.
    Many(Box<[u64]>),
}

/// All sizes.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes {
    small: Vec<Regions>,
    /// Sizes that have regions.
    used: Box<[u64]>,
    used_levels: Levels,
    /// The largest size that has a set of its own.
    small_max: u64,
    large: BTreeSet<u64>,
    levels: Levels,
    /// A list longer than this becomes a bit set: from here on it is not larger than four times the list.
    few_max: usize,
    bytes: u64,
    /// Changes of small sizes that are yet to be made, oldest first.
    pending: Vec<Pending>,
}

/// A size, a region, and whether it has one.
#[derive(Clone, Copy, Debug)]
struct Pending {
    blocks: u16,
    has: bool,
    region: u32,
}

impl Sizes {
    /// No sizes, for a universe of `blocks` blocks in regions of the given shape.
    pub(super) fn new(levels: Levels, blocks: u64) -> Sizes {
        let least = (blocks >> FEW_SHIFT).clamp(SMALL_FEWEST, SMALL_MIN);
        let small_max = (blocks >> SMALL_SHIFT).clamp(least, SMALL_MAX);
        let small: Vec<_> = (0..=small_max).map(|_| Regions::Few(Vec::new())).collect();
        let used_levels = Levels::new(small_max + 1);
        let bytes = (small.len() * size_of::<Regions>()) as u64
            + used_levels.bytes()
            + (PENDING_MAX * size_of::<Pending>()) as u64;
        let few_max = (levels.bytes() / 16).clamp(2, 4096) as usize;
        let used = used_levels.empty();
        let pending = Vec::with_capacity(PENDING_MAX);
        Sizes { small, used, used_levels, small_max, levels, few_max, bytes, pending, ..Sizes::default() }
    }
    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.large.len() as u64 * LARGE_BYTES
    }
    /// `region` has a run of `blocks` blocks (perhaps it had one already).
    pub(super) fn insert(&mut self, blocks: u64, region: u32) {
        if blocks > self.small_max {
            self.large.insert(pack(blocks, region));
        } else {
            self.put_off(Pending { blocks: blocks as u16, has: true, region });
        }
    }
    /// `region` has no run of `blocks` blocks any more.
    pub(super) fn remove(&mut self, blocks: u64, region: u32) {
        if blocks > self.small_max {
            self.large.remove(&pack(blocks, region));
        } else {
            self.put_off(Pending { blocks: blocks as u16, has: false, region });
        }
    }
    fn put_off(&mut self, change: Pending) {
        if self.pending.len() == PENDING_MAX {
            self.settle();
        }
        self.pending.push(change);
    }
    /// Make the changes that were put off; whoever asks for a size calls this first.
    pub(super) fn settle(&mut self) {
        for at in 0..self.pending.len() {
            let change = self.pending[at];
            if change.has { self.insert_small(change) } else { self.remove_small(change) }
        }
        self.pending.clear();
    }
    fn insert_small(&mut self, Pending { blocks, region, .. }: Pending) {
        self.used_levels.insert(&mut self.used, u32::from(blocks));
        let set = &mut self.small[blocks as usize];
        let (held, levels) = (set.bytes(), self.levels);
        set.insert(region, &levels, self.few_max);
        self.bytes = self.bytes + set.bytes() - held;
    }
    fn remove_small(&mut self, Pending { blocks, region, .. }: Pending) {
        if self.small[blocks as usize].remove(region, &self.levels) {
            self.used_levels.remove(&mut self.used, u32::from(blocks));
        }
    }
    /// The smallest size of at least `blocks`.
    pub(super) fn at_least(&self, blocks: u64) -> Option<u64> {
        let small = (blocks <= self.small_max).then(|| self.used_levels.next(&self.used, blocks as u32));
        let large = || self.large.range(pack_from(blocks)..).next().map(|pair| pair >> REGION_BITS);
        small.flatten().map(u64::from).or_else(large)
    }
    /// The largest size of those that share a set.
    pub(super) fn largest_large(&self) -> Option<u64> {
        self.large.last().map(|pair| pair >> REGION_BITS)
    }
    /// The largest size.
    pub(super) fn largest(&self) -> Option<u64> {
        self.largest_large().or_else(|| self.largest_small(self.small_max))
    }
    fn largest_small(&self, up_to: u64) -> Option<u64> {
        self.used_levels.prev(&self.used, up_to as u32).map(u64::from)
    }
    /// The largest size below `blocks`.
    pub(super) fn below(&self, blocks: u64) -> Option<u64> {
        let large = self.large.range(..pack_from(blocks)).next_back().map(|pair| pair >> REGION_BITS);
        large.or_else(|| self.largest_small(self.small_max.min(blocks.saturating_sub(1))))
    }
    /// The first region at or after `from` that has a run of `blocks` blocks.
    pub(super) fn region_from(&self, blocks: u64, from: u32) -> Option<u32> {
        if blocks > self.small_max {
            let pair = *self.large.range(pack(blocks, from)..).next()?;
            return (pair >> REGION_BITS == blocks).then_some((pair & ((1 << REGION_BITS) - 1)) as u32);
        }
        self.small[blocks as usize].next(from, &self.levels)
    }
    /// The last region at or before `until` that has a run of `blocks` blocks.
    pub(super) fn region_until(&self, blocks: u64, until: u32) -> Option<u32> {
        if blocks > self.small_max {
            let pair = *self.large.range(..=pack(blocks, until)).next_back()?;
            return (pair >> REGION_BITS == blocks).then_some((pair & ((1 << REGION_BITS) - 1)) as u32);
        }
        match &self.small[blocks as usize] {
            Regions::Many(words) => self.levels.prev(words, until),
            Regions::Few(list) => list[..list.partition_point(|region| *region <= until)].last().copied(),
        }
    }
    /// Every pair, in order.
    #[cfg(test)]
    pub(super) fn visit(&self, mut each: impl FnMut(u64, u32)) {
        let mut size = self.at_least(1);
        while let Some(blocks) = size {
            let mut region = self.region_from(blocks, 0);
            while let Some(found) = region {
                each(blocks, found);
                region = self.region_from(blocks, found + 1);
            }
            size = self.at_least(blocks + 1);
        }
    }
}

fn pack(blocks: u64, region: u32) -> u64 {
    (blocks << REGION_BITS) | u64::from(region)
}

/// The least pair of `blocks` or more; a count that cannot be packed is larger than any run.
fn pack_from(blocks: u64) -> u64 {
    if blocks >> (u64::BITS - REGION_BITS) == 0 { pack(blocks, 0) } else { u64::MAX }
}

impl Regions {
    fn bytes(&self) -> u64 {
        match self {
            Regions::Few(list) => list.capacity() as u64 * 4,
            Regions::Many(words) => words.len() as u64 * 8,
        }
    }
    fn insert(&mut self, region: u32, levels: &Levels, few_max: usize) {
        match self {
            Regions::Many(words) => levels.insert(words, region),
            Regions::Few(list) => {
                let Err(place) = list.binary_search(&region) else { return };
                if list.len() < few_max {
                    if list.len() == list.capacity() {
                        list.reserve_exact((list.len() / 4).max(2));
                    }
                    return list.insert(place, region);
                }
                let mut words = levels.empty();
                list.iter().for_each(|region| levels.insert(&mut words, *region));
                levels.insert(&mut words, region);
                *self = Regions::Many(words);
            }
        }
    }
    /// Returns whether none is left.
    fn remove(&mut self, region: u32, levels: &Levels) -> bool {
        match self {
            Regions::Many(words) => {
                levels.remove(words, region);
                words.last() == Some(&0)
            }
            Regions::Few(list) => {
                if let Ok(place) = list.binary_search(&region) {
                    list.remove(place);
                }
                list.is_empty()
            }
        }
    }
    fn next(&self, from: u32, levels: &Levels) -> Option<u32> {
        match self {
            Regions::Many(words) => levels.next(words, from),
            Regions::Few(list) if from == 0 => list.first().copied(),
            Regions::Few(list) => list.get(list.partition_point(|region| *region < from)).copied(),
        }
    }
}
