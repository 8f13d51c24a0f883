//! The bits and what is known about each leaf of 512 blocks: its longest run, and whether all of it is free.
//!
//! Invariant: each leaf's level is that of the longest run that starts in the leaf, counted to the end of the next leaf;
//! a leaf of ones is in `full`. A run belongs to the leaf of its first block alone. Knows no policy: it says where runs are, and the caller says which to take.

use crate::bits::{Bits, LEAF_BLOCKS, WINDOW_BLOCKS};
use crate::full::FullLeaves;
use crate::level::{LONG_BLOCKS, level_of, shortest_of};
use crate::recent::Recent;
use crate::tops::Tops;

/// A run by positions, not addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) blocks: usize,
}

impl Span {
    pub(crate) fn end(self) -> usize {
        self.start + self.blocks
    }
}

/// The bits with their summary.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leaves {
    pub(crate) bits: Bits,
    full: FullLeaves,
    pub(crate) tops: Tops,
    /// No run is longer, up to [`WINDOW_BLOCKS`]. Raised at once, lowered when a search found out.
    pub(crate) bound: usize,
    recent: Option<Recent>,
    pub(crate) free_blocks: u64,
    pub(crate) free_runs: u64,
    pub(crate) steps: u64,
}

impl Leaves {
    /// Nothing is free. `recent`: whether exact fits will be asked for.
    pub(crate) fn new(blocks: usize, recent: bool) -> Leaves {
        let leaves = blocks.div_ceil(LEAF_BLOCKS);
        Leaves {
            bits: Bits::new(leaves),
            full: FullLeaves::new(leaves),
            tops: Tops::new(leaves),
            recent: recent.then(|| Recent::new(blocks)),
            ..Leaves::default()
        }
    }
    /// How many leaves there are.
    pub(crate) fn count(&self) -> usize {
        self.tops.count()
    }
    /// Whether the leaf has a run of `blocks` (at most [`LONG_BLOCKS`]).
    pub(crate) fn holds(&self, leaf: usize, blocks: usize) -> bool {
        let (has, needs) = (self.tops.level(leaf), level_of(blocks));
        has > needs || has == needs && (shortest_of(has) == blocks || self.bits.has_run(leaf, blocks))
    }
    fn set_longest(&mut self, leaf: usize, blocks: usize) {
        self.bound = self.bound.max(blocks);
        let level = level_of(blocks);
        if self.tops.level(leaf) != level {
            self.tops.set(leaf, level);
        }
    }
    fn note(&mut self, blocks: usize, start: usize) {
        if let Some(recent) = &mut self.recent {
            recent.note(blocks, start);
        }
    }
    /// Look at a leaf again.
    fn refresh(&mut self, leaf: usize) {
        let mut longest = 0;
        self.bits.runs(leaf, |_, blocks| longest = longest.max(blocks));
        self.steps += STEPS_A_LEAF;
        self.set_longest(leaf, longest);
        let start = leaf * LEAF_BLOCKS;
        self.full.set(leaf, self.bits.ones_end(start, start + LEAF_BLOCKS) == start + LEAF_BLOCKS);
    }
    /// Look at every leaf whose runs a change of `start..end` can touch: its own, the one before (whose runs reach into
    /// them) and the one after (whose first run may have begun or ceased to be a run of its own).
    fn refresh_around(&mut self, start: usize, end: usize) {
        let first = (start / LEAF_BLOCKS).saturating_sub(1);
        let last = (end / LEAF_BLOCKS).min(self.count() - 1);
        (first..=last).for_each(|leaf| self.refresh(leaf));
    }
    /// Make `start..end` free.
    pub(crate) fn insert(&mut self, start: usize, end: usize) {
        assert!(self.bits.set(start, end), "a double free in {start}..{end} of the bitmap");
        self.steps += ((end - 1) / 64 - start / 64 + 1) as u64;
        self.free_blocks += (end - start) as u64;
        let (joins_before, joins_after) = (self.bits.before(start), self.bits.get(end));
        self.free_runs = self.free_runs + 1 - u64::from(joins_before) - u64::from(joins_after);
        let inside = start / LEAF_BLOCKS == end / LEAF_BLOCKS;
        if !inside || !self.grow(start, end, joins_after) {
            self.refresh_around(start, end);
        }
    }
    /// The run `start..end`, whose end is not the end of its leaf, became free: note the run that it is now part of.
    /// Returns false if that takes a closer look.
    fn grow(&mut self, start: usize, end: usize, joins_after: bool) -> bool {
        let leaf = start / LEAF_BLOCKS;
        let leaf_start = leaf * LEAF_BLOCKS;
        let from = self.bits.ones_start(start, leaf_start);
        if from == leaf_start && self.bits.before(leaf_start) {
            return false;
        }
        let to = if joins_after { self.bits.ones_end(end, leaf_start + WINDOW_BLOCKS) } else { end };
        if from == leaf_start && to >= leaf_start + LEAF_BLOCKS {
            self.full.set(leaf, true);
        }
        self.note(to - from, from);
        self.set_longest(leaf, (to - from).max(shortest_of(self.tops.level(leaf))));
        true
    }
    /// Take `start..end`, all of which is free.
    pub(crate) fn remove(&mut self, start: usize, end: usize) {
        let inside = self.length_inside(start, end);
        self.clear(start, end);
        let leaf = start / LEAF_BLOCKS;
        match inside {
            // A longer run is still there, and so the leaf was not full.
            Some(blocks) if level_of(blocks) < self.tops.level(leaf) => {}
            Some(_) => self.refresh(leaf),
            None => self.refresh_around(start, end),
        }
    }
    /// The length of the free run around `start..end`, if the run begins in the leaf of `start` and what goes of it ends there, so
    /// that no other leaf counts it.
    fn length_inside(&self, start: usize, end: usize) -> Option<usize> {
        let leaf_start = start / LEAF_BLOCKS * LEAF_BLOCKS;
        if end >= leaf_start + LEAF_BLOCKS {
            return None;
        }
        let from = self.bits.ones_start(start, leaf_start);
        let begins_before = from == leaf_start && self.bits.before(leaf_start);
        (!begins_before).then(|| self.bits.ones_end(end, leaf_start + WINDOW_BLOCKS) - from)
    }
    fn clear(&mut self, start: usize, end: usize) {
        let (left_before, left_after) = (self.bits.before(start), self.bits.get(end));
        assert!(self.bits.clear(start, end), "part of {start}..{end} of the bitmap is taken already");
        self.steps += ((end - 1) / 64 - start / 64 + 1) as u64;
        self.free_blocks -= (end - start) as u64;
        self.free_runs = self.free_runs + u64::from(left_before) + u64::from(left_after) - 1;
    }
    /// The shortest run of the leaf that has `blocks` blocks or more, counted to the end of the next leaf.
    pub(crate) fn tightest(&mut self, leaf: usize, blocks: usize) -> Option<Span> {
        self.look(leaf, blocks).0
    }
    /// A run of the leaf's highest level.
    pub(crate) fn longest_span(&mut self, leaf: usize) -> Option<Span> {
        self.look(leaf, shortest_of(self.tops.level(leaf))).0
    }
    /// The tightest run for `blocks`, and the longest of the others.
    fn look(&mut self, leaf: usize, blocks: usize) -> (Option<Span>, usize) {
        self.steps += STEPS_A_LEAF;
        let (mut best, mut best_blocks, mut others) = (0, usize::MAX, 0);
        self.bits.runs(leaf, |start, length| {
            if length >= blocks && length < best_blocks {
                others = others.max(if best_blocks == usize::MAX { 0 } else { best_blocks });
                (best, best_blocks) = (start, length);
            } else {
                others = others.max(length);
            }
        });
        let span = Span { start: leaf * LEAF_BLOCKS + best, blocks: best_blocks };
        ((best_blocks != usize::MAX).then_some(span), others)
    }
    /// Take the first `blocks` blocks (at most [`LONG_BLOCKS`]) of the leaf's tightest run for them. Returns their start.
    pub(crate) fn take(&mut self, leaf: usize, blocks: usize) -> Option<usize> {
        let (run, others) = self.look(leaf, blocks);
        let run = run?;
        let end = run.start + blocks;
        let leaf_end = (leaf + 1) * LEAF_BLOCKS;
        self.clear(run.start, end);
        if self.tops.level(leaf) >= level_of(LEAF_BLOCKS) {
            self.full.set(leaf, false);
        }
        if run.blocks > blocks {
            self.note(run.blocks - blocks, end);
        }
        if end < leaf_end {
            self.set_longest(leaf, others.max(run.blocks - blocks));
        } else {
            self.set_longest(leaf, others);
            let last = (end / LEAF_BLOCKS).min(self.count() - 1);
            (leaf + 1..=last).for_each(|leaf| self.refresh(leaf));
        }
        Some(run.start)
    }
    /// Take a run of exactly `blocks` that was seen lately. Returns its start.
    pub(crate) fn take_recent(&mut self, blocks: usize) -> Option<usize> {
        for _ in 0..RECENT_TRIES {
            let start = self.recent.as_mut()?.take(blocks)?;
            let end = start + blocks;
            self.steps += 1;
            if self.bits.before(start) || self.bits.get(end) || self.bits.ones_end(start, end) != end {
                continue;
            }
            self.clear(start, end);
            let leaf = start / LEAF_BLOCKS;
            if self.tops.level(leaf) <= level_of(blocks) {
                self.refresh(leaf);
            }
            let last = (end / LEAF_BLOCKS).min(self.tops.count() - 1);
            (leaf + 1..=last).for_each(|leaf| self.refresh(leaf));
            return Some(start);
        }
        None
    }
    /// The run that starts in a leaf of the last level and leaves it, as far as `blocks` blocks, or to its end.
    pub(crate) fn long_run(&mut self, leaf: usize, blocks: usize) -> Span {
        let leaf_end = (leaf + 1) * LEAF_BLOCKS;
        let start = self.bits.ones_start(leaf_end, leaf * LEAF_BLOCKS);
        Span { start, blocks: self.run_end(leaf_end, start.saturating_add(blocks)) - start }
    }
    /// Where the run at `from`, the start of a leaf, ends; stops looking once it is at `enough` or beyond.
    fn run_end(&mut self, from: usize, enough: usize) -> usize {
        let mut at = from;
        while at < enough {
            let leaves = self.full.stretch(at / LEAF_BLOCKS);
            self.steps += leaves as u64 / 64 + 1;
            at += leaves * LEAF_BLOCKS;
            if leaves == 0 {
                return self.bits.ones_end(at, at + LEAF_BLOCKS);
            }
        }
        at
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.bits.memory_bytes()
            + self.full.memory_bytes()
            + self.tops.memory_bytes()
            + self.recent.as_ref().map_or(0, Recent::memory_bytes)
    }
}

/// Words of a leaf and of its window.
pub(crate) const STEPS_A_LEAF: u64 = (WINDOW_BLOCKS / 64) as u64;
const _: () = assert!(LONG_BLOCKS == LEAF_BLOCKS + 1);
/// Stale places of one request before it is searched for.
const RECENT_TRIES: usize = 6;

#[cfg(test)]
mod tests;
