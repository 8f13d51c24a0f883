//! How [`BitmapIndex`] chooses a run: an exact fit seen lately, else the tightest of some leaves, else what the tops prove.
//!
//! Invariant: if a run fits, one is found: the tops tell of every leaf whether its longest run reaches a level, and where the
//! level does not decide, the leaf is looked at. Nothing is taken here but by `quick` and `careful`.

use crate::bits::LEAF_BLOCKS;
use crate::index::{BitmapIndex, Fit, STREAMS};
use crate::leaves::{STEPS_A_LEAF, Span};
use crate::level::{LONG_BLOCKS, LONG_LEVEL, level_of, shortest_of};
use crate::tops::FAN;
use spinney_alloc::Want;
use spinney_core::Extent;

/// A run that is longer than wanted by one part in so many ends the search for a tighter one.
const TIGHT: u8 = 16;
/// Leaves whose level does not tell that are looked at before one that surely serves.
const TRIES: usize = 4;
/// Long runs that are measured when none gives all that is wanted.
const LONG_RUNS_MAX: usize = 16;

impl BitmapIndex {
    /// Where the search begins: the wish, or the stream's last place, or the start.
    fn hint(&self, want: &Want) -> Option<usize> {
        let near = want.near.filter(|at| (self.universe.start..self.universe.end()).contains(at));
        match (near, self.fit) {
            (Some(at), _) => Some((at.0 - self.base) as usize),
            (None, Fit::Next | Fit::Near) => Some(self.cursors[want.stream as usize % STREAMS]),
            (None, _) => None,
        }
    }
    /// What `want` would take of the run, if the run gives it at least `blocks`.
    fn fit(&self, want: &Want, blocks: u64, run: Span) -> Option<Extent> {
        Want { blocks_min: blocks, ..*want }.fit(self.extent(run))
    }
    /// At the hint itself, or in the leaves from there on.
    fn near(&mut self, want: &Want, blocks: u64, needed: usize, hint: usize) -> Option<Extent> {
        if hint >= self.end() {
            return None;
        }
        if self.leaves.bits.get(hint) {
            let end = self.leaves.bits.ones_end(hint, self.end().min(hint.saturating_add(needed)));
            let run = Span { start: hint, blocks: end - hint };
            if let Some(run) = self.fit(want, blocks, run) {
                return Some(run);
            }
        }
        if needed > LONG_BLOCKS {
            return None;
        }
        if self.fit == Fit::Near {
            return self.closest(want, blocks, needed, hint);
        }
        let first = hint / LEAF_BLOCKS;
        let last = self.leaves.count().min(first.saturating_add(self.near_leaves));
        let leaf = (first..last).find(|leaf| self.leaves.holds(*leaf, needed))?;
        self.leaves.tightest(leaf, needed).and_then(|run| self.fit(want, blocks, run))
    }
    /// Of the first leaf behind the hint and the first before it that surely hold a run of `needed` blocks, the closer one's run
    /// that is closest.
    fn closest(&mut self, want: &Want, blocks: u64, needed: usize, hint: usize) -> Option<Extent> {
        let level = level_of(needed) + u8::from(shortest_of(level_of(needed)) < needed);
        let (tops, here) = (&self.leaves.tops, hint / LEAF_BLOCKS);
        let (after, before) = (tops.next(level, here), tops.previous(level, here));
        self.leaves.steps += 2 * tops.tiers();
        let mut best: Option<(usize, Span)> = None;
        for leaf in [after, before].into_iter().flatten() {
            self.leaves.steps += STEPS_A_LEAF;
            self.leaves.bits.runs(leaf, |start, length| {
                // Of a run that reaches over the hint or ends before it, the part that is closest to it.
                let (start, end) = (leaf * LEAF_BLOCKS + start, leaf * LEAF_BLOCKS + start + length);
                if length < needed {
                    return;
                }
                let start = hint.clamp(start, end - needed);
                let away = start.abs_diff(hint);
                if best.is_none_or(|(closest, _)| away < closest) {
                    best = Some((away, Span { start, blocks: needed }));
                }
            });
        }
        best.and_then(|(_, run)| self.fit(want, blocks, run))
    }
    /// A leaf with a run of `blocks` (at most [`LONG_BLOCKS`]), or proof that there is none.
    fn leaf_for(&mut self, blocks: usize, from: Option<usize>) -> Option<usize> {
        if blocks > self.leaves.bound {
            return None;
        }
        let leaf = if self.fit == Fit::Best { self.best_leaf(blocks, from) } else { None };
        let leaf = leaf.or_else(|| self.first_leaf(blocks, from.unwrap_or(0)));
        if leaf.is_none() {
            self.leaves.bound = blocks - 1;
        }
        leaf
    }
    /// Of the next few groups of leaves, the leaf whose longest run is the shortest that surely serves. The place moves on
    /// with each search, so that no part of the space is worn more than another.
    fn best_leaf(&mut self, blocks: usize, from: Option<usize>) -> Option<usize> {
        let level = level_of(blocks) + u8::from(shortest_of(level_of(blocks)) < blocks);
        let enough = level.saturating_add(level / TIGHT);
        let (groups, first) = (self.leaves.tops.groups(), from.map_or(self.group, |leaf| leaf / FAN));
        let (mut group, mut best) = (first, (u8::MAX, 0));
        for _ in 0..self.groups.min(groups) {
            self.leaves.steps += 1;
            if let Some(found) = self.leaves.tops.tightest(group, level) {
                best = best.min(found);
                if best.0 <= enough {
                    break;
                }
            }
            group = if group + 1 < groups { group + 1 } else { 0 };
        }
        self.group = group;
        (best.0 < u8::MAX).then_some(best.1)
    }
    /// The first leaf with a run of `blocks` from `from` on, or else the first one. A leaf whose level does not tell is looked
    /// at, but only a few, and more only if there is no other.
    fn first_leaf(&mut self, blocks: usize, from: usize) -> Option<usize> {
        let level = level_of(blocks);
        if shortest_of(level) == blocks {
            return self.reaching(level, from);
        }
        let mut at = from;
        for _ in 0..TRIES {
            let Some(leaf) = self.leaves.tops.next(level, at) else { break };
            if self.leaves.holds(leaf, blocks) {
                return Some(leaf);
            }
            at = leaf + 1;
        }
        self.reaching(level + 1, from).or_else(|| self.any_leaf(level, blocks))
    }
    fn reaching(&mut self, level: u8, from: usize) -> Option<usize> {
        self.leaves.steps += self.leaves.tops.tiers();
        let tops = &self.leaves.tops;
        tops.next(level, from).or_else(|| if from > 0 { tops.next(level, 0) } else { None })
    }
    /// Every leaf of the level is looked at: no run is of a higher one.
    fn any_leaf(&mut self, level: u8, blocks: usize) -> Option<usize> {
        self.fallbacks += 1;
        let mut at = 0;
        while let Some(leaf) = self.leaves.tops.next(level, at) {
            self.leaves.steps += 1;
            if self.leaves.holds(leaf, blocks) {
                return Some(leaf);
            }
            at = leaf + 1;
        }
        None
    }
    /// A run that gives at least `blocks` as `want` wishes, or proof that there is none.
    fn search(&mut self, want: &Want, blocks: u64, from: Option<usize>) -> Option<Extent> {
        let needed = blocks.checked_add(want.align - 1).and_then(|needed| usize::try_from(needed).ok());
        match needed {
            Some(needed) if needed <= LONG_BLOCKS => {
                if let Some(leaf) = self.leaf_for(needed, from) {
                    let run = self.leaves.tightest(leaf, needed)?;
                    return self.fit(want, blocks, run);
                }
            }
            _ => {
                if let Some(run) = self.long_run(want, blocks, from.unwrap_or(0)) {
                    return Some(run);
                }
            }
        }
        if want.align == 1 { None } else { self.aligned(want, blocks) }
    }
    /// The first long run that fits.
    fn long_run(&mut self, want: &Want, blocks: u64, from: usize) -> Option<Extent> {
        let enough = usize::try_from(want.blocks_max.saturating_add(want.align)).unwrap_or(usize::MAX);
        for (from, to) in [(from, self.leaves.count()), (0, from)] {
            let mut at = from;
            while let Some(leaf) = self.leaves.tops.next(LONG_LEVEL, at).filter(|leaf| *leaf < to) {
                let run = self.leaves.long_run(leaf, enough);
                if let Some(run) = self.fit(want, blocks, run) {
                    return Some(run);
                }
                at = leaf + 1;
            }
        }
        None
    }
    /// Every run that is long enough is looked at: only an awkward alignment comes here.
    fn aligned(&mut self, want: &Want, blocks: u64) -> Option<Extent> {
        self.fallbacks += 1;
        let level = level_of(usize::try_from(blocks).ok()?);
        let mut at = 0;
        while let Some(leaf) = self.leaves.tops.next(level, at) {
            self.leaves.steps += STEPS_A_LEAF;
            let mut found = None;
            self.leaves.bits.runs(leaf, |start, length| {
                let run = Span { start: leaf * LEAF_BLOCKS + start, blocks: length };
                found = found.or_else(|| self.fit(want, blocks, run));
            });
            if found.is_some() {
                return found;
            }
            at = leaf + 1;
        }
        self.long_run(want, blocks, 0)
    }
    /// No run gives all that is wanted: one of the longest, or any that gives the least.
    fn shorter(&mut self, want: &Want, from: Option<usize>) -> Option<Extent> {
        let highest = self.leaves.tops.highest();
        if highest == 0 {
            return None;
        }
        let leaf = self.reaching(highest, from.unwrap_or(0))?;
        let run =
            if highest == LONG_LEVEL { self.longest_of_long(leaf) } else { self.leaves.longest_span(leaf) };
        run.and_then(|run| self.fit(want, want.blocks_min, run))
            .or_else(|| self.search(want, want.blocks_min, from))
    }
    /// The longest of the first few long runs.
    fn longest_of_long(&mut self, from: usize) -> Option<Span> {
        let (mut best, mut at): (Option<Span>, usize) = (None, from);
        for _ in 0..LONG_RUNS_MAX {
            let Some(leaf) = self.leaves.tops.next(LONG_LEVEL, at) else { break };
            let run = self.leaves.long_run(leaf, usize::MAX);
            if best.is_none_or(|best| best.blocks < run.blocks) {
                best = Some(run);
            }
            at = leaf + 1;
        }
        best
    }
    /// The first run from position `from` on, cut there and at `end`, that `want` would take part of; gives up after
    /// `runs_max` runs. Takes nothing. Leaves in which no run of `blocks_min` starts are skipped by their levels.
    pub(crate) fn ahead(&mut self, want: &Want, from: usize, end: usize, runs_max: usize) -> Option<Extent> {
        let level = level_of(usize::try_from(want.blocks_min).unwrap_or(usize::MAX));
        let enough = usize::try_from(want.blocks_max.saturating_add(want.align - 1)).unwrap_or(usize::MAX);
        let (mut at, mut runs) = (from, 0);
        while at < end && runs < runs_max {
            self.leaves.steps += 1;
            let leaf_end = end.min((at / LEAF_BLOCKS + 1) * LEAF_BLOCKS);
            let Some(start) = self.leaves.bits.next_one(at, leaf_end) else {
                // What is free later is of a run that starts later.
                at = self.leaves.tops.next(level, leaf_end.div_ceil(LEAF_BLOCKS))? * LEAF_BLOCKS;
                continue;
            };
            let run_end = self.leaves.bits.ones_end(start, end.min(start.saturating_add(enough)));
            self.leaves.steps += ((run_end - start) / 64) as u64;
            let found = want.fit(self.extent(Span { start, blocks: run_end - start }));
            if found.is_some() {
                return found;
            }
            (at, runs) = (run_end, runs + 1);
        }
        None
    }
    /// The whole of `pick` for a request that has no wish but a length: the common case.
    pub(crate) fn quick(&mut self, blocks: usize) -> Option<Extent> {
        if let Some(start) = self.leaves.take_recent(blocks) {
            return Some(self.extent(Span { start, blocks }));
        }
        let leaf = self.leaf_for(blocks, None)?;
        let start = self.leaves.take(leaf, blocks)?;
        Some(self.extent(Span { start, blocks }))
    }
    /// The whole of `pick` for any request; `most` is what it wants, but no more than is free.
    pub(crate) fn careful(&mut self, want: &Want, most: u64) -> Option<Extent> {
        let hint = self.hint(want);
        let from = hint.map(|hint| hint / LEAF_BLOCKS);
        let needed = usize::try_from(most.saturating_add(want.align - 1)).unwrap_or(usize::MAX);
        let near = hint.and_then(|hint| self.near(want, most, needed, hint));
        let run = near
            .or_else(|| self.search(want, most, from))
            .or_else(|| if most > want.blocks_min { self.shorter(want, from) } else { None })?;
        let span = self.span(run);
        self.leaves.remove(span.start, span.end());
        self.cursors[want.stream as usize % STREAMS] = span.end();
        Some(run)
    }
}
