//! A bitmap with one summary level: which numbers or places are in use.
//!
//! Invariant: summary bit `w` is set exactly when word `w` has no zero bit; bits past the end are set. Knows no meaning.

/// Bits by index; a set bit is in use.
#[derive(Clone)]
pub(super) struct Bits {
    words: Vec<u64>,
    full: Vec<u64>,
    length: u64,
    clear: u64,
}

impl Bits {
    /// `length` bits, all set.
    pub(super) fn all_set(length: u64) -> Bits {
        let words = vec![u64::MAX; length.div_ceil(64) as usize];
        let full = vec![u64::MAX; words.len().div_ceil(64)];
        Bits { words, full, length, clear: 0 }
    }
    /// More bits, set.
    pub(super) fn grow(&mut self, length: u64) {
        assert!(length >= self.length, "bits only grow");
        self.words.resize(length.div_ceil(64) as usize, u64::MAX);
        self.full.resize(self.words.len().div_ceil(64), u64::MAX);
        self.length = length;
    }
    /// Forget the bits from `length` on.
    pub(super) fn truncate(&mut self, length: u64) {
        assert!(length <= self.length, "bits are cut at their end");
        self.words.truncate(length.div_ceil(64) as usize);
        if let Some(last) = self.words.last_mut().filter(|_| !length.is_multiple_of(64)) {
            *last |= u64::MAX << (length % 64);
        }
        self.full.clear();
        let full = self.words.chunks(64).map(|group| {
            let open = |(at, word): (usize, &u64)| u64::from(*word != u64::MAX) << at;
            !group.iter().enumerate().map(open).fold(0, |open, bit| open | bit)
        });
        self.full.extend(full);
        self.length = length;
        self.clear = self.words.iter().map(|word| u64::from(word.count_zeros())).sum();
    }
    /// The highest set bit.
    pub(super) fn last_set(&self) -> Option<u64> {
        let past = self.length % 64;
        let mask = |word: usize| {
            let last = word + 1 == self.words.len() && past > 0;
            if last { !(u64::MAX << past) } else { u64::MAX }
        };
        let set = |(at, word): (usize, &u64)| Some((at, word & mask(at))).filter(|(_, word)| *word != 0);
        let (at, word) = self.words.iter().enumerate().rev().find_map(set)?;
        Some(at as u64 * 64 + u64::from(word.ilog2()))
    }
    /// How many bits there are.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
    /// How many bits are clear.
    pub(super) fn clear_count(&self) -> u64 {
        self.clear
    }
    /// Whether bit `at` is set.
    pub(super) fn get(&self, at: u64) -> bool {
        self.words[(at / 64) as usize] >> (at % 64) & 1 == 1
    }
    /// Set a bit; false if it was set.
    #[must_use]
    pub(super) fn set(&mut self, at: u64) -> bool {
        assert!(at < self.length, "bit {at} of {}", self.length);
        let word = &mut self.words[(at / 64) as usize];
        if *word >> (at % 64) & 1 == 1 {
            return false;
        }
        *word |= 1 << (at % 64);
        self.clear -= 1;
        if *word == u64::MAX {
            self.full[(at / 4096) as usize] |= 1 << (at / 64 % 64);
        }
        true
    }
    /// Clear a bit, which must be set.
    pub(super) fn unset(&mut self, at: u64) {
        assert!(at < self.length && self.get(at), "bit {at} of {} is not in use", self.length);
        self.words[(at / 64) as usize] &= !(1 << (at % 64));
        self.full[(at / 4096) as usize] &= !(1 << (at / 64 % 64));
        self.clear += 1;
    }
    /// Clear a run of bits, which must all be set.
    pub(super) fn unset_run(&mut self, start: u64, length: u64) {
        let (end, mut at) = (start + length, start);
        while at < end {
            if at.is_multiple_of(64) && end - at >= 64 {
                let word = (at / 64) as usize;
                assert!(self.words[word] == u64::MAX, "bits {at}+64 are not all in use");
                self.words[word] = 0;
                self.full[word / 64] &= !(1 << (word % 64));
                self.clear += 64;
                at += 64;
            } else {
                self.unset(at);
                at += 1;
            }
        }
    }
    /// How many of the 64 bits of a word are clear.
    pub(super) fn clear_in_word(&self, word: u64) -> u8 {
        self.words.get(word as usize).map_or(0, |word| word.count_zeros() as u8)
    }
    /// The first clear bit at or after `from` in the same word.
    pub(super) fn next_clear_in_word(&self, from: u64) -> Option<u64> {
        let rest = !self.words.get((from / 64) as usize)? & (u64::MAX << (from % 64));
        (rest != 0).then(|| from - from % 64 + u64::from(rest.trailing_zeros()))
    }
    /// The first clear bit at or after `from`.
    pub(super) fn next_clear(&self, from: u64) -> Option<u64> {
        if from >= self.length {
            return None;
        }
        let word = (from / 64) as usize;
        let rest = !self.words[word] & (u64::MAX << (from % 64));
        if rest != 0 {
            return Some(word as u64 * 64 + u64::from(rest.trailing_zeros()));
        }
        let next = self.next_open_word(word + 1)?;
        Some(next as u64 * 64 + u64::from((!self.words[next]).trailing_zeros()))
    }
    fn next_open_word(&self, from: usize) -> Option<usize> {
        let mut mask = u64::MAX << (from % 64);
        for (group, full) in self.full.iter().enumerate().skip(from / 64) {
            let open = !full & mask;
            if open != 0 {
                return Some(group * 64 + open.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn clearing_a_run_is_clearing_its_bits() {
        for (start, length) in
            [(0, 0), (0, 300), (1, 62), (1, 63), (63, 66), (64, 64), (100, 4900), (4095, 2)]
        {
            let (mut whole, mut single) = (Bits::all_set(5000), Bits::all_set(5000));
            whole.unset_run(start, length);
            (start..start + length).for_each(|at| single.unset(at));
            assert_eq!(whole.words, single.words, "{start}+{length}");
            assert_eq!(whole.full, single.full, "{start}+{length}");
            assert_eq!(whole.clear, single.clear, "{start}+{length}");
        }
    }

    #[test]
    fn a_cut_leaves_the_bits_before_it() {
        for length in [0, 1, 63, 64, 65, 4_095, 4_096, 4_097, 4_999] {
            let mut bits = Bits::all_set(5_000);
            (0..5_000).filter(|at| at % 3 == 0).for_each(|at| bits.unset(at));
            bits.truncate(length);
            assert_eq!(bits.clear_count(), length.div_ceil(3), "{length}");
            assert_eq!(bits.last_set(), (0..length).rev().find(|at| at % 3 > 0), "{length}");
            bits.grow(5_000);
            let next = (0..length).find(|at| at % 3 == 0 && *at >= 2);
            assert_eq!(bits.next_clear(2), next, "{length}");
            bits.unset_run(length, 5_000 - length);
            assert_eq!(bits.clear_count(), length.div_ceil(3) + 5_000 - length);
        }
    }

    #[test]
    fn agrees_with_a_vector_of_booleans() {
        for seed in 0..8 {
            let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let length: u64 = chance.random_range(1..20_000);
            let mut bits = Bits::all_set(length);
            let mut model = vec![true; length as usize];
            for step in 0..20_000 {
                let at = chance.random_range(0..length);
                if model[at as usize] {
                    bits.unset(at);
                } else {
                    assert!(bits.set(at));
                }
                model[at as usize] ^= true;
                let from = chance.random_range(0..length);
                let next = (from..length).find(|&bit| !model[bit as usize]);
                assert_eq!(bits.next_clear(from), next, "seed {seed} step {step}");
                let word = from - from % 64..(from - from % 64 + 64).min(length);
                let clear = word.clone().filter(|&bit| !model[bit as usize]).count();
                assert_eq!(bits.clear_in_word(from / 64) as usize, clear, "seed {seed} step {step}");
                let next = (from..word.end).find(|&bit| !model[bit as usize]);
                assert_eq!(bits.next_clear_in_word(from), next, "seed {seed} step {step}");
            }
            let clear = model.iter().filter(|set| !**set).count() as u64;
            assert_eq!(bits.clear_count(), clear, "seed {seed}");
        }
    }
}
