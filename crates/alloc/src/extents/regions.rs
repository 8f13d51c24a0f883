//! Free runs by address: the universe is cut into regions of equal size, and each keeps a short sorted list of the runs
//! that *start* in it.
//!
//! Invariant: lists are sorted, runs do not touch (a run may reach into later regions, which are then empty so far), and
//! `occupied` names the regions whose list is not empty. Knows no sizes beyond a run's own, and no policy.
//!
//! A run is one `u32`: its start within the region in the high bits, its blocks in the low bits. Blocks that do not fit
//! there are all ones, and the true count stands in `long`. Runs are so cheap to keep that a list is searched by halving
//! and moved by `memmove`; a region is small enough (at most 16,384 blocks, so 8,192 runs) that both stay under a microsecond.

use super::levels::Levels;
use super::tops::Tops;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Blocks of a region, as a power of two: in a universe of up to 2^24 blocks, and in a larger one. Smaller regions have
/// shorter lists, larger ones cost less memory and fewer misses where runs are rare. Measured with the aging program: 13
/// beats 14 by 4 to 10 % up to 2^24 blocks and loses 10 to 30 % at 2^28, where lists are short anyway.
const REGION_SHIFT: u32 = 13;
const REGION_SHIFT_LARGE: u32 = 14;
/// The same where many runs are expected and the universe is so small that more regions still find room in a cache: under
/// dynamic fit 12 beats 13 by 6 to 14 % at 2^20 blocks and loses 10 to 20 % at 2^24.
const REGION_SHIFT_CROWDED: u32 = 12;
const CROWDED_UNIVERSE_BITS: u32 = 22;
/// Universes with more bits than this have large regions.
const SMALL_UNIVERSE_BITS: u32 = 24;
/// The most regions that there may be: what a region number is packed into elsewhere.
const REGIONS_BITS_MAX: u32 = 24;

type List = Vec<u32>;
/// A region and a place in its list.
pub(super) type Seat = (u32, usize);

/// A run and where its list keeps it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Found {
    pub(super) region: u32,
    pub(super) place: usize,
    /// From the start of the universe.
    pub(super) start: u64,
    pub(super) blocks: u64,
}

impl Found {
    pub(super) fn end(&self) -> u64 {
        self.start + self.blocks
    }
}

/// All lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Regions {
    lists: Vec<List>,
    /// Bytes of the entries that lists have room for.
    entries_bytes: u64,
    /// The longest run of each region, as far as it is kept in the run itself.
    tops: Tops,
    occupied: Box<[u64]>,
    levels: Levels,
    shift: u32,
    long: BTreeMap<u64, u64>,
}

/// What a map of `u64` to `u64` holds, reckoned as nodes of 11 at two thirds.
const LONG_BYTES: u64 = 26;

impl Regions {
    /// Empty lists for a universe of `blocks` blocks, in which few runs are expected, or many.
    pub(super) fn new(blocks: u64, crowded: bool) -> Regions {
        let bits = u64::BITS - blocks.saturating_sub(1).leading_zeros();
        let shift = match bits {
            0..=CROWDED_UNIVERSE_BITS if crowded => REGION_SHIFT_CROWDED,
            0..=SMALL_UNIVERSE_BITS => REGION_SHIFT,
            _ => REGION_SHIFT_LARGE,
        };
        let shift = shift.max(bits.saturating_sub(REGIONS_BITS_MAX));
        let count = (blocks >> shift) + 1;
        let count = count.min(1 << REGIONS_BITS_MAX);
        let levels = Levels::new(count);
        let lists = (0..count).map(|_| List::new()).collect();
        let tops = Tops::new(count as usize);
        Regions {
            lists,
            entries_bytes: 0,
            tops,
            occupied: levels.empty(),
            levels,
            shift,
            long: BTreeMap::new(),
        }
    }
    /// The shape of a set of regions.
    pub(super) fn levels(&self) -> Levels {
        self.levels
    }
    /// Bytes held.
    pub(super) fn bytes(&self) -> u64 {
        self.lists.len() as u64 * size_of::<List>() as u64
            + self.entries_bytes
            + self.tops.bytes()
            + self.levels.bytes()
            + self.long.len() as u64 * LONG_BYTES
    }
    /// The region of a block.
    pub(super) fn region(&self, at: u64) -> u32 {
        (at >> self.shift) as u32
    }
    fn blocks_bits(&self) -> u32 {
        u32::BITS - self.shift
    }
    /// The largest count that is kept in the run itself, plus one: the mark of a long run, and the mask of the count.
    fn mark(&self) -> u32 {
        (1 << self.blocks_bits()) - 1
    }
    fn low(&self, at: u64) -> u32 {
        (at & ((1 << self.shift) - 1)) as u32
    }
    fn list(&self, region: u32) -> &[u32] {
        self.lists.get(region as usize).map_or(&[], |list| list)
    }
    /// Runs that start in the region.
    pub(super) fn count(&self, region: u32) -> usize {
        self.list(region).len()
    }
    /// The run at a place of a region's list.
    pub(super) fn get(&self, region: u32, place: usize) -> Option<Found> {
        let run = *self.list(region).get(place)?;
        let start = (u64::from(region) << self.shift) + u64::from(run >> self.blocks_bits());
        let blocks = match run & self.mark() {
            mark if mark == self.mark() => self.long.get(&start).copied().unwrap_or(u64::from(mark)),
            blocks => u64::from(blocks),
        };
        Some(Found { region, place, start, blocks })
    }
    /// How many runs of its region start at or before `at`.
    fn rank(&self, at: u64) -> usize {
        let last = (self.low(at) << self.blocks_bits()) | self.mark();
        count(self.list(self.region(at)), |run| run <= last)
    }
    /// Where a run that starts at `at` would stand: its region, and how many runs of that start at or before `at`.
    pub(super) fn seat(&self, at: u64) -> Seat {
        (self.region(at), self.rank(at))
    }
    /// The last run before a seat.
    pub(super) fn before(&self, (region, place): Seat) -> Option<Found> {
        match place.checked_sub(1) {
            Some(place) => self.get(region, place),
            None => self.last(self.levels.prev(&self.occupied, region.checked_sub(1)?)?),
        }
    }
    /// The first run from a seat on.
    pub(super) fn at_seat(&self, (region, place): Seat) -> Option<Found> {
        self.get(region, place).or_else(|| self.first_from(region + 1))
    }
    /// The same, if it starts at `until` or before.
    pub(super) fn at_seat_until(&self, (region, place): Seat, until: u64) -> Option<Found> {
        let next = self.get(region, place);
        let next =
            if next.is_none() && self.region(until) > region { self.first_from(region + 1) } else { next };
        next.filter(|run| run.start <= until)
    }
    /// The first region from `region` on that has runs.
    pub(super) fn occupied_from(&self, region: u32) -> Option<u32> {
        self.levels.next(&self.occupied, region)
    }
    /// The last run of a region.
    pub(super) fn last(&self, region: u32) -> Option<Found> {
        self.get(region, self.count(region).checked_sub(1)?)
    }
    /// The first run of the first region from `region` on that has one.
    pub(super) fn first_from(&self, region: u32) -> Option<Found> {
        self.get(self.occupied_from(region)?, 0)
    }
    /// The run after `found`.
    pub(super) fn after(&self, found: &Found) -> Option<Found> {
        self.at_seat((found.region, found.place + 1))
    }
    /// The first run of exactly `blocks` blocks at `place` or later in a region's list.
    pub(super) fn find(&self, region: u32, place: usize, blocks: u64) -> Option<Found> {
        let (list, mark) = (self.list(region), self.mark());
        if blocks >= u64::from(mark) {
            return (place..list.len())
                .filter_map(|at| self.get(region, at))
                .find(|run| run.blocks == blocks);
        }
        let at = position(list.get(place..)?, |run| run & mark == blocks as u32)?;
        self.get(region, place + at)
    }
    /// The first region from `region` on that may have a run of at least `blocks` blocks: it has, unless they are more than
    /// a run itself can tell.
    pub(super) fn reaching_from(&self, region: u32, blocks: u64) -> Option<u32> {
        self.tops.next(self.told(blocks), region)
    }
    /// The largest count that a run itself tells, of all runs.
    pub(super) fn longest_told(&self) -> u64 {
        u64::from(self.tops.top())
    }
    /// What a run itself tells of a count.
    fn told(&self, blocks: u64) -> u32 {
        u64::from(self.mark()).min(blocks) as u32
    }
    /// The first run of at least `blocks` blocks at `place` or later in a region's list.
    pub(super) fn find_at_least(&self, region: u32, place: usize, blocks: u64) -> Option<Found> {
        if self.tops.get(region) < self.told(blocks) {
            return None;
        }
        let (list, mark) = (self.list(region), self.mark());
        if blocks > u64::from(mark) {
            return (place..list.len())
                .filter_map(|at| self.get(region, at))
                .find(|run| run.blocks >= blocks);
        }
        let at = position(list.get(place..)?, |run| run & mark >= blocks as u32)?;
        self.get(region, place + at)
    }
    /// Where a region begins.
    pub(super) fn start(&self, region: u32) -> u64 {
        u64::from(region) << self.shift
    }
    /// Add a run at its seat, where none is.
    pub(super) fn insert(&mut self, (region, place): Seat, start: u64, blocks: u64) {
        let run = self.pack(start, blocks);
        let list = &mut self.lists[region as usize];
        let held = list.capacity();
        if list.len() == held {
            list.reserve_exact((held / 4).max(4));
            self.entries_bytes += (list.capacity() - held) as u64 * 4;
        }
        list.insert(place, run);
        if list.len() == 1 {
            self.levels.insert(&mut self.occupied, region);
        }
        let told = self.told(blocks);
        if told > self.tops.get(region) {
            self.tops.set(region, told);
        }
    }
    /// Take a run out of its list.
    pub(super) fn remove(&mut self, found: &Found) {
        self.forget_long(found);
        let list = &mut self.lists[found.region as usize];
        list.remove(found.place);
        let held = list.capacity();
        if list.len() + 8 < held / 2 {
            list.shrink_to(list.len() + list.len() / 4 + 4);
            self.entries_bytes -= (held - list.capacity()) as u64 * 4;
        }
        if list.is_empty() {
            self.levels.remove(&mut self.occupied, found.region);
        }
        self.lower(found);
    }
    /// Give a run another start and count; it stays between its neighbors, but may move to a later region.
    pub(super) fn replace(&mut self, found: &Found, start: u64, blocks: u64) {
        if self.region(start) != found.region {
            self.remove(found);
            return self.insert(self.seat(start), start, blocks);
        }
        self.forget_long(found);
        let run = self.pack(start, blocks);
        self.lists[found.region as usize][found.place] = run;
        let told = self.told(blocks);
        if told > self.tops.get(found.region) {
            self.tops.set(found.region, told);
        } else if told < self.told(found.blocks) {
            self.lower(found);
        }
    }
    /// The region has lost this run: if it was its longest, another one is.
    fn lower(&mut self, found: &Found) {
        if self.told(found.blocks) < self.tops.get(found.region) {
            return;
        }
        let mark = self.mark();
        let longest = self.list(found.region).iter().fold(0, |longest, run| longest.max(run & mark));
        if longest < self.tops.get(found.region) {
            self.tops.set(found.region, longest);
        }
    }
    fn forget_long(&mut self, found: &Found) {
        if found.blocks >= u64::from(self.mark()) {
            self.long.remove(&found.start);
        }
    }
    fn pack(&mut self, start: u64, blocks: u64) -> u32 {
        let mark = self.mark();
        if blocks >= u64::from(mark) {
            self.long.insert(start, blocks);
        }
        (self.low(start) << self.blocks_bits()) | u64::from(mark).min(blocks) as u32
    }
}

/// Where the first run is that will do. Eight at a time, so that the compiler compares them at once.
fn position(list: &[u32], will_do: impl Fn(u32) -> bool) -> Option<usize> {
    let (eights, rest) = list.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        if eight.iter().fold(false, |any, run| any | will_do(*run)) {
            return eight.iter().position(|run| will_do(*run)).map(|place| at * 8 + place);
        }
    }
    let place = rest.iter().position(|run| will_do(*run))?;
    Some(eights.len() * 8 + place)
}

/// Runs that are counted one by one rather than halved: the compiler compares several at once, and memory that is not in
/// a cache comes in one stream instead of one line after the other.
const COUNTED: usize = 256;

/// How many runs of a sorted list, from its start on, are below.
fn count(list: &[u32], is_below: impl Fn(u32) -> bool) -> usize {
    let (mut from, mut rest) = (0, list);
    while rest.len() > COUNTED {
        let (low, high) = rest.split_at(rest.len() / 2);
        if is_below(high[0]) {
            from += low.len();
            rest = high;
        } else {
            rest = low;
        }
    }
    from + rest.iter().map(|run| u32::from(is_below(*run))).sum::<u32>() as usize
}
