//! One page of two-bit counts: its bytes, and its counts one by one.
//!
//! Invariant: a page that was decoded has no count beyond its blocks. A count of [`OVERFLOWED`] says only that the true one is
//! larger than 2 and stands elsewhere. Knows no other page.

use alloc::boxed::Box;
use spinney_core::{PAYLOAD_BYTES, Payload};

const HEADER_BYTES: usize = 16;
const WORDS: usize = (PAYLOAD_BYTES - HEADER_BYTES) / 8;
const WORD_COUNTS: usize = 32;
/// Blocks of a page.
pub(crate) const PAGE_BLOCKS: u64 = (WORDS * WORD_COUNTS) as u64;
/// Look in the overflow tree.
pub(crate) const OVERFLOWED: u8 = 3;
const MAGIC: [u8; 4] = *b"SPct";
const VERSION: u32 = 1;
/// The lower bit of each count.
const LOW: u64 = 0x5555_5555_5555_5555;

/// The counts of a page.
#[derive(Clone, Debug)]
pub(crate) struct Counts {
    words: Box<[u64; WORDS]>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts { words: Box::new([0; WORDS]) }
    }
}

fn field<const N: usize>(payload: &Payload, at: usize) -> [u8; N] {
    *payload[at..].first_chunk().expect("inside the page")
}

impl Counts {
    /// The page of this number, which stands for `blocks` blocks; `None` if it is anything else.
    pub(crate) fn decode(payload: &Payload, number: u64, blocks: u64) -> Option<Counts> {
        let head =
            (field(payload, 0), u32::from_le_bytes(field(payload, 4)), u64::from_le_bytes(field(payload, 8)));
        if head != (MAGIC, VERSION, number) {
            return None;
        }
        let mut counts = Counts::default();
        for (word, bytes) in counts.words.iter_mut().zip(payload[HEADER_BYTES..].as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        (counts.next(blocks as usize, |low| low).is_none()).then_some(counts)
    }
    pub(crate) fn encode(&self, number: u64, payload: &mut Payload) {
        payload[..4].copy_from_slice(&MAGIC);
        payload[4..8].copy_from_slice(&VERSION.to_le_bytes());
        payload[8..16].copy_from_slice(&number.to_le_bytes());
        for (word, bytes) in self.words.iter().zip(payload[HEADER_BYTES..].as_chunks_mut().0) {
            *bytes = word.to_le_bytes();
        }
    }
    pub(crate) fn get(&self, at: usize) -> u8 {
        (self.words[at / WORD_COUNTS] >> (2 * (at % WORD_COUNTS)) & 3) as u8
    }
    pub(crate) fn set(&mut self, at: usize, count: u8) {
        let shift = 2 * (at % WORD_COUNTS);
        let word = &mut self.words[at / WORD_COUNTS];
        *word = *word & !(3 << shift) | u64::from(count & 3) << shift;
    }
    /// The first place at `from` or after it where the lower bits of the counts that are not 0, changed by `wanted`, are set.
    fn next(&self, from: usize, wanted: impl Fn(u64) -> u64) -> Option<usize> {
        let mut at = from;
        while at < PAGE_BLOCKS as usize {
            let word = self.words[at / WORD_COUNTS];
            let rest = wanted((word | word >> 1) & LOW) >> (2 * (at % WORD_COUNTS));
            if rest != 0 {
                return Some(at + rest.trailing_zeros() as usize / 2);
            }
            at = (at / WORD_COUNTS + 1) * WORD_COUNTS;
        }
        None
    }
    /// The first free place of `from..limit`.
    pub(crate) fn next_free(&self, from: usize, limit: usize) -> Option<usize> {
        self.next(from, |used| !used & LOW).filter(|at| *at < limit)
    }
    /// Where the free run from `from` ends, at most at `limit`.
    pub(crate) fn free_end(&self, from: usize, limit: usize) -> usize {
        self.next(from, |used| used).map_or(limit, |at| at.min(limit))
    }
    /// Places with a count, and how many of these are larger than 1.
    pub(crate) fn used(&self) -> (u64, u64) {
        let count =
            |each: fn(u64) -> u64| self.words.iter().map(|word| u64::from(each(*word).count_ones())).sum();
        (count(|word| (word | word >> 1) & LOW), count(|word| (word >> 1) & LOW))
    }
    /// Places whose counts stand in the overflow tree.
    pub(crate) fn overflowed(&self) -> impl Iterator<Item = usize> + '_ {
        (0..PAGE_BLOCKS as usize).filter(|at| self.get(*at) == OVERFLOWED)
    }
}
