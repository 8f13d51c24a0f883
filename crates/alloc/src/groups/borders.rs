//! Runs that cross a border between groups, for requests that no group serves alone.
//!
//! Invariant: what is answered is one free run of the whole set. A last resort, so it may look at every border; no system of
//! the field has it (their extents end where a group ends), but an index owes every request that some run satisfies.

use super::Grouped;
use crate::{FreeIndex, Want};
use spinney_core::{Extent, Flow, Pba};

impl Grouped {
    /// The first piece of full length from a run across borders, else the longest.
    pub(super) fn pick_across(&mut self, want: &Want) -> Option<Extent> {
        if self.totals.joined == 0 {
            return None;
        }
        self.own.fallbacks += 1;
        let (mut best, mut at): (Option<Extent>, _) = (None, 0);
        while let Some(first) = (at..self.joined.len()).find(|group| self.joined[*group]) {
            let (run, last) = self.crossing(first);
            let piece = want.fit(run).filter(|piece| best.is_none_or(|best| piece.blocks > best.blocks));
            best = piece.or(best);
            if best.is_some_and(|best| best.blocks == want.blocks_max) {
                break;
            }
            at = last;
        }
        let piece = best?;
        self.remove(piece);
        Some(piece)
    }

    /// The run that crosses the border behind `first`, and the group that it ends in.
    fn crossing(&mut self, first: usize) -> (Extent, usize) {
        let mut last = first + 1;
        while self.joined.get(last) == Some(&true) && self.groups[last].is_empty() {
            last += 1;
        }
        self.own.steps += (last - first) as u64;
        let start = self.tail(first);
        let end = self.groups[last].extent.start.0 + self.head(last);
        (Extent { start, blocks: end - start.0 }, last)
    }

    /// Where the free run that ends a group begins: the last block is free, so it is found by halving.
    fn tail(&mut self, group: usize) -> Pba {
        let (extent, index) = (self.groups[group].extent, &self.members[group].index);
        let (mut taken, mut free) = (0, extent.blocks - 1);
        while taken < free {
            self.own.steps += 1;
            let middle = (taken + free) / 2;
            let rest = Extent { start: Pba(extent.start.0 + middle), blocks: extent.blocks - middle };
            if index.is_free(rest) { free = middle } else { taken = middle + 1 }
        }
        Pba(extent.start.0 + free)
    }

    /// Blocks of the free run that begins a group.
    fn head(&mut self, group: usize) -> u64 {
        let mut blocks = 0;
        self.own.steps += 1;
        self.members[group].index.visit(self.groups[group].extent, &mut |run| {
            blocks = run.blocks;
            Flow::Stop
        });
        blocks
    }
}
