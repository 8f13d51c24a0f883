//! Bit sets with summary levels over a fixed count of places: first, next and previous member in a few word reads.
//!
//! Invariant: a bit of level k+1 is set exactly if the word below it is not zero. The words of a set are a plain slice;
//! its shape is kept once, in [`Levels`], so that hundreds of sets of one shape cost their words only.

use alloc::boxed::Box;
use alloc::vec;

/// Levels that 2^24 places need (64 to the fourth).
const LEVELS_MAX: usize = 4;

/// The shape of every set over `places` places.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Levels {
    starts: [u32; LEVELS_MAX],
    count: usize,
    words: usize,
}

impl Levels {
    /// The shape for `places` places, at most 2^24.
    pub(super) fn new(places: u64) -> Levels {
        assert!(places <= 1 << 24, "{places} places are more than four levels hold");
        let (mut shape, mut left) = (Levels::default(), places.max(1));
        loop {
            left = left.div_ceil(64);
            shape.starts[shape.count] = shape.words as u32;
            shape.count += 1;
            shape.words += left as usize;
            if left == 1 {
                return shape;
            }
        }
    }
    /// An empty set.
    pub(super) fn empty(&self) -> Box<[u64]> {
        vec![0; self.words].into_boxed_slice()
    }
    /// Bytes of one set.
    pub(super) fn bytes(&self) -> u64 {
        self.words as u64 * 8
    }
    fn word(&self, level: usize, place: u32) -> usize {
        self.starts[level] as usize + (place >> 6) as usize
    }
    /// Make `place` a member; nothing happens if it is one.
    pub(super) fn insert(&self, words: &mut [u64], mut place: u32) {
        for level in 0..self.count {
            let word = &mut words[self.word(level, place)];
            let was = *word;
            *word |= 1 << (place & 63);
            if was != 0 {
                return;
            }
            place >>= 6;
        }
    }
    /// Make `place` no member; nothing happens if it is none.
    pub(super) fn remove(&self, words: &mut [u64], mut place: u32) {
        for level in 0..self.count {
            let word = &mut words[self.word(level, place)];
            *word &= !(1 << (place & 63));
            if *word != 0 {
                return;
            }
            place >>= 6;
        }
    }
    /// The first member at or after `from`.
    pub(super) fn next(&self, words: &[u64], from: u32) -> Option<u32> {
        let mut at = from;
        for level in 0..self.count {
            let word = words.get(self.word(level, at)).filter(|_| self.inside(level, at))?;
            let rest = word & (u64::MAX << (at & 63));
            if rest != 0 {
                return Some(self.lowest(words, level, (at & !63) | rest.trailing_zeros()));
            }
            at = (at >> 6) + 1;
        }
        None
    }
    /// The last member at or before `from`.
    pub(super) fn prev(&self, words: &[u64], from: u32) -> Option<u32> {
        let mut at = from;
        for level in 0..self.count {
            let rest = words[self.word(level, at)] & (u64::MAX >> (63 - (at & 63)));
            if rest != 0 {
                return Some(self.highest(words, level, (at & !63) | (63 - rest.leading_zeros())));
            }
            at = (at >> 6).checked_sub(1)?;
        }
        None
    }
    /// Whether word `place / 64` belongs to the level (a step to the right may leave it).
    fn inside(&self, level: usize, place: u32) -> bool {
        let end = if level + 1 < self.count { self.starts[level + 1] as usize } else { self.words };
        self.word(level, place) < end
    }
    fn lowest(&self, words: &[u64], level: usize, mut place: u32) -> u32 {
        for below in (0..level).rev() {
            let word = words[self.starts[below] as usize + place as usize];
            place = (place << 6) | word.trailing_zeros();
        }
        place
    }
    fn highest(&self, words: &[u64], level: usize, mut place: u32) -> u32 {
        for below in (0..level).rev() {
            let word = words[self.starts[below] as usize + place as usize];
            place = (place << 6) | (63 - word.leading_zeros());
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn members_are_found_from_every_place() {
        for places in [1u64, 63, 64, 65, 4096, 4097, 300_000] {
            let shape = Levels::new(places);
            let (mut words, mut model) = (shape.empty(), BTreeSet::new());
            let mut seed = places;
            for turn in 0..600u32 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let place = ((seed >> 33) % places) as u32;
                if turn % 3 == 0 {
                    shape.remove(&mut words, place);
                    model.remove(&place);
                } else {
                    shape.insert(&mut words, place);
                    model.insert(place);
                }
                let from = ((seed >> 20) % places) as u32;
                assert_eq!(shape.next(&words, from), model.range(from..).next().copied(), "{places} {turn}");
                assert_eq!(shape.prev(&words, from), model.range(..=from).next_back().copied());
            }
            model.iter().for_each(|place| shape.remove(&mut words, *place));
            assert!(words.iter().all(|word| *word == 0), "{places}: an empty set is all zeros");
        }
    }
}
