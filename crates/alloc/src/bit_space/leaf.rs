//! One leaf: 512 blocks in eight words, a bit set when the block is free.
//!
//! Invariant: everything is computed from the bits. Knows no address; the place of a leaf is a multiple of its size.

/// Words of a leaf: a cache line.
pub const WORDS: usize = 8;
/// Blocks of a leaf.
pub const BLOCKS: usize = WORDS * 64;

/// The bits.
pub type Words = [u64; WORDS];

/// Where the ones from `from` on end; `BLOCKS` if they reach the end.
pub(super) fn ones_end(words: &Words, from: usize) -> usize {
    let mut at = from;
    while at < BLOCKS {
        let zeros = !words[at / 64] >> (at % 64);
        if zeros != 0 {
            return at + zeros.trailing_zeros() as usize;
        }
        at = (at | 63) + 1;
    }
    BLOCKS
}

/// Where the ones that end before `to` start; 0 if they reach the start.
pub(super) fn ones_start(words: &Words, to: usize) -> usize {
    let mut at = to;
    while at > 0 {
        let zeros = !words[(at - 1) / 64] << (63 - (at - 1) % 64);
        if zeros != 0 {
            return at - zeros.leading_zeros() as usize;
        }
        at = (at - 1) & !63;
    }
    0
}

/// The first one at or after `from`.
pub(super) fn next_one(words: &Words, from: usize) -> Option<usize> {
    let mut at = from;
    while at < BLOCKS {
        let ones = words[at / 64] >> (at % 64);
        if ones != 0 {
            return Some(at + ones.trailing_zeros() as usize);
        }
        at = (at | 63) + 1;
    }
    None
}
