//! Seven sets of leaves, each a bitmap with summary levels: a set bit above says that a word below is not zero.
//!
//! Invariant: a summary bit is set exactly if its word is not zero, and `filled` has a set's bit exactly if the set is not
//! empty. So the first leaf of a set from any place is found in a few words. Knows not what a set means.

use alloc::vec;
use alloc::vec::Vec;

/// How many sets.
pub(crate) const SETS: usize = 7;
/// 64 to this power leaves are more than a `u64` of blocks has.
const LEVELS_MAX: usize = 10;

/// The sets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sets {
    /// Set by set, level by level, the lowest first.
    words: Vec<u64>,
    /// Where each level of a set starts.
    starts: [usize; LEVELS_MAX],
    levels: usize,
    stride: usize,
    /// A bit for each set that is not empty.
    pub(crate) filled: u32,
}

impl Sets {
    /// All empty.
    pub(crate) fn new(leaves: usize) -> Sets {
        let mut sets = Sets::default();
        let mut words = leaves.div_ceil(64).max(1);
        loop {
            sets.starts[sets.levels] = sets.stride;
            sets.levels += 1;
            sets.stride += words;
            if words == 1 {
                break;
            }
            words = words.div_ceil(64);
        }
        sets.words = vec![0; sets.stride * SETS];
        sets
    }
    fn level(&self, set: usize, level: usize) -> usize {
        set * self.stride + self.starts[level]
    }
    /// Add a leaf (it may be there).
    pub(crate) fn insert(&mut self, set: usize, leaf: usize) {
        let mut at = leaf;
        for level in 0..self.levels {
            let place = self.level(set, level) + at / 64;
            let word = &mut self.words[place];
            let was = *word;
            *word |= 1 << (at % 64);
            if was != 0 {
                return;
            }
            at /= 64;
        }
        self.filled |= 1 << set;
    }
    /// Take a leaf out (it must be there).
    pub(crate) fn remove(&mut self, set: usize, leaf: usize) {
        let mut at = leaf;
        for level in 0..self.levels {
            let place = self.level(set, level) + at / 64;
            let word = &mut self.words[place];
            *word &= !(1 << (at % 64));
            if *word != 0 {
                return;
            }
            at /= 64;
        }
        self.filled &= !(1 << set);
    }
    /// Whether the leaf is in the set.
    pub(crate) fn has(&self, set: usize, leaf: usize) -> bool {
        self.words[self.level(set, 0) + leaf / 64] >> (leaf % 64) & 1 == 1
    }
    /// The first leaf of the set.
    pub(crate) fn first(&self, set: usize) -> Option<usize> {
        (self.filled >> set & 1 == 1).then(|| self.descend(set, self.levels, 0))
    }
    /// The first leaf of the set at `from` or after it.
    pub(crate) fn next(&self, set: usize, from: usize) -> Option<usize> {
        let mut at = from;
        for level in 0..self.levels {
            let words = &self.words[self.level(set, level)..self.level(set, level) + self.width(level)];
            let word = words.get(at / 64)? >> (at % 64);
            if word != 0 {
                return Some(self.descend(set, level, at + word.trailing_zeros() as usize));
            }
            at = at / 64 + 1;
        }
        None
    }
    fn width(&self, level: usize) -> usize {
        let end = if level + 1 < self.levels { self.starts[level + 1] } else { self.stride };
        end - self.starts[level]
    }
    /// From the bit `at` of `level`, which is set, to the first leaf under it.
    fn descend(&self, set: usize, level: usize, mut at: usize) -> usize {
        for level in (0..level).rev() {
            let word = self.words[self.level(set, level) + at];
            at = at * 64 + word.trailing_zeros() as usize;
        }
        at
    }
    /// How many leaves from `from` on are in the set without a gap.
    pub(crate) fn stretch(&self, set: usize, from: usize) -> usize {
        let start = self.level(set, 0);
        let words = &self.words[start..start + self.width(0)];
        let mut at = from;
        while let Some(word) = words.get(at / 64) {
            let zeros = !word >> (at % 64);
            if zeros != 0 {
                return at + zeros.trailing_zeros() as usize - from;
            }
            at = (at | 63) + 1;
        }
        at - from
    }
    /// Words that a search looks at, at most.
    pub(crate) fn steps(&self) -> u64 {
        self.levels as u64
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }
}
