//! The runs of one region as bits: for a region with so many of them that a list would be larger.
//!
//! Invariant: a bit is set exactly if a run that *starts* in this region covers the block; if the last run goes on behind the
//! region, `tail` tells how far, as much as a `u16` tells. A place is a block of the region. Knows no region number.
//!
//! What a list finds by its order, this finds by words: a run of `n` blocks starts where a word, `and`ed with itself moved by
//! 1, 2, 4 .. places, still has a bit. So short runs, however many, are passed 64 blocks at a time.

use super::LONG;
use super::runs::Run;
use alloc::boxed::Box;
use alloc::vec;

/// A bit a block.
#[derive(Clone, Debug)]
pub(super) struct Bits {
    words: Box<[u64]>,
    runs: u32,
    /// Told blocks of the last run behind the end of the region.
    tail: u16,
}

impl Bits {
    /// None free, in a region of so many blocks (a multiple of 64).
    pub(super) fn new(blocks: u32) -> Bits {
        Bits { words: vec![0; blocks as usize / 64].into(), runs: 0, tail: 0 }
    }
    pub(super) fn count(&self) -> usize {
        self.runs as usize
    }
    pub(super) fn bytes(&self) -> u64 {
        (size_of::<Bits>() + self.words.len() * 8) as u64
    }
    fn blocks(&self) -> usize {
        self.words.len() * 64
    }
    fn is_set(&self, at: usize) -> bool {
        self.words.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
    /// The first set bit from `from` on.
    fn next_one(&self, from: usize) -> Option<usize> {
        let first = self.words.get(from / 64)? & (!0 << (from % 64));
        if first != 0 {
            return Some(from / 64 * 64 + first.trailing_zeros() as usize);
        }
        let at = from / 64 + 1 + self.words[from / 64 + 1..].iter().position(|word| *word != 0)?;
        Some(at * 64 + self.words[at].trailing_zeros() as usize)
    }
    /// Where the ones from `from` on end.
    fn ones_end(&self, from: usize) -> usize {
        let mut at = from;
        while let Some(word) = self.words.get(at / 64) {
            let zeros = !word >> (at % 64);
            if zeros != 0 {
                return at + zeros.trailing_zeros() as usize;
            }
            at = (at | 63) + 1;
        }
        self.blocks()
    }
    /// Where the ones up to the one at `last` start.
    fn ones_start(&self, last: usize) -> usize {
        let mut at = last;
        loop {
            let zeros = !self.words[at / 64] << (63 - at % 64);
            if zeros != 0 {
                return at + 1 - zeros.leading_zeros() as usize;
            }
            if at < 64 {
                return 0;
            }
            at = (at & !63) - 1;
        }
    }
    fn run(&self, start: usize) -> Run {
        let end = self.ones_end(start);
        let tail = if end == self.blocks() { usize::from(self.tail) } else { 0 };
        let told = (end - start + tail).min(LONG.into()) as u16;
        Run { place: start, start: start as u32, told }
    }
    /// The first place from `place` on that is in no run which starts before it.
    fn outside(&self, place: usize) -> usize {
        let within = place > 0 && self.is_set(place - 1) && self.is_set(place);
        if within { self.ones_end(place) } else { place }
    }
    /// The first run that starts at `place` or later.
    pub(super) fn from(&self, place: usize) -> Option<Run> {
        self.next_one(self.outside(place)).map(|start| self.run(start))
    }
    /// The last run that starts before `place`.
    pub(super) fn before(&self, place: usize) -> Option<Run> {
        let last = place.min(self.blocks()).checked_sub(1)?;
        let word = self.words[last / 64] << (63 - last % 64);
        let last = if word != 0 {
            last - word.leading_zeros() as usize
        } else {
            let at = self.words[..last / 64].iter().rposition(|word| *word != 0)?;
            at * 64 + 63 - self.words[at].leading_zeros() as usize
        };
        Some(self.run(self.ones_start(last)))
    }
    /// The place behind a block: what starts at it or before is before that place.
    pub(super) fn seat(&self, low: u32) -> usize {
        low as usize + 1
    }
    /// How many runs start in `from..to`.
    pub(super) fn between(&self, from: usize, to: usize) -> usize {
        let mut carry = from / 64 > 0 && self.is_set(from / 64 * 64 - 1);
        let (mut starts, end) = (0, to.min(self.blocks()));
        for at in from / 64..end.div_ceil(64) {
            let word = self.words[at];
            let mut first = word & !(word << 1 | u64::from(carry));
            carry = word >> 63 == 1;
            if at == from / 64 {
                first &= !0 << (from % 64);
            }
            if at == end / 64 {
                first &= !(!0 << (end % 64));
            }
            starts += first.count_ones() as usize;
        }
        starts
    }
    /// The first run of at least so many told blocks that starts at `place` or later.
    pub(super) fn at_least(&self, place: usize, told: u16) -> Option<Run> {
        let mut at = self.outside(place);
        while let Some(start) = self.long_ones(at, u32::from(told).min(64)) {
            let run = self.run(start);
            if run.told >= told {
                return Some(run);
            }
            at = self.ones_end(start);
        }
        None
    }
    /// The first run of exactly so many told blocks that starts at `place` or later.
    pub(super) fn exactly(&self, place: usize, told: u16) -> Option<Run> {
        let mut next = self.at_least(place, told);
        while let Some(run) = next.filter(|run| run.told != told) {
            next = self.at_least(self.ones_end(run.place), told);
        }
        next
    }
    /// The first run from `from` on, which is in none, that has `least` blocks (at most 64) or may have them by its tail.
    fn long_ones(&self, from: usize, least: u32) -> Option<usize> {
        let mut mask = !0u64 << (from % 64);
        for at in from / 64..self.words.len() {
            let word = self.words[at] & mask;
            mask = !0;
            if word == 0 {
                continue;
            }
            // Behind the region stand ones if the last run goes on there.
            let behind = if self.tail > 0 { !0 } else { 0 };
            let ones = u128::from(self.words.get(at + 1).copied().unwrap_or(behind)) << 64 | u128::from(word);
            let starts = starts_of(ones, least) as u64;
            if starts != 0 {
                return Some(at * 64 + starts.trailing_zeros() as usize);
            }
        }
        None
    }
    /// The most told blocks of a run, 0 if there is none.
    pub(super) fn longest(&self) -> u16 {
        let (mut longest, mut at) = (0, 0);
        while longest < LONG
            && let Some(run) = self.at_least(at, longest + 1)
        {
            longest = run.told;
            at = self.ones_end(run.place);
        }
        longest
    }
    /// Add a run that touches none.
    pub(super) fn insert(&mut self, start: u32, told: u16) {
        let (start, told) = (start as usize, usize::from(told));
        let end = (start + told).min(self.blocks());
        if start + told > self.blocks() {
            self.tail = (start + told - self.blocks()) as u16;
        }
        self.flip(start, end);
        self.runs += 1;
    }
    /// Take out the run that starts at a place.
    pub(super) fn remove(&mut self, start: usize) {
        let end = self.ones_end(start);
        if end == self.blocks() {
            self.tail = 0;
        }
        self.flip(start, end);
        self.runs -= 1;
    }
    fn flip(&mut self, start: usize, end: usize) {
        for at in start / 64..end.div_ceil(64) {
            let low = if at == start / 64 { !0 << (start % 64) } else { !0 };
            let high = if at == end / 64 { !(!0 << (end % 64)) } else { !0 };
            self.words[at] ^= low & high;
        }
    }
}

/// Where `least` ones (1 to 64) in sequence begin.
fn starts_of(mut ones: u128, least: u32) -> u128 {
    let mut have = 1;
    while have < least && ones != 0 {
        let step = have.min(least - have);
        ones &= ones >> step;
        have += step;
    }
    ones
}
