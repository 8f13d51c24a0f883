//! BlueStore's `btree2`: runs in 14 buckets by size, and a choice of bucket that keeps the long runs of a space that has few.
//!
//! Invariant: the tree is asked by size only; bucket k > 0 has the runs of 2^(k-1) < n <= 2^k blocks, the last one all that are longer
//! than 4096. Knows of the bitmap only that it counts as short runs, and that it is asked when the way down is at its end.

use crate::recent::{Recent, still_free};
use crate::{Policy, Spill};
use spinney_alloc::{ExtentSet, Want};
use spinney_core::Extent;

/// Runs that are longer share the last bucket: 16 MiB.
const BUCKET_BLOCKS_MAX: u64 = 4096;
/// The weight's center: up to here a run is short. 1 MiB.
const CENTER_BLOCKS: u64 = 256;

/// The numbers. See the parameters of the same names.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Btree2Tuning {
    /// How much more a block in a long run weighs than one in a short run.
    pub weight_factor: f64,
    /// Whether chunks that were freed lately are handed out first.
    pub recent: bool,
}

impl Default for Btree2Tuning {
    /// Ceph's.
    fn default() -> Btree2Tuning {
        Btree2Tuning { weight_factor: 2.0, recent: true }
    }
}

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Btree2 {
    tuning: Btree2Tuning,
    recent: Recent,
}

/// The shortest and the longest that a run in the bucket of this size can be.
fn bucket(blocks: u64) -> (u64, u64) {
    if blocks > BUCKET_BLOCKS_MAX {
        return (BUCKET_BLOCKS_MAX + 1, u64::MAX);
    }
    let most = blocks.next_power_of_two();
    (most / 2 + 1, most)
}

impl Btree2 {
    /// The policy with these numbers.
    #[must_use]
    pub fn new(tuning: Btree2Tuning) -> Btree2 {
        Btree2 { tuning, recent: Recent::default() }
    }
    /// Whether more is free in short runs than in long ones.
    fn is_left_heavy(&self, tree: &ExtentSet, spill: &Spill) -> bool {
        let left = tree.short_blocks() + spill.blocks();
        let right = tree.blocks() - tree.short_blocks();
        left as f64 > right as f64 * self.tuning.weight_factor
    }
    /// The size of the run that serves the request; or a run from the bitmap, which is where the way down ends.
    fn choose(&self, tree: &mut ExtentSet, spill: &mut Spill, want: &Want) -> Choice {
        let (least, most) = bucket(want.blocks_max);
        let own = tree.size_at_least(want.blocks_max).filter(|size| *size <= most);
        let own = own.or_else(|| tree.size_at_most(want.blocks_max).filter(|size| *size >= least));
        let center = || tree.size_at_least(most.saturating_add(1)).filter(|size| *size <= CENTER_BLOCKS);
        if let Some(size) = own.or_else(center) {
            return Choice::Size(size);
        }
        let (down, up) = (tree.size_at_most(want.blocks_max), tree.size_at_least(CENTER_BLOCKS + 1));
        let down =
            |spill: &mut Spill| down.map(Choice::Size).or_else(|| spill.pick(want).map(Choice::Spilled));
        let up = up.map(Choice::Size);
        let found =
            if self.is_left_heavy(tree, spill) { down(spill).or(up) } else { up.or_else(|| down(spill)) };
        found.unwrap_or(Choice::Nothing)
    }
}

/// What serves a request.
enum Choice {
    /// A run of so many blocks.
    Size(u64),
    /// What was taken from the bitmap.
    Spilled(Extent),
    Nothing,
}

impl Policy for Btree2 {
    fn tree(&self, universe: Extent) -> ExtentSet {
        ExtentSet::new(universe).with_short_blocks_max(CENTER_BLOCKS)
    }
    fn reset(&mut self, _: Extent) {
        self.recent = Recent::default();
    }
    fn freed(&mut self, run: Extent) {
        if self.tuning.recent {
            self.recent.put(run);
        }
    }
    fn pick(
        &mut self,
        tree: &mut ExtentSet,
        spill: &mut Spill,
        want: &Want,
        misses: &mut u64,
    ) -> Option<Extent> {
        let want = Want { near: None, ..*want };
        let whole = |chunk: Extent| want.fit(chunk) == Some(chunk) && tree.contains(chunk);
        if let Some(chunk) = still_free(&mut self.recent, want.blocks_max, whole) {
            tree.remove(chunk);
            return Some(chunk);
        }
        let piece = match self.choose(tree, spill, &want) {
            Choice::Spilled(run) => return Some(run),
            Choice::Size(size) => tree.smallest_run(size).and_then(|run| want.fit(run)),
            Choice::Nothing => None,
        };
        match piece {
            Some(piece) => {
                tree.remove(piece);
                Some(piece)
            }
            None => {
                *misses += 1;
                tree.take_best(&want)
            }
        }
    }
}
