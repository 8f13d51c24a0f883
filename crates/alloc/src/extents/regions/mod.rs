//! Free runs by address: the universe is cut into regions of equal size, and each keeps the runs that *start* in it.
//!
//! Invariant: runs do not touch (a run may reach into later regions, which are then empty so far), and `occupied` names the
//! regions that have any. Knows no sizes beyond a run's own, and no policy; how a region keeps its runs is `runs.rs`'s.
//!
//! A run's start within its region and its blocks are two bytes each. Blocks that do not fit there are told as [`LONG`], and
//! the true count stands in `long`.

mod bits;
mod list;
mod runs;
#[cfg(test)]
mod tests;

use super::levels::Levels;
use super::tops::Tops;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use runs::{Run, Runs};

/// What a run tells of its blocks if they are so many or more.
const LONG: u16 = u16::MAX;

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

/// A region and a place in it.
pub(super) type Seat = (u32, usize);

/// A run and where its region keeps it.
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

/// All regions.
#[derive(Clone, Debug, Default)]
pub(super) struct Regions {
    regions: Vec<Runs>,
    /// Bytes that regions hold elsewhere.
    runs_bytes: u64,
    /// The most told blocks of each region's runs.
    tops: Tops,
    occupied: Box<[u64]>,
    levels: Levels,
    shift: u32,
    long: BTreeMap<u64, u64>,
}

/// What a map of `u64` to `u64` holds, reckoned as nodes of 11 at two thirds.
const LONG_BYTES: u64 = 26;

/// What a run itself tells of a count.
fn told(blocks: u64) -> u16 {
    blocks.min(LONG.into()) as u16
}

impl Regions {
    /// Empty regions for a universe of `blocks` blocks, in which few runs are expected, or many.
    pub(super) fn new(blocks: u64, crowded: bool) -> Regions {
        let bits = u64::BITS - blocks.saturating_sub(1).leading_zeros();
        let shift = match bits {
            0..=CROWDED_UNIVERSE_BITS if crowded => REGION_SHIFT_CROWDED,
            0..=SMALL_UNIVERSE_BITS => REGION_SHIFT,
            _ => REGION_SHIFT_LARGE,
        };
        let shift = shift.max(bits.saturating_sub(REGIONS_BITS_MAX));
        let count = ((blocks >> shift) + 1).min(1 << REGIONS_BITS_MAX);
        let levels = Levels::new(count);
        Regions {
            regions: (0..count).map(|_| Runs::default()).collect(),
            runs_bytes: 0,
            tops: Tops::new(count as usize),
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
        self.regions.len() as u64 * size_of::<Runs>() as u64
            + self.runs_bytes
            + self.tops.bytes()
            + self.levels.bytes()
            + self.long.len() as u64 * LONG_BYTES
    }
    /// Regions that keep their runs as bits.
    #[cfg(test)]
    pub(super) fn with_bits(&self) -> usize {
        self.regions.iter().filter(|runs| matches!(runs, Runs::Bits(_))).count()
    }
    /// The region of a block.
    pub(super) fn region(&self, at: u64) -> u32 {
        (at >> self.shift) as u32
    }
    /// Where a region begins.
    pub(super) fn start(&self, region: u32) -> u64 {
        u64::from(region) << self.shift
    }
    fn low(&self, at: u64) -> u32 {
        (at & ((1 << self.shift) - 1)) as u32
    }
    fn runs(&self, region: u32) -> Option<&Runs> {
        self.regions.get(region as usize)
    }
    fn found(&self, region: u32, run: Run) -> Found {
        let start = self.start(region) + u64::from(run.start);
        let blocks = match run.told {
            LONG => self.long.get(&start).copied().unwrap_or(LONG.into()),
            told => told.into(),
        };
        Found { region, place: run.place, start, blocks }
    }
    /// Where a run that starts at `at` would stand: its region, and the place behind those that start at or before `at`.
    pub(super) fn seat(&self, at: u64) -> Seat {
        let region = self.region(at);
        (region, self.runs(region).map_or(0, |runs| runs.seat(self.low(at))))
    }
    /// The last run before a seat.
    pub(super) fn before(&self, (region, place): Seat) -> Option<Found> {
        let here = self.runs(region).and_then(|runs| runs.before(place));
        match here {
            Some(run) => Some(self.found(region, run)),
            None => self.last(self.levels.prev(&self.occupied, region.checked_sub(1)?)?),
        }
    }
    fn here(&self, (region, place): Seat) -> Option<Found> {
        self.runs(region)?.from(place).map(|run| self.found(region, run))
    }
    /// The first run from a seat on.
    pub(super) fn at_seat(&self, seat: Seat) -> Option<Found> {
        self.here(seat).or_else(|| self.first_from(seat.0 + 1))
    }
    /// The same, if it starts at `until` or before.
    pub(super) fn at_seat_until(&self, seat: Seat, until: u64) -> Option<Found> {
        let next = self.here(seat);
        let next =
            if next.is_none() && self.region(until) > seat.0 { self.first_from(seat.0 + 1) } else { next };
        next.filter(|run| run.start <= until)
    }
    /// The first region from `region` on that has runs.
    pub(super) fn occupied_from(&self, region: u32) -> Option<u32> {
        self.levels.next(&self.occupied, region)
    }
    /// The last run of a region.
    pub(super) fn last(&self, region: u32) -> Option<Found> {
        self.runs(region)?.before(usize::MAX).map(|run| self.found(region, run))
    }
    /// The first run of the first region from `region` on that has one.
    pub(super) fn first_from(&self, region: u32) -> Option<Found> {
        self.here((self.occupied_from(region)?, 0))
    }
    /// The run after `found`.
    pub(super) fn after(&self, found: &Found) -> Option<Found> {
        self.at_seat((found.region, found.place + 1))
    }
    /// The run that will do of those from `place` on which `next` gives, one after the other.
    fn first_true(
        &self,
        (region, mut place): Seat,
        next: impl Fn(&Runs, usize) -> Option<Run>,
        will_do: impl Fn(u64) -> bool,
    ) -> Option<Found> {
        loop {
            let found = self.found(region, next(self.runs(region)?, place)?);
            if will_do(found.blocks) {
                return Some(found);
            }
            place = found.place + 1;
        }
    }
    /// The first run of exactly `blocks` blocks at `place` or later in a region.
    pub(super) fn find(&self, region: u32, place: usize, blocks: u64) -> Option<Found> {
        let told = told(blocks);
        self.first_true((region, place), |runs, place| runs.exactly(place, told), |has| has == blocks)
    }
    /// The first run of at least `blocks` blocks at `place` or later in a region.
    pub(super) fn find_at_least(&self, region: u32, place: usize, blocks: u64) -> Option<Found> {
        let told = told(blocks);
        if self.tops.get(region) < told {
            return None;
        }
        self.first_true((region, place), |runs, place| runs.at_least(place, told), |has| has >= blocks)
    }
    /// The first region from `region` on that may have a run of at least `blocks` blocks: it has, unless they are more than
    /// a run itself can tell.
    pub(super) fn reaching_from(&self, region: u32, blocks: u64) -> Option<u32> {
        self.tops.next(told(blocks), region)
    }
    /// The most that a run itself tells, of all runs.
    pub(super) fn longest_told(&self) -> u64 {
        u64::from(self.tops.top())
    }
    /// Runs from a place of a region on, up to and with the one at `until`, or to the last.
    pub(super) fn count_between(&self, region: u32, from: usize, until: Option<usize>) -> usize {
        self.runs(region).map_or(0, |runs| runs.between(from, until.map_or(usize::MAX, |until| until + 1)))
    }
    /// Add a run at its seat, where none is.
    pub(super) fn insert(&mut self, (region, place): Seat, start: u64, blocks: u64) {
        self.note_long(start, blocks);
        let (low, told, region_blocks) = (self.low(start), told(blocks), 1 << self.shift);
        let runs = &mut self.regions[region as usize];
        let (held, empty) = (runs.bytes(), runs.is_empty());
        runs.insert(place, low, told, region_blocks);
        self.runs_bytes = self.runs_bytes + runs.bytes() - held;
        if empty {
            self.levels.insert(&mut self.occupied, region);
        }
        self.raise(region, told);
    }
    /// Take a run out of its region. Returns whether another one there has as many blocks.
    pub(super) fn remove(&mut self, found: &Found) -> bool {
        self.forget_long(found);
        let runs = &mut self.regions[found.region as usize];
        let held = runs.bytes();
        runs.remove(found.place);
        self.runs_bytes = self.runs_bytes + runs.bytes() - held;
        if runs.is_empty() {
            self.levels.remove(&mut self.occupied, found.region);
        }
        self.has_another(found)
    }
    /// Give a run another start and count; it stays between its neighbors, but may move to a later region. Returns whether
    /// another one of its old region has as many blocks as it had.
    pub(super) fn replace(&mut self, found: &Found, start: u64, blocks: u64) -> bool {
        if self.region(start) != found.region {
            let another = self.remove(found);
            self.insert(self.seat(start), start, blocks);
            self.tidy(found.region);
            return another;
        }
        self.forget_long(found);
        self.note_long(start, blocks);
        let (low, told) = (self.low(start), told(blocks));
        self.regions[found.region as usize].set(found.place, low, told);
        self.raise(found.region, told);
        self.has_another(found)
    }
    /// Keep a region that lost runs in less memory. Places in it are others afterwards.
    pub(super) fn tidy(&mut self, region: u32) {
        let runs = &mut self.regions[region as usize];
        let held = runs.bytes();
        runs.tidy(1 << self.shift);
        self.runs_bytes = self.runs_bytes + runs.bytes() - held;
    }
    fn raise(&mut self, region: u32, told: u16) {
        if told > self.tops.get(region) {
            self.tops.set(region, told);
        }
    }
    /// A run of this many blocks is gone from the region: whether there is another; and if it was the longest, which is now.
    fn has_another(&mut self, gone: &Found) -> bool {
        let (region, told) = (gone.region, told(gone.blocks));
        let (longest, any) = self.regions[region as usize].longest_and_any(told, self.tops.get(region));
        if longest != self.tops.get(region) {
            self.tops.set(region, longest);
        }
        any && (told != LONG || self.find(region, 0, gone.blocks).is_some())
    }
    fn note_long(&mut self, start: u64, blocks: u64) {
        if blocks >= u64::from(LONG) {
            self.long.insert(start, blocks);
        }
    }
    fn forget_long(&mut self, found: &Found) {
        if found.blocks >= u64::from(LONG) {
            self.long.remove(&found.start);
        }
    }
}
