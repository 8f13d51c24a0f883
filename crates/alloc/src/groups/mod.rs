//! The universe cut into groups, each with an index of its own, and a policy that says which group is asked first.
//!
//! Invariant: it is *one* free set. A run that crosses a border is visited and counted as the one maximal run that it is, and
//! a request that only such a run satisfies is served from it. Knows neither what is inside a group nor why a choice ranks
//! groups as it does: allocation groups (XFS), block groups (btrfs, ext4) and a single heap are settings of the two.
//!
//! ```text
//!    want -> GroupChoice: in which order?      2, 0, 1, 3
//!                          |
//!   group 0        group 1 |      group 2        group 3
//!  [ index       ][ index  v    ][ index       ][ index    ]   each an index of any kind over its own blocks
//!   ...####....##  ##..#####....  ....##..####..  ...#####
//!              '-joined-'  '-joined-'                          a bit a border: both its blocks are free
//! ```
//!
//! A request is first asked whole (`blocks_max`) of each group in the choice's order, then for at least half of it, and so on
//! down to `blocks_min`, as btrfs halves a request that no group holds; last, runs across borders are looked at.

mod borders;
pub mod choice;
pub mod entry;
pub mod mean_run;
pub mod order;
mod ranked;
pub mod size_class;

use crate::{FreeIndex, Want};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
pub use choice::{Group, GroupChoice};
use spinney_core::{Effort, Extent, Flow, Pba};

/// The most groups that a universe is cut into (16 TiB in groups of 1 GiB); beyond, groups grow. An index costs some
/// kilobytes before it holds anything, and a number in a config or on a disk must not decide over memory.
pub const GROUPS_MAX: u64 = 1 << 14;

/// Makes the index of a group.
pub type Factory = Box<dyn Fn() -> Box<dyn FreeIndex> + Send>;

/// An index of groups.
pub struct Grouped {
    choice: Box<dyn GroupChoice>,
    make: Factory,
    universe: Extent,
    group_blocks: u64,
    groups: Vec<Group>,
    members: Vec<Member>,
    /// Whether the blocks on both sides of the border behind a group are free.
    joined: Vec<bool>,
    totals: Totals,
    own: Effort,
}

/// A group's index, and what it cost when it was last looked at.
struct Member {
    index: Box<dyn FreeIndex>,
    effort: Effort,
    memory_bytes: u64,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    free_blocks: u64,
    /// With runs counted once in each group that they reach.
    pieces: u64,
    joined: u64,
    effort: Effort,
    memory_bytes: u64,
}

impl Grouped {
    /// Groups ranked by `choice`, with indexes from `make`; then `reset`.
    #[must_use]
    pub fn new(choice: Box<dyn GroupChoice>, make: Factory) -> Grouped {
        Grouped {
            choice,
            make,
            universe: Extent { start: Pba(0), blocks: 0 },
            group_blocks: 1,
            groups: Vec::new(),
            members: Vec::new(),
            joined: Vec::new(),
            totals: Totals::default(),
            own: Effort::default(),
        }
    }
    /// What is known of each group, in address order.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    fn group_of(&self, at: Pba) -> usize {
        ((at.0 - self.universe.start.0) / self.group_blocks) as usize
    }

    /// The parts of a run inside the universe, by group.
    fn parts(&self, run: Extent) -> impl Iterator<Item = (usize, Extent)> + '_ {
        let last = self.group_of(Pba(run.end().0 - 1));
        (self.group_of(run.start)..=last)
            .filter_map(move |group| Some((group, run.intersect(self.groups[group].extent)?)))
    }

    /// Do the same to each part of a run.
    fn each_part(&mut self, run: Extent, change: impl Fn(&mut dyn FreeIndex, Extent)) {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        let mut rest = Some(run);
        while let Some(run) = rest {
            let group = self.group_of(run.start);
            let end = run.end().min(self.groups[group].extent.end());
            let part = Extent { start: run.start, blocks: end.0 - run.start.0 };
            change(&mut *self.members[group].index, part);
            self.settle(group, part);
            rest = Extent::checked(end.0, run.end().0 - end.0);
        }
    }

    /// `part` of `group` was freed or taken: borders, summary and sums follow.
    fn settle(&mut self, group: usize, part: Extent) {
        let extent = self.groups[group].extent;
        if group > 0 && part.start == extent.start {
            self.join(group - 1);
        }
        if part.end() == extent.end() {
            self.join(group);
        }
        self.refresh(group);
        self.choice.changed(group, &self.groups);
    }

    /// Look again whether a run crosses the border behind `group`.
    fn join(&mut self, group: usize) {
        let Some(joined) = self.joined.get_mut(group) else { return };
        let border = self.groups[group].extent.end();
        let (left, right) = self.members.split_at(group + 1);
        let now = left[group].index.is_free(Extent { start: Pba(border.0 - 1), blocks: 1 })
            && right[0].index.is_free(Extent { start: border, blocks: 1 });
        self.totals.joined = self.totals.joined + u64::from(now) - u64::from(*joined);
        *joined = now;
    }

    /// Take over what a group's index says of itself.
    fn refresh(&mut self, group: usize) {
        let (member, kept, sums) = (&mut self.members[group], &mut self.groups[group], &mut self.totals);
        let index = &member.index;
        let (blocks, runs) = (index.free_blocks(), index.free_runs());
        sums.free_blocks = sums.free_blocks + blocks - kept.free_blocks;
        sums.pieces = sums.pieces + runs - kept.free_runs;
        (kept.free_blocks, kept.free_runs, kept.longest_max) = (blocks, runs, index.longest_max());
        let (effort, memory) = (index.effort(), index.memory_bytes());
        sums.effort.steps += effort.steps - member.effort.steps;
        sums.effort.fallbacks += effort.fallbacks - member.effort.fallbacks;
        sums.effort.passed += effort.passed - member.effort.passed;
        sums.memory_bytes = sums.memory_bytes + memory - member.memory_bytes;
        (member.effort, member.memory_bytes) = (effort, memory);
    }

    /// Ask the groups in order for `want.blocks_min` or more.
    fn pick_inside(&mut self, want: &Want) -> Option<Extent> {
        let (mut found, mut failed, mut steps) = (None, Vec::new(), 0);
        let (groups, members) = (&self.groups, &mut self.members);
        self.choice.order(want, groups, &mut |group| {
            steps += 1;
            if groups[group].longest_max < want.blocks_min {
                return Flow::Continue;
            }
            match members[group].index.pick(want) {
                Some(run) => {
                    found = Some((group, run));
                    Flow::Stop
                }
                None => {
                    failed.push(group);
                    Flow::Continue
                }
            }
        });
        self.own.steps += steps;
        for group in failed {
            self.refresh(group);
            if want.align == 1 {
                let longest = &mut self.groups[group].longest_max;
                *longest = (*longest).min(want.blocks_min - 1);
            }
        }
        let (group, run) = found?;
        self.settle(group, run);
        self.choice.picked(group, want);
        Some(run)
    }
}

impl FreeIndex for Grouped {
    fn reset(&mut self, universe: Extent) {
        let least = universe.blocks.div_ceil(GROUPS_MAX);
        self.group_blocks =
            self.choice.group_blocks(universe.blocks).max(least).clamp(1, universe.blocks.max(1));
        self.universe = universe;
        (self.totals, self.own) = (Totals::default(), Effort::default());
        (self.groups, self.members) = (Vec::new(), Vec::new());
        let mut rest = Extent::checked(universe.start.0, universe.blocks);
        while let Some(extent) = rest {
            let extent = Extent { blocks: extent.blocks.min(self.group_blocks), ..extent };
            let mut index = (self.make)();
            index.reset(extent);
            self.members.push(Member { index, effort: Effort::default(), memory_bytes: 0 });
            self.groups.push(Group { extent, free_blocks: 0, free_runs: 0, longest_max: 0 });
            self.refresh(self.groups.len() - 1);
            rest = Extent::checked(extent.end().0, universe.end().0 - extent.end().0);
        }
        self.joined = vec![false; self.groups.len().saturating_sub(1)];
        self.choice.reset(&self.groups);
    }
    fn insert(&mut self, run: Extent) {
        self.each_part(run, |index, part| index.insert(part));
    }
    fn remove(&mut self, run: Extent) {
        self.each_part(run, |index, part| index.remove(part));
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        let mut least = want.blocks_max;
        loop {
            if let Some(run) = self.pick_inside(&Want { blocks_min: least, ..*want }) {
                return Some(run);
            }
            let longest = self.groups.iter().map(|group| group.longest_max).max().unwrap_or(0);
            if least == want.blocks_min || longest < want.blocks_min {
                return self.pick_across(want);
            }
            least = (least / 2).min(longest).max(want.blocks_min);
        }
    }
    fn is_free(&self, run: Extent) -> bool {
        self.universe.contains(run)
            && self.parts(run).all(|(group, part)| self.members[group].index.is_free(part))
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe) else { return };
        // A run that ends at a border waits for what the next group says.
        let mut open: Option<Extent> = None;
        for (group, part) in self.parts(within) {
            let (border, mut flow) = (self.groups[group].extent.end(), Flow::Continue);
            self.members[group].index.visit(part, &mut |run| {
                let whole = match open.take() {
                    Some(left) if left.end() == run.start => {
                        Extent { start: left.start, blocks: left.blocks + run.blocks }
                    }
                    Some(left) => {
                        flow = each(left);
                        run
                    }
                    None => run,
                };
                if flow == Flow::Continue {
                    if whole.end() == border {
                        open = Some(whole);
                    } else {
                        flow = each(whole);
                    }
                }
                flow
            });
            if flow == Flow::Stop {
                return;
            }
        }
        open.map(each);
    }
    fn free_blocks(&self) -> u64 {
        self.totals.free_blocks
    }
    fn free_runs(&self) -> u64 {
        self.totals.pieces - self.totals.joined
    }
    fn longest_max(&self) -> u64 {
        let longest = self.groups.iter().map(|group| group.longest_max).max().unwrap_or(0);
        if self.totals.joined == 0 { longest } else { self.totals.free_blocks }
    }
    fn effort(&self) -> Effort {
        let (own, inside) = (self.own, self.totals.effort);
        Effort {
            steps: own.steps + inside.steps,
            fallbacks: own.fallbacks + inside.fallbacks,
            passed: own.passed + inside.passed,
        }
    }
    fn memory_bytes(&self) -> u64 {
        let group = (size_of::<Group>() + size_of::<Member>() + 1) as u64;
        let own = size_of::<Grouped>() as u64 + self.groups.len() as u64 * group;
        own + self.choice.memory_bytes() + self.totals.memory_bytes
    }
}
