//! One bitmap page: its bytes, its bits, and changes cut at its edges.
//!
//! Invariant: a page that was decoded has as many set bits as its header says, all of them inside the universe. Knows no
//! array and no other page.

use crate::pieces::Piece;
use alloc::boxed::Box;
use spinney_core::{PAYLOAD_BYTES, Payload};

const HEADER_BYTES: usize = 32;
const WORDS: usize = (PAYLOAD_BYTES - HEADER_BYTES) / 8;
/// Blocks of a page.
pub(crate) const PAGE_BLOCKS: u64 = WORDS as u64 * 64;
const MAGIC: [u8; 4] = *b"SPbm";
const VERSION: u32 = 1;

/// The bits of a page, set where a block is taken.
#[derive(Clone, Debug)]
pub(crate) struct PageBits {
    words: Box<[u64; WORDS]>,
    taken_blocks: u32,
}

impl Default for PageBits {
    fn default() -> PageBits {
        PageBits { words: Box::new([0; WORDS]), taken_blocks: 0 }
    }
}

/// The bits of word `word` that lie in `from..to`.
fn mask(word: usize, from: usize, to: usize) -> u64 {
    let low = from.saturating_sub(word * 64);
    let high = to.saturating_sub(word * 64).min(64);
    if low >= high { 0 } else { (!0 << low) & (!0 >> (64 - high)) }
}

fn field<const N: usize>(payload: &Payload, at: usize) -> [u8; N] {
    *payload[at..].first_chunk().expect("inside the page")
}

impl PageBits {
    /// The page of this index, which stands for `blocks` blocks; `None` if it is anything else or its count is wrong.
    pub(crate) fn decode(payload: &Payload, index: u64, blocks: u64) -> Option<PageBits> {
        let header = field(payload, 0) == MAGIC
            && u32::from_le_bytes(field(payload, 4)) == VERSION
            && u64::from_le_bytes(field(payload, 8)) == index
            && field::<12>(payload, 20) == [0; 12];
        let mut bits =
            PageBits { taken_blocks: u32::from_le_bytes(field(payload, 16)), ..PageBits::default() };
        for (word, bytes) in bits.words.iter_mut().zip(payload[HEADER_BYTES..].as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        let taken: u64 = bits.words.iter().map(|word| u64::from(word.count_ones())).sum();
        let inside = bits.next(blocks as usize, true) == WORDS * 64;
        (header && inside && taken == u64::from(bits.taken_blocks)).then_some(bits)
    }
    /// Write header and bits.
    pub(crate) fn encode(&self, index: u64, payload: &mut Payload) {
        payload[..4].copy_from_slice(&MAGIC);
        payload[4..8].copy_from_slice(&VERSION.to_le_bytes());
        payload[8..16].copy_from_slice(&index.to_le_bytes());
        payload[16..20].copy_from_slice(&self.taken_blocks.to_le_bytes());
        payload[20..HEADER_BYTES].fill(0);
        for (word, bytes) in self.words.iter().zip(payload[HEADER_BYTES..].as_chunks_mut().0) {
            *bytes = word.to_le_bytes();
        }
    }
    /// Set bits.
    pub(crate) fn taken_blocks(&self) -> u64 {
        u64::from(self.taken_blocks)
    }
    /// Change the bits of a piece; false if one of them is so already.
    pub(crate) fn change(&mut self, piece: &Piece) -> bool {
        for word in piece.from / 64..=(piece.to - 1) / 64 {
            let mask = mask(word, piece.from, piece.to);
            let word = &mut self.words[word];
            if *word & mask != if piece.take { 0 } else { mask } {
                return false;
            }
            *word ^= mask;
        }
        let blocks = (piece.to - piece.from) as u32;
        self.taken_blocks = if piece.take { self.taken_blocks + blocks } else { self.taken_blocks - blocks };
        true
    }
    /// The first bit from `from` on that is `set`, or the end of the page.
    fn next(&self, from: usize, set: bool) -> usize {
        let mut at = from;
        while at < WORDS * 64 {
            let word = if set { self.words[at / 64] } else { !self.words[at / 64] };
            let rest = word >> (at % 64);
            if rest != 0 {
                return at + rest.trailing_zeros() as usize;
            }
            at = (at | 63) + 1;
        }
        at
    }
    /// Runs of clear bits among the first `blocks`: `each(from, count)`.
    pub(crate) fn free_runs(&self, blocks: u64, each: &mut dyn FnMut(u64, u64)) {
        let limit = blocks as usize;
        let mut at = self.next(0, false);
        while at < limit {
            let end = self.next(at, true).min(limit);
            each(at as u64, (end - at) as u64);
            at = self.next(end, false);
        }
    }
}
