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
    /// Places from here on are given out no more.
    fence: u64,
    /// Places behind the fence that nothing needs: set in `bits`.
    fenced: Vec<u64>,
}

impl Places {
    /// All places of `layout` free, all slots taken.
    pub(super) fn new(layout: &Layout) -> Places {
        let mut places = Places {
            bits: Bits::all_set(0),
            regions: Peaks::default(),
            open: 0,
            fence: u64::MAX,
            fenced: Vec::new(),
        };
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
        if place >= self.fence {
            return self.fenced.push(place);
        }
        self.bits.unset(place);
        self.count(place / REGION);
    }
    /// Give out no place from `fence` on until the fence is lifted.
    pub(super) fn put_fence(&mut self, fence: u64) {
        self.lift_fence();
        self.fence = fence;
        let mut from = fence;
        while let Some(place) = self.bits.next_clear(from) {
            assert!(self.claim(place), "place {place} was free");
            self.fenced.push(place);
            from = place + 1;
        }
    }
    /// Give out every free place again.
    pub(super) fn lift_fence(&mut self) {
        self.fence = u64::MAX;
        for place in std::mem::take(&mut self.fenced) {
            self.release(place);
        }
    }
    /// Places behind the fence that nothing needs.
    pub(super) fn fenced(&self) -> u64 {
        self.fenced.len() as u64
    }
    /// Forget all that a shorter layout lacks. The caller knows that nothing there is needed.
    pub(super) fn truncate(&mut self, layout: &Layout) {
        let end = layout.blocks_end();
        self.fence = u64::MAX;
        self.bits.truncate(end);
        self.fenced.retain(|place| *place < end);
        (self.regions, self.open) = (Peaks::default(), 0);
        self.regions.grow(end.div_ceil(REGION) as usize);
        (0..end.div_ceil(REGION)).for_each(|region| self.count(region));
        self.lift_fence();
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

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    /// Runs of neighbors in a rising list.
    fn runs(places: &[u64]) -> usize {
        places.chunk_by(|a, b| a + 1 == *b).count()
    }

    #[test]
    fn a_fresh_area_is_filled_in_long_runs_from_its_start() {
        let mut places = Places::new(&Layout::new(20_000));
        let mut all = Vec::new();
        for count in [1, 100, 1, 3_000, 64, 7] {
            all.extend(places.take(count));
        }
        assert!(all.is_sorted(), "later places are higher");
        // Regions that hold map slots too are not the emptiest, and are passed over: two for each chunk's slots at most.
        assert!(runs(&all) <= 2 * 6, "{} runs", runs(&all));
        assert!(all[all.len() - 1] < 2 * all.len() as u64, "no more than half is passed over");
    }

    #[test]
    fn scattered_changes_of_an_area_two_thirds_full_go_out_in_runs() {
        for seed in 0..3 {
            let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let mut places = Places::new(&Layout::new(24_000));
            let mut live = places.take(14_000);
            let (mut taken, mut seen) = (0, 0);
            for round in 0..100 {
                // A commit: new versions first, and only then are the old ones' places free.
                let fresh = places.take(1_000);
                if round >= 50 {
                    (taken, seen) = (taken + fresh.len(), seen + runs(&fresh));
                }
                for place in fresh {
                    let page = chance.random_range(0..live.len());
                    places.release(std::mem::replace(&mut live[page], place));
                }
            }
            // Next fit gives less than 1.6 here; leaving regions alone until they are the emptiest, 2.4 by theory.
            assert!(taken >= 2 * seen, "seed {seed}: {taken} pages in {seen} runs");
        }
    }

    #[test]
    fn every_place_can_be_taken_and_given_back() {
        let layout = Layout::new(3_000);
        let mut places = Places::new(&layout);
        for _ in 0..3 {
            let all = places.take(layout.places() as usize);
            assert!(places.free() == 0 && all.iter().all(|place| layout.is_place(*place)));
            all.into_iter().for_each(|place| places.release(place));
            assert_eq!(places.free(), layout.places());
        }
    }
}
