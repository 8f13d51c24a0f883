//! The blocks that were released and are not free yet, as a set.
//!
//! Invariant: runs are maximal and disjoint. It exists to answer "was this released before?", which the queue of a reclaim
//! policy cannot; it orders nothing and knows no epoch.

use alloc::collections::BTreeMap;
use spinney_core::{Extent, Pba};

/// Ends of runs by their starts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deferred {
    ends: BTreeMap<Pba, Pba>,
}

impl Deferred {
    /// Add a run. Errors: the first block of it that is in the set; then nothing changed.
    pub(crate) fn insert(&mut self, run: Extent) -> Result<(), Pba> {
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
        Ok(())
    }

    /// Take a run out; `false`, and nothing changed, if not all of it is in the set.
    pub(crate) fn remove(&mut self, run: Extent) -> bool {
        let holder = self.ends.range(..=run.start).next_back().map(|(start, end)| (*start, *end));
        let Some((start, end)) = holder.filter(|(_, end)| *end >= run.end()) else { return false };
        self.ends.remove(&start);
        if start < run.start {
            self.ends.insert(start, run.start);
        }
        if run.end() < end {
            self.ends.insert(run.end(), end);
        }
        true
    }

    /// Forget all.
    pub(crate) fn clear(&mut self) {
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_bit_a_block() {
        const BLOCKS: usize = 40;
        for seed in 1..200u64 {
            let (mut state, mut set, mut bits) = (seed, Deferred::default(), [false; BLOCKS]);
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
            }
        }
    }
}
