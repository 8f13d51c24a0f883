//! One entry of the space map's log: a run that was taken or freed, in one word or two.
//!
//! Invariant: decoding what was encoded gives the same runs in the same order; any other words are refused or give runs
//! inside 63-bit offsets, never a panic. Knows no pages and no set. `FORMAT.md` has the bits.

use alloc::vec::Vec;
use spinney_alloc::Change;
use spinney_core::{Extent, Pba};

/// Bytes of a word.
pub(crate) const WORD_BYTES: usize = 8;
/// The longest run of a one-word entry.
pub(crate) const SHORT_BLOCKS_MAX: u64 = 1 << 15;
/// The longest run of a two-word entry.
pub(crate) const LONG_BLOCKS_MAX: u64 = 1 << 36;
/// Offsets of one-word entries are below this.
const SHORT_OFFSET_END: u64 = 1 << 47;

const LONG_MARK: u64 = 0b11 << 62;
const SHORT_FREE: u64 = 1 << 15;
const LONG_FREE: u64 = 1 << 63;

/// Append the entries of one change to `words`; `origin` is block 0 of the map.
pub(crate) fn encode(change: Change, origin: Pba, words: &mut Vec<u8>) {
    let (run, free) = match change {
        Change::Take(run) => (run, false),
        Change::Free(run) => (run, true),
    };
    let (mut at, mut left) = (run.start.0 - origin.0, run.blocks);
    while left > 0 {
        let blocks = left.min(LONG_BLOCKS_MAX);
        if blocks <= SHORT_BLOCKS_MAX && at < SHORT_OFFSET_END {
            put(words, at << 16 | if free { SHORT_FREE } else { 0 } | (blocks - 1));
        } else {
            put(words, LONG_MARK | (blocks - 1));
            put(words, at | if free { LONG_FREE } else { 0 });
        }
        (at, left) = (at + blocks, left - blocks);
    }
}

fn put(words: &mut Vec<u8>, word: u64) {
    words.extend_from_slice(&word.to_le_bytes());
}

/// At most how many words that many runs of so many blocks in all take.
pub(crate) fn words_bound(runs: u64, blocks: u64) -> u64 {
    // A run is one word; one of more than SHORT_BLOCKS_MAX blocks two, and two more for each LONG_BLOCKS_MAX.
    let long = runs.min(blocks / SHORT_BLOCKS_MAX);
    runs.saturating_add(long).saturating_add(blocks / LONG_BLOCKS_MAX * 2)
}

/// Takes words one by one and gives changes back.
pub(crate) struct Decoder {
    origin: Pba,
    /// Blocks of the two-word entry whose first word was seen.
    pending: Option<u64>,
}

impl Decoder {
    pub(crate) fn new(origin: Pba) -> Decoder {
        Decoder { origin, pending: None }
    }
    /// The next word. `Ok(None)`: the entry goes on. `Err`: no such entry.
    pub(crate) fn word(&mut self, word: u64) -> Result<Option<Change>, ()> {
        if let Some(blocks) = self.pending.take() {
            return self.change(word & !LONG_FREE, blocks, word & LONG_FREE != 0).map(Some);
        }
        if word & LONG_MARK == LONG_MARK {
            let blocks = word & !LONG_MARK;
            self.pending = Some(blocks + 1);
            return if blocks < LONG_BLOCKS_MAX { Ok(None) } else { Err(()) };
        }
        if word >> 63 != 0 {
            return Err(());
        }
        self.change(word >> 16, (word & (SHORT_BLOCKS_MAX - 1)) + 1, word & SHORT_FREE != 0).map(Some)
    }
    /// Whether the last word ended an entry.
    pub(crate) fn is_whole(&self) -> bool {
        self.pending.is_none()
    }
    fn change(&self, offset: u64, blocks: u64, free: bool) -> Result<Change, ()> {
        let start = self.origin.0.checked_add(offset).ok_or(())?;
        let run = Extent::checked(start, blocks).ok_or(())?;
        Ok(if free { Change::Free(run) } else { Change::Take(run) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], origin: u64) -> Result<Vec<Change>, ()> {
        let mut decoder = Decoder::new(Pba(origin));
        let mut changes = Vec::new();
        for word in bytes.as_chunks().0 {
            changes.extend(decoder.word(u64::from_le_bytes(*word))?);
        }
        if decoder.is_whole() { Ok(changes) } else { Err(()) }
    }

    #[test]
    fn runs_of_every_length_come_back() {
        let origin = 1 << 40;
        for (offset, blocks, words) in [
            (0, 1, 1),
            (7, SHORT_BLOCKS_MAX, 1),
            (7, SHORT_BLOCKS_MAX + 1, 2),
            (SHORT_OFFSET_END - 1, 1, 1),
            (SHORT_OFFSET_END, 1, 2),
            (0, LONG_BLOCKS_MAX, 2),
        ] {
            for change in [Change::Take, Change::Free] {
                let change = change(Extent::new(Pba(origin + offset), blocks));
                let mut bytes = Vec::new();
                encode(change, Pba(origin), &mut bytes);
                assert_eq!(bytes.len(), words * WORD_BYTES, "{change:?}");
                assert!(words as u64 <= words_bound(1, blocks) || offset == SHORT_OFFSET_END, "{change:?}");
                assert_eq!(decoded(&bytes, origin), Ok(vec![change]));
            }
        }
    }

    #[test]
    fn a_run_too_long_for_an_entry_is_cut() {
        let mut bytes = Vec::new();
        encode(Change::Free(Extent::new(Pba(5), LONG_BLOCKS_MAX + 3)), Pba(0), &mut bytes);
        let [one, other] =
            [(5, LONG_BLOCKS_MAX), (5 + LONG_BLOCKS_MAX, 3)].map(|x| Extent::new(Pba(x.0), x.1));
        assert_eq!(decoded(&bytes, 0), Ok(vec![Change::Free(one), Change::Free(other)]));
        assert!(bytes.len() as u64 / 8 <= words_bound(1, LONG_BLOCKS_MAX + 3));
    }

    #[test]
    fn the_bits_are_as_the_format_says() {
        let words = |change, origin| {
            let mut bytes = Vec::new();
            encode(change, Pba(origin), &mut bytes);
            bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect::<Vec<_>>()
        };
        assert_eq!(words(Change::Take(Extent::new(Pba(0x1234), 1)), 0x34), [0x0000_0000_1200_0000]);
        assert_eq!(words(Change::Free(Extent::new(Pba(2), 256)), 0), [0x0000_0000_0002_80ff]);
        let long = Change::Free(Extent::new(Pba(2), 0x10_0000));
        assert_eq!(words(long, 0), [0xc000_0000_000f_ffff, 0x8000_0000_0000_0002]);
    }

    #[test]
    fn words_that_no_entry_begins_with_are_refused() {
        let refused = |words: &[u64]| {
            decoded(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>(), 1).is_err()
        };
        assert!(refused(&[0b10 << 62]), "the mark that is kept free");
        assert!(refused(&[LONG_MARK]), "half an entry");
        assert!(refused(&[LONG_MARK | 1 << 36, 0]), "a count beyond 36 bits");
        assert!(!refused(&[LONG_MARK, u64::MAX]), "far beyond any universe, but an entry");
    }
}
