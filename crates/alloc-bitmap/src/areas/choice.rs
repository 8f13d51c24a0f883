//! Which allocation area comes next: the best by an exact order, the best by a partial one, any, or the next.
//!
//! Invariant: an area whose score is 0 is never chosen, and one with a score above 0 is found if there is any. Knows scores
//! and numbers of areas, not bits, and not what is done inside an area.

use super::hbps::Hbps;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// How an area is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// The best by score, to within one bin, from two pages of memory.
    #[default]
    Hbps,
    /// The best by score, exactly; the lowest among equals.
    Heap,
    /// Any, by a generator with this seed.
    Random(u64),
    /// The next one in address order.
    Next,
}

/// A choice at work.
#[derive(Clone, Debug)]
pub(crate) enum Chooser {
    Hbps(Box<Hbps>),
    Heap(Heap),
    Random(u64),
    Next,
}

impl Chooser {
    /// For so many areas, none of which has a score.
    pub(crate) fn new(choice: Choice, areas: usize, score_max: u32) -> Chooser {
        match choice {
            Choice::Hbps => Chooser::Hbps(Box::new(Hbps::new(score_max))),
            Choice::Heap => Chooser::Heap(Heap::new(areas)),
            Choice::Random(seed) => Chooser::Random(seed),
            Choice::Next => Chooser::Next,
        }
    }
    /// An area's score changed. An area that is taken out to be used has score 0 here.
    pub(crate) fn change(&mut self, area: usize, old: u32, new: u32) {
        match self {
            Chooser::Hbps(queue) => queue.change(area as u32, old, new),
            Chooser::Heap(heap) => heap.set(area, new),
            Chooser::Random(_) | Chooser::Next => {}
        }
    }
    /// An area to use, after `last`. `scores` are of all areas. Returns it and how many scores were looked at.
    pub(crate) fn choose(&mut self, scores: &[u32], last: usize) -> (Option<usize>, u64) {
        match self {
            Chooser::Hbps(queue) => {
                let mut looked = 1;
                if queue.best().is_none() && !queue.is_empty() {
                    queue.refill(scores.iter().enumerate().map(|(area, score)| (area as u32, *score)));
                    looked += scores.len() as u64;
                }
                (queue.best().map(|area| area as usize), looked)
            }
            Chooser::Heap(heap) => (heap.best(), u64::from(scores.len().ilog2()) + 1),
            Chooser::Random(state) => {
                let place = (u128::from(draw(state)) * scores.len() as u128) >> 64;
                from_place(scores, place as usize)
            }
            Chooser::Next => from_place(scores, if last + 1 < scores.len() { last + 1 } else { 0 }),
        }
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match self {
            Chooser::Hbps(queue) => queue.memory_bytes(),
            Chooser::Heap(heap) => heap.best.len() as u64 * 4,
            Chooser::Random(_) | Chooser::Next => 0,
        }
    }
}

/// The first area from a place on, round to it again, that has a score.
fn from_place(scores: &[u32], place: usize) -> (Option<usize>, u64) {
    let (before, after) = scores.split_at(place);
    let step = after.iter().chain(before).position(|score| *score > 0);
    let looked = step.map_or(scores.len(), |step| step + 1);
    (step.map(|step| (place + step) % scores.len()), looked as u64)
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Scores as the leaves of a tree in which each node has the best below it: a heap whose items stay where they are.
#[derive(Clone, Debug)]
pub(crate) struct Heap {
    /// The root is at 1, the children of `at` at `2 at` and `2 at + 1`; the leaves are the second half.
    best: Vec<u32>,
}

impl Heap {
    fn new(areas: usize) -> Heap {
        Heap { best: vec![0; 2 * areas.next_power_of_two()] }
    }
    fn set(&mut self, area: usize, score: u32) {
        let mut at = self.best.len() / 2 + area;
        self.best[at] = score;
        while at > 1 {
            at /= 2;
            self.best[at] = self.best[2 * at].max(self.best[2 * at + 1]);
        }
    }
    fn best(&self) -> Option<usize> {
        let (mut at, leaves) = (1, self.best.len() / 2);
        while at < leaves {
            at = if self.best[2 * at] == self.best[at] { 2 * at } else { 2 * at + 1 };
        }
        (self.best[1] > 0).then(|| at - leaves)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(choice: Choice, scores: &[u32], last: usize) -> Option<usize> {
        let mut chooser = Chooser::new(choice, scores.len(), 100);
        scores.iter().enumerate().for_each(|(area, score)| chooser.change(area, 0, *score));
        chooser.choose(scores, last).0
    }

    #[test]
    fn the_heap_gives_the_best_and_the_lowest_of_equals() {
        assert_eq!(choose(Choice::Heap, &[3, 70, 5, 69, 70], 0), Some(1));
        assert_eq!(choose(Choice::Heap, &[0, 0, 0], 0), None);
        assert_eq!(choose(Choice::Heap, &[7], 0), Some(0));
    }

    #[test]
    fn next_goes_round() {
        let scores = [5, 0, 0, 9, 0];
        assert_eq!(
            [0, 1, 2, 3, 4].map(|last| choose(Choice::Next, &scores, last)),
            [3, 3, 3, 0, 0].map(Some)
        );
    }

    #[test]
    fn random_finds_the_only_one_and_draws_all_of_many() {
        assert_eq!(choose(Choice::Random(1), &[0, 0, 0, 9, 0], 0), Some(3));
        let mut chooser = Chooser::new(Choice::Random(1), 16, 100);
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| chooser.choose(&[1; 16], 0).0).collect();
        assert_eq!(drawn.len(), 16);
    }

    #[test]
    fn nothing_is_chosen_where_nothing_is_free() {
        for choice in [Choice::Hbps, Choice::Heap, Choice::Random(3), Choice::Next] {
            assert_eq!(choose(choice, &[0, 0, 0], 1), None, "{choice:?}");
        }
    }
}
