//! A set of free runs, by address and by size, for the allocators that keep extents.
//!
//! Invariant: runs are maximal and disjoint; the order by size (I6: the same runs as a multiset) follows every change.
//! It answers "the smallest run that fits", "the first that fits from here" and "the largest"; which of them is asked,
//! and from where, is the policy of the index that owns the set. Knows no pages, no epochs and no cursors.
//!
//! ```text
//!      by address                               by size
//!   region 0  [p3+1 p90+5 p400+12]      12     1  {0, 2, 7}      regions where a run of 1 block starts
//!   region 1  []                         0     2  {2}
//!   region 2  1011001010110100...        7     5  {0}
//!      ...     a sorted list, or bits    ^    ...  sorted list or bit set of regions
//!             once they are smaller      longest of each region, of 32 regions, of 1,024, ...
//! ```
//!
//! Four bytes a run, and at most a bit a block, however fragmented: with every other block free 2^32 blocks took 533 MiB of memory.
//!
//! The two share no pointers: the second names only the *region*, so a change of one run touches one short list and at
//! most three small sets, and nothing is rebalanced.

#[cfg(test)]
mod fragmented_tests;
mod levels;
mod nearby;
mod regions;
mod search;
mod sizes;
#[cfg(test)]
mod tests;
mod tops;
mod within;

use regions::{Found, Regions, Seat};
pub use search::Reach;
use sizes::Sizes;
use spinney_core::{Extent, Flow, Pba};
pub use within::Walk;

/// The most blocks that a universe may have (4 PiB).
pub const UNIVERSE_BLOCKS_MAX: u64 = (1 << 40) - 1;

/// The set.
#[derive(Clone, Debug)]
pub struct ExtentSet {
    universe: Extent,
    regions: Regions,
    sizes: Sizes,
    /// Shorter runs are in no order by size.
    sized_blocks_min: u64,
    /// Runs of up to so many blocks are short, and their blocks counted.
    short_blocks_max: u64,
    short_blocks: u64,
    blocks: u64,
    runs: u64,
    steps: u64,
    passed: u64,
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
        ExtentSet::sized(universe, false)
    }
    /// The same for a policy that leaves many runs: it finds its way among them faster, and takes more memory for few.
    #[must_use]
    pub fn crowded(universe: Extent) -> ExtentSet {
        ExtentSet::sized(universe, true)
    }
    fn sized(universe: Extent, crowded: bool) -> ExtentSet {
        assert!(universe.blocks <= UNIVERSE_BLOCKS_MAX, "{universe:?} is more than an extent set holds");
        let regions = Regions::new(universe.blocks, crowded);
        let sizes = Sizes::new(regions.levels(), universe.blocks);
        ExtentSet {
            universe,
            regions,
            sizes,
            sized_blocks_min: 1,
            short_blocks_max: 0,
            short_blocks: 0,
            blocks: 0,
            runs: 0,
            steps: 0,
            passed: 0,
        }
    }
    /// The same empty set, which counts the blocks in runs of up to `blocks` blocks. None may be in the set yet (asserted).
    #[must_use]
    pub fn with_short_blocks_max(self, blocks: u64) -> ExtentSet {
        assert!(self.runs == 0, "the runs that it has were not counted");
        ExtentSet { short_blocks_max: blocks, ..self }
    }
    /// The same empty set, whose order by size leaves out runs of fewer than `blocks` blocks: a change of one, which in an aged
    /// space most changes are, costs less. What is sought by size is then a run of at least so many blocks as long as there is one,
    /// and the first that fits by address when there is none. None may be in the set yet (asserted).
    #[must_use]
    pub fn with_sized_blocks_min(self, blocks: u64) -> ExtentSet {
        assert!(self.runs == 0, "the order by size would lose runs that it has");
        ExtentSet { sized_blocks_min: blocks.max(1), ..self }
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
    /// Blocks in runs that are short, as [`ExtentSet::with_short_blocks_max`] said (by default none is).
    #[must_use]
    pub fn short_blocks(&self) -> u64 {
        self.short_blocks
    }
    /// Region lists, size sets and runs looked at so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
    /// Runs that walks by address went past or took so far; a first fit without a bound does not count the regions that it skips.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed
    }
    /// Bytes held, reckoned from the structures.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        size_of::<ExtentSet>() as u64 + self.regions.bytes() + self.sizes.bytes()
    }
    /// Blocks of the longest run, 0 if there is none.
    #[must_use]
    pub fn longest_blocks(&self) -> u64 {
        self.sizes.largest_large().unwrap_or_else(|| self.regions.longest_told())
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
        let seat = self.regions.seat(start);
        let (before, after) = (self.regions.before(seat), self.regions.at_seat_until(seat, end));
        self.steps += 1;
        let clear = before.is_none_or(|run| run.end() <= start) && after.is_none_or(|run| run.start >= end);
        if !clear {
            return false;
        }
        self.blocks += run.blocks;
        match (before.filter(|run| run.end() == start), after) {
            (None, None) => self.add(seat, start, run.blocks),
            (Some(before), None) => self.resize(&before, before.start, before.blocks + run.blocks),
            (None, Some(after)) => self.resize(&after, start, run.blocks + after.blocks),
            (Some(before), Some(after)) => {
                self.drop_run(&after);
                self.resize(&before, before.start, before.blocks + run.blocks + after.blocks);
                self.regions.tidy(after.region);
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

    /// The run that holds a block.
    #[must_use]
    pub fn run_at(&self, at: Pba) -> Option<Extent> {
        let found = self.holder(Extent::checked(at.0, 1)?)?;
        Some(self.extent(&found))
    }

    fn holder(&self, run: Extent) -> Option<Found> {
        let run = Some(run).filter(|run| self.universe.contains(*run))?;
        let (start, end) = (run.start.0 - self.universe.start.0, run.end().0 - self.universe.start.0);
        self.regions.before(self.regions.seat(start)).filter(|found| found.end() >= end)
    }

    /// The run that holds `at`, else the first one after it.
    fn touching_or_after(&self, at: u64) -> Option<Found> {
        let seat = self.regions.seat(at);
        let holder = self.regions.before(seat).filter(|run| run.end() > at);
        holder.or_else(|| self.regions.at_seat(seat))
    }

    fn extent(&self, found: &Found) -> Extent {
        Extent { start: Pba(self.universe.start.0 + found.start), blocks: found.blocks }
    }

    /// Maximal runs that touch `within`, clipped to it, in address order.
    pub fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe) else { return };
        let from = within.start.0 - self.universe.start.0;
        let mut next = self.touching_or_after(from);
        while let Some(found) = next {
            let Some(part) = self.extent(&found).intersect(within) else { return };
            if each(part) == Flow::Stop {
                return;
            }
            next = self.regions.after(&found);
        }
    }

    /// Take `piece` out of the run that holds it.
    fn carve(&mut self, found: &Found, piece: Extent) {
        let start = piece.start.0 - self.universe.start.0;
        let (head, tail) = (start - found.start, found.end() - start - piece.blocks);
        self.blocks -= piece.blocks;
        match (head, tail) {
            (0, 0) => {
                self.drop_run(found);
                self.regions.tidy(found.region);
            }
            (0, _) => self.resize(found, start + piece.blocks, tail),
            (_, 0) => self.resize(found, found.start, head),
            _ => {
                self.resize(found, found.start, head);
                let next = start + piece.blocks;
                let here = self.regions.region(next) == found.region;
                let seat = (self.regions.region(next), if here { found.place + 1 } else { 0 });
                self.add(seat, next, tail);
            }
        }
    }

    fn add(&mut self, seat: Seat, start: u64, blocks: u64) {
        self.runs += 1;
        self.regions.insert(seat, start, blocks);
        self.note_size(blocks, seat.0);
    }

    fn drop_run(&mut self, found: &Found) {
        self.runs -= 1;
        let another = self.regions.remove(found);
        self.forget_size(found, another);
    }

    fn resize(&mut self, found: &Found, start: u64, blocks: u64) {
        let another = self.regions.replace(found, start, blocks);
        self.forget_size(found, another);
        self.note_size(blocks, self.regions.region(start));
    }

    fn note_size(&mut self, blocks: u64, region: u32) {
        self.short_blocks += if blocks <= self.short_blocks_max { blocks } else { 0 };
        if blocks >= self.sized_blocks_min {
            self.sizes.insert(blocks, region);
        }
    }

    /// The run's region has one fewer of its size, and perhaps another one.
    fn forget_size(&mut self, gone: &Found, another: bool) {
        self.short_blocks -= if gone.blocks <= self.short_blocks_max { gone.blocks } else { 0 };
        if !another && gone.blocks >= self.sized_blocks_min {
            self.sizes.remove(gone.blocks, gone.region);
        }
    }
}
