//! BlueStore's `avl`: ZFS's dynamic fit with a walk that is bounded twice and goes round.
//!
//! Invariant: a cursor moves on after a walk in vain too (P1), unless it is told to stay. Knows no bitmap.

use crate::{Policy, Spill};
use spinney_alloc::extents::{Reach, Walk};
use spinney_alloc::{ExtentSet, Want};
use spinney_core::{Extent, Pba};

/// Alignments of a size: one cursor each.
const CURSORS: usize = 64;

/// What a walk in vain does to its cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnMiss {
    /// It goes to where the walk stopped.
    #[default]
    Advance,
    /// It stays: the fault of the first version with bounds.
    Stay,
}

/// The numbers. See the parameters of the same names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AvlTuning {
    /// A walk looks no further, in blocks.
    pub walk_blocks_max: u64,
    /// A walk looks at no more runs.
    pub walk_runs_max: u64,
    /// While the longest run is shorter, best fit.
    pub run_blocks_min: u64,
    /// While less of the universe is free, best fit.
    pub free_percent_min: u64,
    /// What a walk in vain leaves.
    pub on_miss: OnMiss,
}

impl Default for AvlTuning {
    /// Ceph's, in blocks of 4 KiB: 16 MiB, 100 runs, 128 KiB, 4 %.
    fn default() -> AvlTuning {
        AvlTuning {
            walk_blocks_max: 4096,
            walk_runs_max: 100,
            run_blocks_min: 32,
            free_percent_min: 4,
            on_miss: OnMiss::Advance,
        }
    }
}

/// The policy.
#[derive(Clone, Debug)]
pub struct Avl {
    tuning: AvlTuning,
    cursors: [Pba; CURSORS],
}

impl Default for Avl {
    fn default() -> Avl {
        Avl::new(AvlTuning::default())
    }
}

impl Avl {
    /// The policy with these numbers.
    #[must_use]
    pub fn new(tuning: AvlTuning) -> Avl {
        Avl { tuning, cursors: [Pba(0); CURSORS] }
    }
    fn plenty(&self, tree: &ExtentSet, want: &Want) -> bool {
        let (free, all) = (u128::from(tree.blocks()), u128::from(tree.universe().blocks));
        tree.has_run(want.blocks_max.max(self.tuning.run_blocks_min))
            && free * 100 >= all * u128::from(self.tuning.free_percent_min)
    }
    /// First fit from the cursor on, around the end once.
    fn walk(&mut self, tree: &mut ExtentSet, want: &Want) -> Option<Extent> {
        let reach = Reach { blocks: self.tuning.walk_blocks_max, runs: self.tuning.walk_runs_max };
        let cursor = &mut self.cursors[want.blocks_max.trailing_zeros() as usize];
        let mut walk = tree.take_within(want, *cursor, reach);
        if walk == Walk::Ended && *cursor > tree.universe().start {
            walk = tree.take_within(want, tree.universe().start, reach);
        }
        match walk {
            Walk::Took(run) => {
                *cursor = run.end();
                return Some(run);
            }
            Walk::Stopped(at) if self.tuning.on_miss == OnMiss::Advance => *cursor = at,
            Walk::Stopped(_) | Walk::Ended => {}
        }
        None
    }
}

impl Policy for Avl {
    fn tree(&self, universe: Extent) -> ExtentSet {
        ExtentSet::crowded(universe)
    }
    fn reset(&mut self, universe: Extent) {
        self.cursors = [universe.start; CURSORS];
    }
    fn pick(&mut self, tree: &mut ExtentSet, _: &mut Spill, want: &Want, misses: &mut u64) -> Option<Extent> {
        let want = Want { near: None, ..*want };
        let walked = if self.plenty(tree, &want) { self.walk(tree, &want) } else { None };
        walked.or_else(|| {
            *misses += 1;
            tree.take_best(&want)
        })
    }
}
