//! The bits, one a block, set when the block is free; words and leaves of 512 of them.
//!
//! Invariant: a leaf of zeros stands behind the last one, so that a look ahead needs no end. Knows no address: positions
//! count from the first bit. Knows no summary.

use alloc::vec;
use alloc::vec::Vec;

/// Blocks of a leaf: the unit of the summaries, and 64 bytes (a cache line) of bits.
pub(crate) const LEAF_BLOCKS: usize = 512;
const LEAF_WORDS: usize = LEAF_BLOCKS / 64;
/// A run is counted to the end of the leaf after the one that it starts in.
pub(crate) const WINDOW_BLOCKS: usize = 2 * LEAF_BLOCKS;
const WINDOW_WORDS: usize = 2 * LEAF_WORDS;

/// Bits in words.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
}

/// The bits of one word that lie in `start..end`, which must touch it.
fn mask(word: usize, start: usize, end: usize) -> u64 {
    let low = if start > word * 64 { !0 << (start % 64) } else { !0 };
    let high = if end < word * 64 + 64 { !0 >> (64 - end % 64) } else { !0 };
    low & high
}

impl Bits {
    /// All clear.
    pub(crate) fn new(leaves: usize) -> Bits {
        Bits { words: vec![0; (leaves + 1) * LEAF_WORDS] }
    }
    /// The words, a leaf of zeros at the end.
    pub(crate) fn words(&self) -> &[u64] {
        &self.words
    }
    /// Whether the bit is set.
    pub(crate) fn get(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }
    /// Whether the bit before `at` is set.
    pub(crate) fn before(&self, at: usize) -> bool {
        at > 0 && self.get(at - 1)
    }
    /// Set `start..end`. Returns whether all of it was clear.
    pub(crate) fn set(&mut self, start: usize, end: usize) -> bool {
        let mut clash = 0;
        let first = start / 64;
        for (at, word) in self.words[first..=(end - 1) / 64].iter_mut().enumerate() {
            let mask = mask(first + at, start, end);
            clash |= *word & mask;
            *word |= mask;
        }
        clash == 0
    }
    /// Clear `start..end`. Returns whether all of it was set.
    pub(crate) fn clear(&mut self, start: usize, end: usize) -> bool {
        let mut clash = 0;
        let first = start / 64;
        for (at, word) in self.words[first..=(end - 1) / 64].iter_mut().enumerate() {
            let mask = mask(first + at, start, end);
            clash |= !*word & mask;
            *word &= !mask;
        }
        clash == 0
    }
    /// Where the run of ones from `from` ends: the first clear bit, but not beyond `limit`.
    pub(crate) fn ones_end(&self, from: usize, limit: usize) -> usize {
        let mut at = from;
        while at < limit {
            let zeros = !self.words[at / 64] >> (at % 64);
            if zeros != 0 {
                return limit.min(at + zeros.trailing_zeros() as usize);
            }
            at = (at | 63) + 1;
        }
        limit
    }
    /// Where the run of ones that ends before `to` starts, but not before `floor`.
    pub(crate) fn ones_start(&self, to: usize, floor: usize) -> usize {
        let mut at = to;
        while at > floor {
            let zeros = !self.words[(at - 1) / 64] << (63 - (at - 1) % 64);
            if zeros != 0 {
                return floor.max(at - zeros.leading_zeros() as usize);
            }
            at = (at - 1) & !63;
        }
        floor
    }
    /// The first set bit of `from..limit`.
    pub(crate) fn next_one(&self, from: usize, limit: usize) -> Option<usize> {
        let mut at = from;
        while at < limit {
            let ones = self.words[at / 64] >> (at % 64);
            if ones != 0 {
                return Some(at + ones.trailing_zeros() as usize).filter(|at| *at < limit);
            }
            at = (at | 63) + 1;
        }
        None
    }
    /// Each run that starts in the leaf (its first bit is in it, the bit before is clear), counted to the end of the next
    /// leaf: `each(start in the leaf, length)`.
    pub(crate) fn runs(&self, leaf: usize, mut each: impl FnMut(usize, usize)) {
        let first = leaf * LEAF_WORDS;
        let window: &[u64; WINDOW_WORDS] =
            self.words[first..].first_chunk().expect("a leaf stands behind the last one");
        // The bit before is in another cache line: look only if it matters.
        let continues = window[0] & 1 == 1 && self.before(leaf * LEAF_BLOCKS);
        let mut at = if continues { ones_end(window, 0) } else { 0 };
        while at < LEAF_BLOCKS {
            let ones = window[at / 64] >> (at % 64);
            if ones == 0 {
                at = (at | 63) + 1;
                continue;
            }
            at += ones.trailing_zeros() as usize;
            let end = ones_end(window, at);
            each(at, end - at);
            at = end + 1;
        }
    }
    /// Whether a run of `blocks` starts in the leaf.
    pub(crate) fn has_run(&self, leaf: usize, blocks: usize) -> bool {
        let mut longest = 0;
        self.runs(leaf, |_, length| longest = longest.max(length));
        longest >= blocks
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }
}

/// [`Bits::ones_end`] inside a window, where no index can be out of bounds.
fn ones_end(window: &[u64; WINDOW_WORDS], from: usize) -> usize {
    let mut at = from;
    while at < WINDOW_BLOCKS {
        let zeros = !window[at / 64] >> (at % 64);
        if zeros != 0 {
            return at + zeros.trailing_zeros() as usize;
        }
        at = (at | 63) + 1;
    }
    WINDOW_BLOCKS
}
