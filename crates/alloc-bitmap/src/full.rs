//! The set of leaves that are wholly free: a bitmap.
//!
//! Invariant: one bit a leaf. A long run is measured by it, 64 leaves a word. Knows no other summary.

use alloc::vec;
use alloc::vec::Vec;

/// A bit for each leaf.
#[derive(Clone, Debug, Default)]
pub(crate) struct FullLeaves {
    words: Vec<u64>,
}

impl FullLeaves {
    /// None is full.
    pub(crate) fn new(leaves: usize) -> FullLeaves {
        FullLeaves { words: vec![0; leaves.div_ceil(64)] }
    }
    /// Note whether the leaf is full.
    pub(crate) fn set(&mut self, leaf: usize, full: bool) {
        let (word, bit) = (&mut self.words[leaf / 64], 1 << (leaf % 64));
        if full { *word |= bit } else { *word &= !bit }
    }
    /// How many leaves from `from` on are full without a gap.
    pub(crate) fn stretch(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(word) = self.words.get(at / 64) {
            let zeros = !word >> (at % 64);
            if zeros != 0 {
                return at + zeros.trailing_zeros() as usize - from;
            }
            at = (at | 63) + 1;
        }
        at - from
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }
}
