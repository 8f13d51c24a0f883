//! The blocks in a disk's write cache that are not on the platter yet, as runs.
//!
//! Invariant: runs neither touch nor overlap, and `blocks` is their sum. Knows no time and no head.

use spinney_core::{Extent, Pba};
use std::collections::BTreeMap;

#[derive(Default)]
pub(super) struct Dirty {
    /// Length by start.
    runs: BTreeMap<u64, u64>,
    blocks: u64,
}

impl Dirty {
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }
    pub(super) fn is_empty(&self) -> bool {
        self.blocks == 0
    }
    /// Add a run, merged with what it touches; blocks that are there already are overwritten and cost nothing more.
    pub(super) fn insert(&mut self, run: Extent) {
        let (mut start, mut end) = (run.start.0, run.end().0);
        while let Some((&other, &length)) = self.runs.range(..=end).next_back() {
            if other + length < start {
                break;
            }
            self.runs.remove(&other);
            self.blocks -= length;
            (start, end) = (start.min(other), end.max(other + length));
        }
        self.runs.insert(start, end - start);
        self.blocks += end - start;
    }
    /// Whether all of `run` is here, so that a read of it needs no platter.
    pub(super) fn covers(&self, run: Extent) -> bool {
        let before = self.runs.range(..=run.start.0).next_back();
        before.is_some_and(|(start, length)| start + length >= run.end().0)
    }
    /// Take out the next run for a head at `head` that sweeps upward and then returns to the lowest, at most `limit` blocks of it.
    pub(super) fn take(&mut self, head: u64, limit: u64) -> Option<Extent> {
        let next = self.runs.range(head..).next().or_else(|| self.runs.iter().next());
        let (&start, &length) = next?;
        let taken = length.min(limit);
        self.runs.remove(&start);
        if taken < length {
            self.runs.insert(start + taken, length - taken);
        }
        self.blocks -= taken;
        Some(Extent::new(Pba(start), taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeSet;

    fn run(start: u64, blocks: u64) -> Extent {
        Extent::new(Pba(start), blocks)
    }

    #[test]
    fn agrees_with_a_set_of_blocks() {
        for seed in 0..50 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let (mut dirty, mut model) = (Dirty::default(), BTreeSet::new());
            for step in 0..200 {
                let piece = run(rng.random_range(0..100), rng.random_range(1..12));
                if rng.random_ratio(2, 3) {
                    dirty.insert(piece);
                    model.extend(piece.iter());
                } else if let Some(taken) = dirty.take(piece.start.0, piece.blocks) {
                    assert!(taken.iter().all(|at| model.remove(&at)), "seed {seed}, step {step}");
                }
                assert_eq!(dirty.blocks(), model.len() as u64, "seed {seed}, step {step}");
                let covered = piece.iter().all(|at| model.contains(&at));
                assert_eq!(dirty.covers(piece), covered, "seed {seed}, step {step}: {piece:?}");
            }
        }
    }

    #[test]
    fn is_taken_in_elevator_order() {
        let mut dirty = Dirty::default();
        [40, 10, 30, 20].iter().for_each(|&start| dirty.insert(run(start, 2)));
        let order: Vec<u64> =
            [25, 32, 42, 12].iter().map(|&head| dirty.take(head, 9).unwrap().start.0).collect();
        assert_eq!(order, [30, 40, 10, 20]);
        assert!(dirty.take(0, 9).is_none());
    }
}
