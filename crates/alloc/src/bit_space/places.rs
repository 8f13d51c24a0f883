//! A set of places with summary levels: first, next and previous member in a word read a level.
//!
//! Invariant: a bit of level k+1 is set exactly if the word below it is not zero. Knows not what a place is.

use alloc::vec;
use alloc::vec::Vec;

/// The set.
#[derive(Clone, Debug, Default)]
pub struct PlaceSet {
    levels: Vec<Vec<u64>>,
}

impl PlaceSet {
    /// No members, room for `places`.
    #[must_use]
    pub fn new(places: usize) -> PlaceSet {
        let (mut levels, mut left) = (Vec::new(), places.max(1));
        loop {
            left = left.div_ceil(64);
            levels.push(vec![0; left]);
            if left == 1 {
                return PlaceSet { levels };
            }
        }
    }
    /// Make `place` a member; nothing happens if it is one.
    pub fn insert(&mut self, mut place: usize) {
        for level in &mut self.levels {
            let word = &mut level[place / 64];
            let was = *word;
            *word |= 1 << (place % 64);
            if was != 0 {
                return;
            }
            place /= 64;
        }
    }
    /// Make `place` no member; nothing happens if it is none.
    pub fn remove(&mut self, mut place: usize) {
        for level in &mut self.levels {
            let word = &mut level[place / 64];
            *word &= !(1 << (place % 64));
            if *word != 0 {
                return;
            }
            place /= 64;
        }
    }
    /// `insert` or `remove`.
    pub fn put(&mut self, place: usize, member: bool) {
        if member { self.insert(place) } else { self.remove(place) }
    }
    /// Whether `place` is a member; places without room are none.
    #[must_use]
    pub fn contains(&self, place: usize) -> bool {
        self.levels[0].get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
    /// The first member at or after `from`.
    #[must_use]
    pub fn next(&self, from: usize) -> Option<usize> {
        let mut at = from;
        for (depth, level) in self.levels.iter().enumerate() {
            let rest = *level.get(at / 64)? & (u64::MAX << (at % 64));
            if rest != 0 {
                let place = at / 64 * 64 + rest.trailing_zeros() as usize;
                let down =
                    |place: usize, level: &Vec<u64>| place * 64 + level[place].trailing_zeros() as usize;
                return Some(self.levels[..depth].iter().rev().fold(place, down));
            }
            at = at / 64 + 1;
        }
        None
    }
    /// The last member at or before `from`.
    #[must_use]
    pub fn prev(&self, from: usize) -> Option<usize> {
        let mut at = from;
        for (depth, level) in self.levels.iter().enumerate() {
            let rest = level[at / 64] & (u64::MAX >> (63 - at % 64));
            if rest != 0 {
                let place = at / 64 * 64 + 63 - rest.leading_zeros() as usize;
                let down =
                    |place: usize, level: &Vec<u64>| place * 64 + 63 - level[place].leading_zeros() as usize;
                return Some(self.levels[..depth].iter().rev().fold(place, down));
            }
            at = (at / 64).checked_sub(1)?;
        }
        None
    }
    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.levels.iter().map(|level| level.len() as u64 * 8).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use spinney_testkit::Dice;

    #[test]
    fn members_are_found_from_every_place() {
        for places in [1u64, 64, 65, 4096, 4097, 300_000] {
            let mut dice = Dice::new("places", places);
            let (mut set, mut model) = (PlaceSet::new(places as usize), BTreeSet::new());
            for turn in 0..600 {
                let (place, from) = (dice.below(places) as usize, dice.below(places) as usize);
                set.put(place, turn % 3 != 0);
                if turn % 3 == 0 {
                    model.remove(&place)
                } else {
                    model.insert(place)
                };
                assert_eq!(set.next(from), model.range(from..).next().copied(), "{places} {turn}");
                assert_eq!(set.prev(from), model.range(..=from).next_back().copied(), "{places} {turn}");
                assert_eq!(set.contains(from), model.contains(&from));
            }
        }
    }
}
