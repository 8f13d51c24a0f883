//! Groups by the mean length of their free runs: ext4's lists, and the exact order that they replaced.
//!
//! Invariant: a group stands under the mean that it has now. With `Exact` the longest mean comes first, so every allocation moves
//! the front of the order on to another group; with `Buckets` means count as powers of two, so one group is used up before
//! the next is touched. Sources: Linux `mballoc` (lists of average fragment size), and the change from a tree of exact
//! averages to lists, whose message says that the tree scattered writes (E1 of the notes).

use super::choice::{Group, GroupChoice, wished};
use super::order::Cut;
use super::ranked::Ranked;
use crate::Want;
use spinney_core::Flow;

/// How exactly means are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Means {
    /// By power of two: the first group of the shortest list whose mean holds the request.
    Buckets,
    /// To the block: the group with the longest mean.
    Exact,
}

/// The choice.
#[derive(Clone, Debug)]
pub struct MeanRun {
    means: Means,
    /// Try the group of the wished place first, as ext4 does with its goal.
    goal: bool,
    cut: Cut,
    ranked: Ranked,
}

impl MeanRun {
    /// Over a universe so cut.
    #[must_use]
    pub fn new(means: Means, goal: bool, cut: Cut) -> MeanRun {
        MeanRun { means, goal, cut, ranked: Ranked::default() }
    }
    /// What a group ranks by.
    fn key(&self, group: &Group) -> u64 {
        match self.means {
            Means::Buckets => bucket(group.mean_run_blocks()),
            Means::Exact => u64::MAX - group.mean_run_blocks(),
        }
    }
}

/// 0 for none, else one more than the power of two.
fn bucket(blocks: u64) -> u64 {
    u64::from(u64::BITS - blocks.leading_zeros())
}

impl GroupChoice for MeanRun {
    fn group_blocks(&self, universe_blocks: u64) -> u64 {
        self.cut.group_blocks(universe_blocks)
    }
    fn reset(&mut self, groups: &[Group]) {
        self.ranked = Ranked::new(groups.iter().map(|group| self.key(group)));
    }
    fn changed(&mut self, group: usize, groups: &[Group]) {
        self.ranked.set(group, self.key(&groups[group]));
    }
    fn picked(&mut self, _: usize, _: &Want) {}
    fn order(&self, want: &Want, groups: &[Group], each: &mut dyn FnMut(usize) -> Flow) {
        let holds = |group: &usize| groups[*group].mean_run_blocks() >= want.blocks_min;
        let from = match self.means {
            Means::Buckets => bucket(want.blocks_min),
            Means::Exact => 0,
        };
        let goal = wished(want, groups).filter(|group| self.goal && holds(group));
        let by_mean = self.ranked.from(from).filter(holds);
        // What is left are groups that may hold the request although their mean is shorter: a scan, as in ext4.
        let rest = (0..groups.len()).filter(|group| !holds(group));
        let _ = goal.into_iter().chain(by_mean).chain(rest).any(|group| each(group) == Flow::Stop);
    }
    fn memory_bytes(&self) -> u64 {
        self.ranked.memory_bytes()
    }
}
