//! Which run a request is served from: by size (best fit) or by address (first fit from a place on).
//!
//! Invariant: an answer is taken out of the set before it is returned; `None` changes nothing. Searches by size name the
//! lowest address among equals; those by address stop at their reach. Knows no cursors.

use super::ExtentSet;
use super::regions::Found;
use crate::Want;
use spinney_core::{Extent, Pba};

/// How far a search by address may go: it stops behind whichever bound is reached *last*.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Blocks from the first run looked at.
    pub blocks: u64,
    /// Runs looked at.
    pub runs: u64,
}

impl ExtentSet {
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

    /// Whether there is a run of at least `blocks` blocks.
    #[must_use]
    pub fn has_run(&self, blocks: u64) -> bool {
        blocks <= self.longest_blocks()
    }

    /// Best fit: take `want.blocks_max` blocks from the smallest run that holds them, at the lowest address among equals
    /// (with `want.near`, at the first address among equals from there on). No such run: take the longest one, whole.
    ///
    /// With an alignment, the smallest run is tried, then the smallest that is sure to hold an aligned piece; if there is
    /// none, runs are walked from the longest down for the longest aligned piece.
    pub fn take_best(&mut self, want: &Want) -> Option<Extent> {
        if !self.has_run(want.blocks_min) {
            return None;
        }
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
        self.sizes.settle();
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
        best.or_else(|| self.unsized_aligned(want))
    }

    /// The first run of exactly `blocks` blocks in a region from `region` on.
    pub(super) fn first_of(&self, blocks: u64, region: u32) -> Option<Found> {
        let region = self.sizes.region_from(blocks, region)?;
        self.regions.find(region, 0, blocks)
    }

    /// The next run of the same size.
    pub(super) fn next_of(&self, found: &Found) -> Option<Found> {
        let here = self.regions.find(found.region, found.place + 1, found.blocks);
        here.or_else(|| self.first_of(found.blocks, found.region + 1))
    }

    /// The smallest run of at least `blocks` blocks; among equals the first from `near` on, else the first.
    fn smallest(&mut self, blocks: u64, near: Option<Pba>) -> Option<Found> {
        self.steps += 2;
        self.sizes.settle();
        let Some(size) = self.sizes.at_least(blocks.max(self.sized_blocks_min)) else {
            return self.first_unsized(blocks);
        };
        let near = near.and_then(|near| near.0.checked_sub(self.universe.start.0));
        let near = near.filter(|near| *near < self.universe.blocks);
        let found = near.and_then(|near| self.first_at(size, near));
        found.or_else(|| self.first_of(size, 0))
    }

    /// The first run of exactly `blocks` blocks that starts at or after `at`.
    pub(super) fn first_at(&self, blocks: u64, at: u64) -> Option<Found> {
        let mut found = self.first_of(blocks, self.regions.region(at))?;
        while found.start < at {
            found = self.next_of(&found)?;
        }
        Some(found)
    }

    /// The longest run, the first if several are as long.
    fn longest(&mut self) -> Option<Found> {
        self.steps += 2;
        self.sizes.settle();
        match self.sizes.largest() {
            Some(blocks) => self.first_of(blocks, 0),
            None => self.first_unsized(self.longest_blocks()),
        }
    }

    /// While no run is in the order by size: the first of at least `blocks` blocks, by address.
    fn first_unsized(&self, blocks: u64) -> Option<Found> {
        let blocks = Some(blocks).filter(|blocks| *blocks < self.sized_blocks_min)?.max(1);
        self.regions.find_at_least(self.regions.reaching_from(0, blocks)?, 0, blocks)
    }

    /// The first piece by address that `want` can have of runs that are in no order by size, at least its least.
    fn unsized_aligned(&mut self, want: &Want) -> Option<(Found, Extent)> {
        let least = Some(want.blocks_min).filter(|least| *least < self.sized_blocks_min)?;
        let mut at = (self.regions.reaching_from(0, least)?, 0);
        loop {
            self.steps += 1;
            at = match self.regions.find_at_least(at.0, at.1, least) {
                Some(found) => match want.fit(self.extent(&found)) {
                    Some(piece) => return Some((found, piece)),
                    None => (found.region, found.place + 1),
                },
                None => (self.regions.reaching_from(at.0 + 1, least)?, 0),
            };
        }
    }

    /// Fit by address: take what `want` can have in full from the first run that holds it, from the run at or after
    /// `from` on, looking no further than `reach`.
    pub fn take_first(&mut self, want: &Want, from: Pba, reach: Reach) -> Option<Extent> {
        let from = from.0.saturating_sub(self.universe.start.0).min(self.universe.blocks);
        let first = self.touching_or_after(from)?;
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let (mut at, mut seen) = (Some((first.region, first.place)), 0);
        while let Some((region, place)) = at {
            self.steps += 1;
            let hit = self.regions.find_at_least(region, place, whole.blocks_max);
            let passed = self.regions.count_between(region, place, hit.map(|hit| hit.place)) as u64;
            (seen, self.passed) = (seen + passed, self.passed + passed);
            if seen > reach.runs && self.beyond(first.start, reach.blocks, region, hit) {
                return None;
            }
            let fit = |run: Extent| match want.align {
                1 => Some(Extent { blocks: whole.blocks_max, ..run }), // spares a division
                _ => whole.fit(run),
            };
            if let Some((found, piece)) = hit.and_then(|found| Some((found, fit(self.extent(&found))?))) {
                self.carve(&found, piece);
                return Some(piece);
            }
            at = match hit {
                Some(found) => Some((region, found.place + 1)),
                None => self.next_region(region + 1, whole.blocks_max, reach).map(|region| (region, 0)),
            };
        }
        None
    }

    /// Whether the last run looked at, `hit` or else the region's last one, is more than `blocks` from `first`.
    pub(super) fn beyond(&self, first: u64, blocks: u64, region: u32, hit: Option<Found>) -> bool {
        // Most often the region's start tells, and the list may stay where it is.
        self.regions.start(region).saturating_sub(first) > blocks
            || hit.or_else(|| self.regions.last(region)).is_some_and(|last| last.start - first > blocks)
    }

    /// Where a walk goes on: if no run is too far, straight to a region with one that is long enough.
    fn next_region(&self, region: u32, blocks: u64, reach: Reach) -> Option<u32> {
        if reach.runs == u64::MAX {
            return self.regions.reaching_from(region, blocks);
        }
        self.regions.occupied_from(region)
    }
}
