//! What an engineer writes in an afternoon: B-trees of the standard library under other policies, and a plain bitmap.
//!
//! Invariant: each is the straightforward form of its policy, not a strawman: the bitmap skips groups without a free block,
//! and the dynamic fit makes the choices of the space map's index. Knows nothing of spinney's structures.

use spinney_testkit::aging::{Place, Space};
use std::collections::{BTreeMap, BTreeSet};

/// Free runs by address in one B-tree: first fit, or next fit.
pub(crate) struct OneTree {
    by_start: BTreeMap<u64, u64>,
    cursor: Option<u64>,
}

impl OneTree {
    pub(crate) fn first_fit(blocks: u64) -> OneTree {
        OneTree { by_start: BTreeMap::from([(0, blocks)]), cursor: None }
    }
    pub(crate) fn next_fit(blocks: u64) -> OneTree {
        OneTree { cursor: Some(0), ..OneTree::first_fit(blocks) }
    }
}

impl Space for OneTree {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let from = self.cursor.unwrap_or(0);
        let mut runs = self.by_start.range(from..).chain(self.by_start.range(..from));
        let (start, length) =
            runs.find(|(_, length)| **length >= blocks).map(|(at, length)| (*at, *length))?;
        self.by_start.remove(&start);
        if length > blocks {
            self.by_start.insert(start + blocks, length - blocks);
        }
        self.cursor = self.cursor.map(|_| start + blocks);
        Some(start.into())
    }
    fn give(&mut self, place: Place, blocks: u64) {
        let (mut start, mut blocks) = (place.start, blocks);
        if let Some((at, length)) =
            self.by_start.range(..start).next_back().map(|(at, length)| (*at, *length))
            && at + length == start
        {
            (start, blocks) = (at, length + blocks);
        }
        blocks += self.by_start.remove(&(start + blocks)).unwrap_or(0);
        self.by_start.insert(start, blocks);
    }
}

/// Dynamic fit on a plain pair of B-trees: the space map's choices with what the standard library has.
pub(crate) struct DynamicPair {
    by_start: BTreeMap<u64, u64>,
    by_blocks: BTreeSet<(u64, u64)>,
    cursors: [u64; 64],
    free: u64,
    total: u64,
}

impl DynamicPair {
    pub(crate) fn new(total: u64) -> DynamicPair {
        let (by_start, by_blocks) = (BTreeMap::from([(0, total)]), BTreeSet::from([(total, 0)]));
        DynamicPair { by_start, by_blocks, cursors: [0; 64], free: total, total }
    }
    fn remove(&mut self, start: u64, blocks: u64) {
        self.by_start.remove(&start);
        self.by_blocks.remove(&(blocks, start));
    }
    fn add(&mut self, start: u64, blocks: u64) {
        self.by_start.insert(start, blocks);
        self.by_blocks.insert((blocks, start));
    }
    fn walk(&self, cursor: u64, blocks: u64) -> Option<(u64, u64)> {
        let before = self.by_start.range(..cursor).next_back().filter(|(at, length)| *at + *length > cursor);
        let mut first = None;
        for (seen, (at, length)) in before.into_iter().chain(self.by_start.range(cursor..)).enumerate() {
            if at - *first.get_or_insert(*at) > 4096 && seen >= 100 {
                return None;
            }
            if *length >= blocks {
                return Some((*at, *length));
            }
        }
        None
    }
}

impl Space for DynamicPair {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let order = blocks.trailing_zeros() as usize;
        let longest = self.by_blocks.last().map_or(0, |(length, _)| *length);
        let plenty = longest >= blocks.max(32) && self.free * 100 >= self.total * 4;
        let found = plenty.then(|| self.walk(self.cursors[order], blocks)).flatten();
        let found =
            found.or_else(|| self.by_blocks.range((blocks, 0)..).next().map(|(length, at)| (*at, *length)));
        let (start, length) = found?;
        self.remove(start, length);
        if length > blocks {
            self.add(start + blocks, length - blocks);
        }
        self.cursors[order] = start + blocks;
        self.free -= blocks;
        Some(start.into())
    }
    fn give(&mut self, place: Place, blocks: u64) {
        self.free += blocks;
        let (mut start, mut blocks) = (place.start, blocks);
        let before = self.by_start.range(..start).next_back().map(|(at, length)| (*at, *length));
        if let Some((at, length)) = before.filter(|(at, length)| at + length == start) {
            self.remove(at, length);
            (start, blocks) = (at, blocks + length);
        }
        if let Some(length) = self.by_start.get(&(start + blocks)).copied() {
            self.remove(start + blocks, length);
            blocks += length;
        }
        self.add(start, blocks);
    }
}

const GROUP: u64 = 4096;

/// A bit a block, set when it is free, next fit, with a count of free blocks for each 4,096.
pub(crate) struct PlainBitmap {
    words: Vec<u64>,
    counts: Vec<u16>,
    cursor: u64,
    blocks: u64,
}

impl PlainBitmap {
    /// All free; `blocks` is a multiple of 4,096.
    pub(crate) fn new(blocks: u64) -> PlainBitmap {
        let (words, counts) =
            (vec![!0; (blocks / 64) as usize], vec![GROUP as u16; (blocks / GROUP) as usize]);
        PlainBitmap { words, counts, cursor: 0, blocks }
    }
    fn set(&mut self, start: u64, blocks: u64, free: bool) {
        let (mut at, end) = (start, start + blocks);
        while at < end {
            let count = (64 - at % 64).min(end - at);
            let mask = (!0 >> (64 - count)) << (at % 64);
            let (word, group) =
                (&mut self.words[(at / 64) as usize], &mut self.counts[(at / GROUP) as usize]);
            if free {
                *word |= mask;
                *group += count as u16;
            } else {
                *word &= !mask;
                *group -= count as u16;
            }
            at += count;
        }
    }
    fn find(&self, from: u64, to: u64, blocks: u64) -> Option<u64> {
        let (mut at, mut run) = (from, 0);
        while at < to {
            if at.is_multiple_of(GROUP) && self.counts[(at / GROUP) as usize] == 0 {
                (run, at) = (0, at + GROUP);
                continue;
            }
            let word = self.words[(at / 64) as usize] >> (at % 64);
            let left = 64 - at % 64;
            if word & 1 == 0 {
                run = 0;
                at += u64::from(word.trailing_zeros()).min(left);
                continue;
            }
            let ones = u64::from((!word).trailing_zeros()).min(left);
            (run, at) = (run + ones, at + ones);
            if run >= blocks {
                return Some(at - run);
            }
        }
        None
    }
}

impl Space for PlainBitmap {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let ahead = self.find(self.cursor, self.blocks, blocks);
        // A run may lie across the cursor.
        let behind = (self.cursor + blocks).min(self.blocks);
        let start = ahead.or_else(|| self.find(0, behind, blocks))?;
        self.set(start, blocks, false);
        self.cursor = start + blocks;
        Some(start.into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.set(start, blocks, true);
    }
}

/// The floor of whoever keeps runs by size: a stack of starts for each size over a mark that only rises. Nothing merges, and no size
/// serves another, so its places go beyond the space.
pub(crate) struct Stacks {
    starts: Vec<Vec<u64>>,
    mark: u64,
}

impl Stacks {
    /// For requests of up to 256 blocks.
    pub(crate) fn new(_: u64) -> Stacks {
        Stacks { starts: vec![Vec::new(); 257], mark: 0 }
    }
}

impl Space for Stacks {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let fresh = self.mark;
        let start = self.starts[blocks as usize].pop().unwrap_or(fresh);
        self.mark += if start == fresh { blocks } else { 0 };
        Some(start.into())
    }
    fn give(&mut self, Place { start, .. }: Place, blocks: u64) {
        self.starts[blocks as usize].push(start);
    }
}
