//! Which places are free, and which are taken next.
//!
//! Invariant: a place is handed out only when nothing that can be reopened or viewed lies there: the store clears its
//! bit no earlier. Knows block indices only.

use super::bits::Bits;
use super::layout::Layout;
use super::peaks::Peaks;

/// Places in a region: a word of the bitmap, and 256 KiB of the device, which is long enough for its full bandwidth.
const REGION: u64 = 64;

/// The places of an area: the region with the most free places first, and all of its free places before the next.
///
/// A page that is changed leaves a hole where it was. Filling holes as they come makes each page a write of its own; a region
/// that is left alone until it is the emptiest has collected many holes, so that the same pages go out in few and long
/// writes (Rosenblum and Ousterhout 1992, section 3.4, of segments; here nothing is moved, so nothing is written twice).
pub(super) struct Places {
    bits: Bits,
    /// Free places of each region.
    regions: Peaks,
    /// The region that is being filled.
    open: u64,
}

impl Places {
    /// All places of `layout` free, all slots taken.
    pub(super) fn new(layout: &Layout) -> Places {
        let mut places = Places { bits: Bits::all_set(0), regions: Peaks::default(), open: 0 };
        places.grow(0, layout);
        places
    }
    /// Take in what a longer layout adds after block `from`.
    pub(super) fn grow(&mut self, from: u64, layout: &Layout) {
        self.bits.grow(layout.blocks_end());
        for (start, length) in layout.place_runs() {
            let first = start.max(from);
            self.bits.unset_run(first, (start + length).saturating_sub(first));
        }
        self.regions.grow(layout.blocks_end().div_ceil(REGION) as usize);
        for region in from / REGION..layout.blocks_end().div_ceil(REGION) {
            self.count(region);
        }
    }
    /// How many places are free.
    pub(super) fn free(&self) -> u64 {
        self.bits.clear_count()
    }
    /// Whether a place is taken.
    pub(super) fn is_taken(&self, place: u64) -> bool {
        self.bits.get(place)
    }
    /// Take a certain place; false if it is taken already.
    #[must_use]
    pub(super) fn claim(&mut self, place: u64) -> bool {
        let claimed = self.bits.set(place);
        self.count(place / REGION);
        claimed
    }
    /// Give a place back.
    pub(super) fn release(&mut self, place: u64) {
        self.bits.unset(place);
        self.count(place / REGION);
    }
    /// Take `count` places, in ascending order; the caller knows that so many are free.
    pub(super) fn take(&mut self, count: usize) -> Vec<u64> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            if self.bits.clear_in_word(self.open) == 0 {
                self.open = self.regions.highest() as u64;
            }
            let first = self.open * REGION;
            let before = taken.len();
            while let Some(place) = self.bits.next_clear_in_word(first)
                && taken.len() < count
            {
                assert!(self.bits.set(place), "place {place} was free");
                taken.push(place);
            }
            assert!(taken.len() > before, "the store promised no more places than are free");
            self.count(self.open);
        }
        taken.sort_unstable();
        taken
    }
    fn count(&mut self, region: u64) {
        self.regions.set(region as usize, self.bits.clear_in_word(region));
    }
}
