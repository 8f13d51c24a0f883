//! XFS's near mode: the fitting run nearest to a wished place; without a wish, best fit.
//!
//! Invariant: a request that some run satisfies is served; the search by address never decides alone, for behind it stands
//! best fit. Knows no allocation groups: it is what happens inside one. Source: XFS as read for the notes, section 3b.
//!
//! ```text
//!   by address   ..  ##  .  ###  <--- wish --->  #  ##   ...   ######    one run to the left, one to the right,
//!   by size      8: {p90, p700}   16: {p40}   32: {p9000}                 one size (the next at least doubled), and again
//! ```
//!
//! The walk by address ends at the first run that holds the request (then the other side is walked as far); the walk by size
//! ends when no larger size is left, after some twenty steps. Whichever ends first decides, so a place among a hundred
//! thousand runs that are too short costs twenty steps and not a hundred thousand: what XFS changed in 2019.

use crate::index::SIZED_BLOCKS_MIN;
use alloc::boxed::Box;
use spinney_alloc::{Class, ExtentSet, FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Error, Extent, Flow, Parameter, Pba, Result};

/// How a run near a place is looked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Walk {
    /// By address and by size at once, as since 2019.
    #[default]
    Both,
    /// By address alone, unless at most this many runs hold the request, which are then all compared (the last leaf of the
    /// tree by size): as before 2019.
    Address {
        /// Records of a leaf.
        leaf_runs: u64,
    },
}

/// The index.
#[derive(Debug, Default)]
pub struct NearIndex {
    set: ExtentSet,
    walk: Walk,
    sized_blocks_min: u64,
    steps: u64,
    fallbacks: u64,
}

/// The nearest piece so far, and its distance.
#[derive(Default)]
struct Nearest {
    piece: Option<(u64, Extent)>,
}

impl Nearest {
    /// Whether `run` holds the request; the nearer piece is kept.
    fn offer(&mut self, want: &Want, at: Pba, run: Extent) -> bool {
        let Some(piece) = place(want, at, run) else { return false };
        let distance = piece.start.0.abs_diff(at.0);
        if self.piece.is_none_or(|(nearest, _)| distance < nearest) {
            self.piece = Some((distance, piece));
        }
        true
    }
    fn is_nearer_than(&self, distance: u64) -> bool {
        self.piece.is_some_and(|(nearest, _)| nearest <= distance)
    }
}

/// All of the request from inside a run, as near as may be; but of a run before the place data gets the start, so that what
/// grows can go on behind it.
fn place(want: &Want, at: Pba, run: Extent) -> Option<Extent> {
    let whole = Want { blocks_min: want.blocks_max, ..*want };
    let first = whole.fit(run)?;
    if at <= run.start || (run.end() <= at && want.class == Class::Data) {
        return Some(first);
    }
    let from = Extent::checked(at.0, run.end().0.saturating_sub(at.0)).and_then(|rest| whole.fit(rest));
    Some(from.unwrap_or_else(|| {
        let last = run.end().0 - want.blocks_max;
        Extent { start: Pba(last - last % want.align), ..first }
    }))
}

impl NearIndex {
    /// An index that walks as told; then `reset`.
    #[must_use]
    pub fn new(walk: Walk) -> NearIndex {
        NearIndex { walk, ..NearIndex::default() }
    }
    /// The same, with free runs of fewer blocks left out of the order by size; then `reset`. See [`ExtentSet::with_sized_blocks_min`].
    #[must_use]
    pub fn with_sized_blocks_min(self, blocks: u64) -> NearIndex {
        NearIndex { sized_blocks_min: blocks, ..self }
    }
    /// The free runs, to look at.
    #[must_use]
    pub fn set(&self) -> &ExtentSet {
        &self.set
    }

    /// The piece nearest to `at`, if the walk finds one.
    fn nearest(&mut self, want: &Want, at: Pba) -> Option<Extent> {
        if let Walk::Address { leaf_runs } = self.walk
            && let Some(piece) = self.last_leaf(want, at, leaf_runs)
        {
            return Some(piece);
        }
        let mut nearest = Nearest::default();
        let mut right = self.set.run_from(at);
        let mut left = self.set.run_before(right.map_or(at, |run| run.start.min(at)));
        let mut size = want.blocks_max;
        while left.is_some() || right.is_some() {
            if left.is_some_and(|run| self.look(&mut nearest, want, at, run)) {
                self.finish(&mut nearest, want, at, right, ExtentSet::next_right);
                break;
            }
            if right.is_some_and(|run| self.look(&mut nearest, want, at, run)) {
                let left = left.and_then(|run| self.set.next_left(run));
                self.finish(&mut nearest, want, at, left, ExtentSet::next_left);
                break;
            }
            left = left.and_then(|run| self.set.next_left(run));
            right = right.and_then(|run| self.set.next_right(run));
            if self.walk == Walk::Both && !self.probe(&mut nearest, want, at, &mut size) {
                break;
            }
        }
        nearest.piece.map(|(_, piece)| piece)
    }

    /// Look at one run.
    fn look(&mut self, nearest: &mut Nearest, want: &Want, at: Pba, run: Extent) -> bool {
        self.steps += 1;
        nearest.offer(want, at, run)
    }

    /// One side has found a run: walk the other as far as it could hold a nearer one.
    fn finish(
        &mut self,
        nearest: &mut Nearest,
        want: &Want,
        at: Pba,
        mut next: Option<Extent>,
        step: fn(&ExtentSet, Extent) -> Option<Extent>,
    ) {
        while let Some(run) = next {
            let gap = if run.start > at { run.start.0 - at.0 } else { at.0.saturating_sub(run.end().0) };
            if nearest.is_nearer_than(gap) || self.look(nearest, want, at, run) {
                return;
            }
            next = step(&self.set, run);
        }
    }

    /// Look at the runs of the next size on both sides of `at`; `false` if no size is left.
    fn probe(&mut self, nearest: &mut Nearest, want: &Want, at: Pba, size: &mut u64) -> bool {
        let Some(blocks) = self.set.size_at_least(*size) else { return false };
        for run in self.set.runs_of_size_around(blocks, at).into_iter().flatten() {
            self.look(nearest, want, at, run);
        }
        *size = blocks.saturating_add(1).max(size.saturating_mul(2));
        true
    }

    /// If few runs are long enough, the nearest of them.
    fn last_leaf(&mut self, want: &Want, at: Pba, leaf_runs: u64) -> Option<Extent> {
        let (mut nearest, mut seen) = (Nearest::default(), 0);
        self.set.visit_at_least(want.blocks_max, &mut |run| {
            seen += 1;
            nearest.offer(want, at, run);
            if seen > leaf_runs { Flow::Stop } else { Flow::Continue }
        });
        self.steps += seen;
        nearest.piece.map(|(_, piece)| piece).filter(|_| seen <= leaf_runs)
    }
}

impl FreeIndex for NearIndex {
    fn reset(&mut self, universe: Extent) {
        let set = ExtentSet::new(universe).with_sized_blocks_min(self.sized_blocks_min);
        *self = NearIndex { set, steps: 0, fallbacks: 0, ..*self };
    }
    fn insert(&mut self, run: Extent) {
        self.set.insert(run);
    }
    fn remove(&mut self, run: Extent) {
        self.set.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        let Some(at) = want.near.filter(|_| self.set.has_run(want.blocks_max)) else {
            return self.set.take_best(want);
        };
        match self.nearest(want, at) {
            Some(piece) => {
                self.set.remove(piece);
                Some(piece)
            }
            None => {
                self.fallbacks += 1;
                self.set.take_best(want)
            }
        }
    }
    fn is_free(&self, run: Extent) -> bool {
        self.set.contains(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.set.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.set.blocks()
    }
    fn free_runs(&self) -> u64 {
        self.set.runs()
    }
    fn longest_max(&self) -> u64 {
        self.set.longest_blocks()
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.steps + self.set.steps(), fallbacks: self.fallbacks, ..Effort::default() }
    }
    fn memory_bytes(&self) -> u64 {
        self.set.memory_bytes()
    }
}

const WALK: Parameter = Parameter::word(
    "walk",
    "both",
    "How a run near the wished place is found. `both` walks by address and by size at once and stops at whichever ends first; \
     `address` walks by address alone, as XFS did before 2019: the same places in a clean space, but among many runs that are too \
     short a request costs a step for each.",
);
const LEAF: Parameter = Parameter::integer(
    "leaf_runs",
    505,
    "With `walk = \"address\"`: if no more runs than these hold the request, all are compared and the nearest is taken. The default \
     is what a 4 KiB leaf of XFS's tree by size holds.",
);

/// The row of the registry.
pub const NEAR: IndexEntry = IndexEntry {
    name: "near-fit",
    summary: "the run nearest to the wished place that holds the request; best fit without a wish",
    paper: "XFS (1996), near mode; its locality-aware lookups by size (2019)",
    parameters: &[WALK, LEAF, SIZED_BLOCKS_MIN],
    build: |settings| -> Result<Box<dyn FreeIndex>> {
        let walk = match settings.word(&WALK) {
            "both" => Walk::Both,
            "address" => Walk::Address { leaf_runs: settings.integer(&LEAF) },
            _ => return Err(Error::BadSetting("walk must be both or address")),
        };
        let blocks = settings.integer(&SIZED_BLOCKS_MIN);
        Ok(Box::new(NearIndex::new(walk).with_sized_blocks_min(blocks)))
    },
};

#[cfg(test)]
mod tests;
