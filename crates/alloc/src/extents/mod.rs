//! A set of free runs, by address and by size, for the allocators that keep extents.
//!
//! Invariant: runs are maximal and disjoint; the order by size (I6: the same runs as a multiset) follows every change.
//! It answers "the smallest run that fits", "the first that fits from here" and "the largest"; which of them is asked,
//! and from where, is the policy of the index that owns the set. Knows no pages, no epochs and no cursors.
//!
//! ```text
//!      by address                                    by size
//!   region 0  [p3+1 p90+5 p400+12]            1  {0, 2, 7}       regions where a run of 1 block starts
//!   region 1  []                              2  {2}
//!   region 2  [p32800+1 p33000+2 ...]         5  {0}
//!      ...     a sorted list of u32          ...  sorted list or bit set of regions
//! ```
//!
//! The two share no pointers: the second names only the *region*, so a change of one run touches one short list and at
//! most three small sets, and nothing is rebalanced.

mod levels;
mod regions;
mod sizes;
#[cfg(test)]
mod tests;

use crate::Want;
use regions::{Found, Regions};
use sizes::Sizes;
use spinney_core::{Extent, Flow, Pba};

/// The most blocks that a universe may have (4 PiB).
pub const UNIVERSE_BLOCKS_MAX: u64 = (1 << 40) - 1;

/// The set.
#[derive(Clone, Debug)]
pub struct ExtentSet {
    universe: Extent,
    regions: Regions,
    sizes: Sizes,
    blocks: u64,
    runs: u64,
    steps: u64,
}

/// How far a search by address may go: it stops behind whichever bound is reached *last*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Blocks from the first run looked at.
    pub blocks: u64,
    /// Runs looked at.
    pub runs: u64,
}

impl Default for ExtentSet {
    fn default() -> ExtentSet {
        ExtentSet::new(Extent { start: Pba(0), blocks: 0 })
    }
}

impl ExtentSet {
    /// The empty set inside `universe`, which has at most [`UNIVERSE_BLOCKS_MAX`] blocks (asserted).
    #[must_use]
    pub fn new(universe: Extent) -> ExtentSet {
        assert!(universe.blocks <= UNIVERSE_BLOCKS_MAX, "{universe:?} is more than an extent set holds");
        let regions = Regions::new(universe.blocks);
        let sizes = Sizes::new(regions.levels());
        ExtentSet { universe, regions, sizes, blocks: 0, runs: 0, steps: 0 }
    }
    /// Where all runs lie.
    #[must_use]
    pub fn universe(&self) -> Extent {
        self.universe
    }
    /// Blocks in the set.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }
    /// Runs in the set.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }
    /// Region lists, size sets and runs looked at so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
    /// Bytes held, reckoned from the structures.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        size_of::<ExtentSet>() as u64 + self.regions.bytes() + self.sizes.bytes()
    }
    /// Blocks of the longest run, 0 if there is none.
    #[must_use]
    pub fn longest_blocks(&self) -> u64 {
        self.sizes.largest().unwrap_or(0)
    }

    /// The longest run, the first if several are as long.
    #[must_use]
    pub fn longest_run(&mut self) -> Option<Extent> {
        let found = self.longest()?;
        Some(self.extent(&found))
    }
    /// The smallest run of at least `blocks` blocks, the first if several are as small.
    #[must_use]
    pub fn smallest_run(&mut self, blocks: u64) -> Option<Extent> {
        let found = self.smallest(blocks, None)?;
        Some(self.extent(&found))
    }

    /// Add a run; none of it may be in the set (asserted, in release builds too: it is a double free).
    pub fn insert(&mut self, run: Extent) {
        assert!(
            self.try_insert(run),
            "{run:?} is free already, or part of it, or outside {:?}",
            self.universe
        );
    }

    /// Add a run that may be anything; `false`, and nothing changed, if part of it is in the set or outside the universe.
    pub fn try_insert(&mut self, run: Extent) -> bool {
        if !self.universe.contains(run) {
            return false;
        }
        let (start, end) = (run.start.0 - self.universe.start.0, run.end().0 - self.universe.start.0);
        let before = self.regions.at_or_before(start);
        let after = self.regions.follower(start, before.as_ref(), end);
        self.steps += 1;
        let clear = before.is_none_or(|run| run.end() <= start) && after.is_none_or(|run| run.start >= end);
        if !clear {
            return false;
        }
        self.blocks += run.blocks;
        match (before.filter(|run| run.end() == start), after) {
            (None, None) => self.add(start, run.blocks),
            (Some(before), None) => self.resize(&before, before.start, before.blocks + run.blocks),
            (None, Some(after)) => self.resize(&after, start, run.blocks + after.blocks),
            (Some(before), Some(after)) => {
                self.drop_run(&after);
                self.resize(&before, before.start, before.blocks + run.blocks + after.blocks);
            }
        }
        true
    }

    /// Take blocks out; all of them must be in the set (asserted).
    pub fn remove(&mut self, run: Extent) {
        assert!(self.try_remove(run), "{run:?} is not all free");
    }

    /// Take out blocks that may be anything; `false`, and nothing changed, if not all of them are in the set.
    pub fn try_remove(&mut self, run: Extent) -> bool {
        self.steps += 1;
        let found = self.holder(run);
        if let Some(found) = found {
            self.carve(&found, run);
        }
        found.is_some()
    }

    /// Whether every block of `run` is in the set.
    #[must_use]
    pub fn contains(&self, run: Extent) -> bool {
        self.holder(run).is_some()
    }

    fn holder(&self, run: Extent) -> Option<Found> {
        let run = Some(run).filter(|run| self.universe.contains(*run))?;
        let (start, end) = (run.start.0 - self.universe.start.0, run.end().0 - self.universe.start.0);
        self.regions.at_or_before(start).filter(|found| found.end() >= end)
    }

    fn extent(&self, found: &Found) -> Extent {
        Extent { start: Pba(self.universe.start.0 + found.start), blocks: found.blocks }
    }

    /// Maximal runs that touch `within`, clipped to it, in address order.
    pub fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe) else { return };
        let from = within.start.0 - self.universe.start.0;
        let mut next = self.regions.at_or_before(from).filter(|run| run.end() > from);
        next = next.or_else(|| self.regions.at_or_after(from));
        while let Some(found) = next {
            let Some(part) = self.extent(&found).intersect(within) else { return };
            if each(part) == Flow::Stop {
                return;
            }
            next = self.regions.after(&found);
        }
    }

    /// Best fit: take `want.blocks_max` blocks from the smallest run that holds them, at the lowest address among equals
    /// (with `want.near`, at the first address among equals from there on). No such run: take the longest one, whole.
    ///
    /// With an alignment, the smallest run is tried, then the smallest that is sure to hold an aligned piece; if there is
    /// none, runs are walked from the longest down for the longest aligned piece.
    pub fn take_best(&mut self, want: &Want) -> Option<Extent> {
        let blocks = want.blocks_max.min(self.universe.blocks).max(want.blocks_min);
        let found = match self.smallest(blocks, want.near) {
            Some(found) => Some(found),
            None => self.longest().filter(|found| found.blocks >= want.blocks_min),
        }?;
        if want.align == 1 {
            let piece = Extent { start: self.extent(&found).start, blocks: blocks.min(found.blocks) };
            self.carve(&found, piece);
            return Some(piece);
        }
        self.take_aligned(&Want { blocks_max: blocks, ..*want }, found)
    }

    fn take_aligned(&mut self, want: &Want, first: Found) -> Option<Extent> {
        let full = |piece: &Extent| piece.blocks == want.blocks_max;
        let mut choice = want.fit(self.extent(&first)).filter(full).map(|piece| (first, piece));
        if choice.is_none() {
            let sure = want.blocks_max.saturating_add(want.align - 1);
            let found = self.smallest(sure, want.near);
            choice = found.and_then(|found| Some((found, want.fit(self.extent(&found))?)));
        }
        let (found, piece) = choice.or_else(|| self.longest_aligned(want))?;
        self.carve(&found, piece);
        Some(piece)
    }

    /// The longest piece that `want` can have, from the longest run down; the first one if several are as long.
    fn longest_aligned(&mut self, want: &Want) -> Option<(Found, Extent)> {
        let (mut best, mut enough): (Option<(Found, Extent)>, _) = (None, want.blocks_min);
        let mut size = self.sizes.largest();
        while let Some(blocks) = size.filter(|blocks| *blocks >= enough) {
            let mut next = self.first_of(blocks, 0);
            while let Some(found) = next {
                self.steps += 1;
                match want.fit(self.extent(&found)) {
                    Some(piece) if best.is_none_or(|(_, best)| piece.blocks > best.blocks) => {
                        best = Some((found, piece));
                        enough = piece.blocks + 1;
                        if piece.blocks == want.blocks_max {
                            return best;
                        }
                    }
                    _ => {}
                }
                next = self.next_of(&found);
            }
            size = self.sizes.below(blocks);
        }
        best
    }

    /// The first run of exactly `blocks` blocks in a region from `region` on.
    fn first_of(&self, blocks: u64, region: u32) -> Option<Found> {
        let region = self.sizes.region_from(blocks, region)?;
        self.regions.find(region, 0, blocks)
    }

    /// The next run of the same size.
    fn next_of(&self, found: &Found) -> Option<Found> {
        let here = self.regions.find(found.region, found.place + 1, found.blocks);
        here.or_else(|| self.first_of(found.blocks, found.region + 1))
    }

    /// The smallest run of at least `blocks` blocks; among equals the first from `near` on, else the first.
    fn smallest(&mut self, blocks: u64, near: Option<Pba>) -> Option<Found> {
        self.steps += 2;
        let size = self.sizes.at_least(blocks)?;
        let near = near.and_then(|near| near.0.checked_sub(self.universe.start.0));
        let near = near.filter(|near| *near < self.universe.blocks);
        let found = near.and_then(|near| self.first_at(size, near));
        found.or_else(|| self.first_of(size, 0))
    }

    /// The first run of exactly `blocks` blocks that starts at or after `at`.
    fn first_at(&self, blocks: u64, at: u64) -> Option<Found> {
        let mut found = self.first_of(blocks, self.regions.region(at))?;
        while found.start < at {
            found = self.next_of(&found)?;
        }
        Some(found)
    }

    /// The longest run, the first if several are as long.
    fn longest(&mut self) -> Option<Found> {
        self.steps += 2;
        self.first_of(self.sizes.largest()?, 0)
    }

    /// Fit by address: take what `want` can have in full from the first run that holds it, from the run at or after
    /// `from` on, looking no further than `reach`.
    pub fn take_first(&mut self, want: &Want, from: Pba, reach: Reach) -> Option<Extent> {
        let from = from.0.saturating_sub(self.universe.start.0).min(self.universe.blocks);
        let before = self.regions.at_or_before(from).filter(|run| run.end() > from);
        let first = before.or_else(|| self.regions.at_or_after(from))?;
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let (mut at, mut seen) = (Some((first.region, first.place)), 0);
        while let Some((region, place)) = at {
            self.steps += 1;
            let hit = self.regions.find_at_least(region, place, whole.blocks_max);
            let last = hit.or_else(|| self.regions.last(region))?;
            seen += (last.place + 1 - place) as u64;
            if last.start - first.start > reach.blocks && seen > reach.runs {
                return None;
            }
            if let Some((found, piece)) = hit.and_then(|found| Some((found, whole.fit(self.extent(&found))?)))
            {
                self.carve(&found, piece);
                return Some(piece);
            }
            at = match hit {
                Some(found) => Some((region, found.place + 1)),
                None => self.regions.occupied_from(region + 1).map(|region| (region, 0)),
            };
        }
        None
    }

    /// Take `piece` out of the run that holds it.
    fn carve(&mut self, found: &Found, piece: Extent) {
        let start = piece.start.0 - self.universe.start.0;
        let (head, tail) = (start - found.start, found.end() - start - piece.blocks);
        self.blocks -= piece.blocks;
        match (head, tail) {
            (0, 0) => self.drop_run(found),
            (0, _) => self.resize(found, start + piece.blocks, tail),
            (_, 0) => self.resize(found, found.start, head),
            _ => {
                self.resize(found, found.start, head);
                self.add(start + piece.blocks, tail);
            }
        }
    }

    fn add(&mut self, start: u64, blocks: u64) {
        self.runs += 1;
        self.regions.insert(start, blocks);
        self.sizes.insert(blocks, self.regions.region(start));
    }

    fn drop_run(&mut self, found: &Found) {
        self.runs -= 1;
        self.regions.remove(found);
        self.forget_size(found);
    }

    fn resize(&mut self, found: &Found, start: u64, blocks: u64) {
        self.regions.replace(found, start, blocks);
        self.forget_size(found);
        self.sizes.insert(blocks, self.regions.region(start));
    }

    /// The region has one run fewer of this size.
    fn forget_size(&mut self, found: &Found) {
        if self.regions.find(found.region, 0, found.blocks).is_none() {
            self.sizes.remove(found.blocks, found.region);
        }
    }
}
