//! A walk by address that ends at whichever bound comes first, and tells where.
//!
//! Invariant: as for every search, what is answered is taken out, and else nothing changed. [`ExtentSet::take_first`] ends at the bound
//! that comes *last*: ZFS's rule, this is Ceph's.

use super::{ExtentSet, Reach};
use crate::Want;
use spinney_core::{Extent, Pba};

/// What a walk came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Walk {
    /// It took this.
    Took(Extent),
    /// A bound was reached. A next walk loses nothing by beginning here.
    Stopped(Pba),
    /// No run is left.
    Ended,
}

impl ExtentSet {
    /// Fit by address: take what `want` can have in full from the first run that holds it, from the run at or after `from` on,
    /// looking at no more runs than `reach.runs` and none that starts more than `reach.blocks` after the first.
    pub fn take_within(&mut self, want: &Want, from: Pba, reach: Reach) -> Walk {
        let from = from.0.saturating_sub(self.universe.start.0).min(self.universe.blocks);
        let Some(first) = self.touching_or_after(from) else { return Walk::Ended };
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let (mut at, mut seen) = (Some((first.region, first.place)), 0);
        while let Some((region, place)) = at {
            self.steps += 1;
            let hit = self.regions.find_at_least(region, place, whole.blocks_max);
            let passed = self.regions.count_between(region, place, hit.map(|hit| hit.place)) as u64;
            (seen, self.passed) = (seen + passed, self.passed + passed);
            if seen > reach.runs || self.beyond(first.start, reach.blocks, region, hit) {
                let stop =
                    hit.map(|hit| hit.start).or_else(|| self.regions.last(region).map(|last| last.end()));
                return Walk::Stopped(Pba(self.universe.start.0 + stop.unwrap_or(first.start)));
            }
            if let Some((found, piece)) = hit.and_then(|hit| Some((hit, whole.fit(self.extent(&hit))?))) {
                self.carve(&found, piece);
                return Walk::Took(piece);
            }
            at = match hit {
                Some(found) => Some((region, found.place + 1)),
                None => self.regions.occupied_from(region + 1).map(|region| (region, 0)),
            };
        }
        Walk::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, blocks: u64) -> Extent {
        Extent::new(Pba(start), blocks)
    }
    fn set(runs: &[(u64, u64)]) -> ExtentSet {
        let mut set = ExtentSet::new(run(0, 1 << 20));
        runs.iter().for_each(|(start, blocks)| set.insert(run(*start, *blocks)));
        set
    }

    #[test]
    fn a_walk_ends_at_the_bound_that_comes_first() {
        let runs = [(0, 2), (10, 2), (20, 2), (30, 2), (100_000, 9)];
        let walk = |from, blocks, runs_max| {
            set(&runs).take_within(&Want::exactly(5), Pba(from), Reach { blocks, runs: runs_max })
        };
        assert_eq!(walk(0, 1 << 20, 5), Walk::Took(run(100_000, 5)));
        assert_eq!(walk(0, 1 << 20, 4), Walk::Stopped(Pba(100_000)), "one run too many");
        assert_eq!(walk(0, 99_999, 100), Walk::Stopped(Pba(100_000)), "a block too far");
        assert_eq!(walk(0, 1 << 20, 2), Walk::Stopped(Pba(32)), "behind the runs of the first region");
        assert_eq!(walk(100_009, 1 << 20, 5), Walk::Ended);
    }

    /// Walks that go on where the last one stopped come to the run in the end (P1).
    #[test]
    fn walks_that_go_on_reach_what_one_does_not() {
        let mut set = ExtentSet::new(run(0, 1 << 20));
        (0..5_000).for_each(|at| set.insert(run(at * 200, 3)));
        set.insert(run(1_000_050, 50));
        let (mut from, mut walks) = (Pba(0), 0);
        let taken = loop {
            walks += 1;
            match set.take_within(&Want::exactly(40), from, Reach { blocks: 1 << 20, runs: 100 }) {
                Walk::Took(taken) => break taken,
                Walk::Stopped(at) => from = at,
                Walk::Ended => panic!("the run was passed"),
            }
        };
        assert_eq!(taken, run(1_000_050, 40));
        assert!((25..=60).contains(&walks), "{walks} walks");
        assert!((5_001..=6_000).contains(&set.passed()), "{} of 5,001 runs passed", set.passed());
    }
}
