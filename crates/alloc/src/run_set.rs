//! A plain set of runs, for blocks that are on their way back.
//!
//! Invariant: runs are maximal and disjoint; blocks are counted. It exists to answer "was this released before?", which a queue
//! cannot; it chooses nothing, orders nothing and knows no epoch.

use alloc::collections::BTreeMap;
use spinney_core::{Extent, Pba};

/// Ends of runs by their starts.
#[derive(Clone, Debug, Default)]
pub struct RunSet {
    ends: BTreeMap<Pba, Pba>,
    blocks: u64,
}

impl RunSet {
    /// Blocks in the set.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Maximal runs in the set.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Every run, in address order.
    pub fn iter(&self) -> impl Iterator<Item = Extent> + '_ {
        self.ends.iter().map(|(start, end)| Extent::new(*start, end.0 - start.0))
    }

    /// The parts of runs that lie in `within`, in address order.
    pub fn within(&self, within: Extent) -> impl Iterator<Item = Extent> + '_ {
        let before = self.ends.range(..within.start).next_back();
        let touching = before.into_iter().chain(self.ends.range(within.start..within.end()));
        touching.filter_map(move |(start, end)| Extent::new(*start, end.0 - start.0).intersect(within))
    }

    /// Take the run that starts lowest out, at most `blocks_max` blocks of it.
    pub fn pop_first(&mut self, blocks_max: u64) -> Option<Extent> {
        let first = self.iter().next()?;
        let run = Extent { blocks: first.blocks.min(blocks_max), ..first };
        self.remove(run).then_some(run)
    }

    /// Add a run. Errors: the first block of it that is in the set; then nothing changed.
    pub fn insert(&mut self, run: Extent) -> Result<(), Pba> {
        let (mut start, mut end) = (run.start, run.end());
        let before = self.ends.range(..=start).next_back().map(|(start, end)| (*start, *end));
        let after = self.ends.range(start..).next().map(|(start, end)| (*start, *end));
        if before.is_some_and(|(_, before_end)| before_end > start) {
            return Err(start);
        }
        if let Some((at, _)) = after.filter(|(at, _)| *at < end) {
            return Err(at);
        }
        if let Some((before_start, _)) = before.filter(|(_, before_end)| *before_end == start) {
            start = before_start;
        }
        if let Some((at, after_end)) = after.filter(|(at, _)| *at == end) {
            self.ends.remove(&at);
            end = after_end;
        }
        self.ends.insert(start, end);
        self.blocks += run.blocks;
        Ok(())
    }

    /// Take a run out; `false`, and nothing changed, if not all of it is in the set.
    pub fn remove(&mut self, run: Extent) -> bool {
        let holder = self.ends.range(..=run.start).next_back().map(|(start, end)| (*start, *end));
        let Some((start, end)) = holder.filter(|(_, end)| *end >= run.end()) else { return false };
        self.ends.remove(&start);
        if start < run.start {
            self.ends.insert(start, run.start);
        }
        if run.end() < end {
            self.ends.insert(run.end(), end);
        }
        self.blocks -= run.blocks;
        true
    }

    /// Forget all.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.blocks = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn agrees_with_a_bit_a_block() {
        const BLOCKS: usize = 40;
        for seed in 1..200u64 {
            let (mut state, mut set, mut bits) = (seed, RunSet::default(), [false; BLOCKS]);
            let mut dice = |sides: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % sides
            };
            for step in 0..200 {
                let start = dice(BLOCKS as u64);
                let run = Extent::new(Pba(start), 1 + dice((BLOCKS as u64 - start).min(6)));
                let here = &mut bits[start as usize..run.end().0 as usize];
                let (add, any, all) = (dice(2) == 0, here.contains(&true), !here.contains(&false));
                let first = here.iter().position(|bit| *bit).map(|at| Pba(start + at as u64));
                let done = if add {
                    let added = set.insert(run);
                    assert_eq!(added.err(), first, "seed {seed} step {step}: {run:?}");
                    !any
                } else {
                    let removed = set.remove(run);
                    assert_eq!(removed, all, "seed {seed} step {step}: {run:?}");
                    all
                };
                if done {
                    here.fill(add);
                }
                let window = Extent::new(Pba(7), 21);
                let inside: Vec<usize> =
                    set.within(window).flat_map(Extent::iter).map(|at| at.0 as usize).collect();
                let right: Vec<usize> = (7..28).filter(|at| bits[*at]).collect();
                assert_eq!(inside, right, "seed {seed} step {step}");
                assert_eq!(set.blocks(), bits.iter().filter(|bit| **bit).count() as u64);
                assert_eq!(set.runs(), set.iter().count() as u64);
            }
        }
    }
}
