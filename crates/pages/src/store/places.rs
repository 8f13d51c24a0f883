//! Which places are free, and which are taken next.
//!
//! Invariant: a place is handed out only when nothing that can be reopened or viewed lies there: the store clears its
//! bit no earlier. Knows block indices only.

use super::bits::Bits;
use super::layout::Layout;

/// How many free runs a search looks at before it takes the longest seen. More would find longer runs in a
/// fragmented area and cost more per commit; 16 keeps the search far below the cost of the writes that follow.
const RUNS_LOOKED_AT: usize = 16;

/// The places of an area: next fit with a preference for long runs, so that a commit writes few separate stretches.
pub(super) struct Places {
    bits: Bits,
    cursor: u64,
}

impl Places {
    /// All places of `layout` free, all slots taken.
    pub(super) fn new(layout: &Layout) -> Places {
        let mut places = Places { bits: Bits::all_set(0), cursor: 0 };
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
        self.bits.set(place)
    }
    /// Give a place back.
    pub(super) fn release(&mut self, place: u64) {
        self.bits.unset(place);
    }
    /// Take `count` places, in ascending order; the caller knows that so many are free.
    pub(super) fn take(&mut self, count: usize) -> Vec<u64> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let (start, length) = self.choose((count - taken.len()) as u64);
            for place in start..start + length {
                assert!(self.bits.set(place), "place {place} was free");
                taken.push(place);
            }
            self.cursor = start + length;
        }
        taken.sort_unstable();
        taken
    }
    /// The next run of `want` free places, or the longest of those looked at.
    fn choose(&self, want: u64) -> (u64, u64) {
        let (mut best, mut at) = ((0, 0), self.cursor);
        for _ in 0..RUNS_LOOKED_AT {
            let start = self.bits.next_clear(at).or_else(|| self.bits.next_clear(0));
            let start = start.expect("the store promised no more places than are free");
            let run = (start, self.bits.clear_run(start, want));
            if run.1 > best.1 {
                best = run;
            }
            if run.1 == want {
                break;
            }
            at = start + run.1;
        }
        best
    }
}
