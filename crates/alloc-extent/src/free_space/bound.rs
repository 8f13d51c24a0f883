//! How many pages a commit may touch, and which groups are due to change their records.
//!
//! Invariant: the bound takes constant time and covers every commit of so many changes. A change cuts into at most one part more
//! for each border of groups, and net changes do not overlap, so each border is crossed once; a part changes a group's
//! count of runs by at most one. So a group can only switch if its count is at most that many parts from its border.

use super::bits;
use super::group::Group;
use super::open::Opened;
use spinney_core::{PageTxn, Result};

/// How near the groups are to their borders.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Nearest {
    /// The fewest parts that make some group switch; `u64::MAX` if none can.
    parts: u64,
    /// The most runs of a group that is kept as extents.
    runs_max: u64,
    /// Runs of all groups.
    runs: u64,
    /// Whether some group is kept as bitmaps.
    bitmaps: bool,
}

impl Opened {
    /// By how many parts a group's count of runs is from the border at which it switches.
    fn parts_to_border(&self, number: usize, group: Group) -> u64 {
        let blocks = self.extent(number).blocks;
        match group.bitmaps {
            _ if self.shape.records != super::Records::Switch => u64::MAX,
            true if self.shape.low(blocks) == 0 => u64::MAX,
            true => (group.runs + 1).saturating_sub(self.shape.low(blocks)),
            false => (self.shape.high(blocks) + 1).saturating_sub(group.runs),
        }
    }

    /// Looks at every group: after each commit.
    pub(super) fn find_nearest(&self) -> Nearest {
        let mut nearest = Nearest { parts: u64::MAX, ..Nearest::default() };
        for (number, group) in self.groups.iter().enumerate() {
            nearest.parts = nearest.parts.min(self.parts_to_border(number, *group));
            nearest.runs += group.runs;
            nearest.bitmaps |= group.bitmaps;
            if !group.bitmaps {
                nearest.runs_max = nearest.runs_max.max(group.runs);
            }
        }
        nearest
    }

    /// Let groups that are past their border switch, lowest first; those that are too many wait for the next commit.
    pub(super) fn convert_due(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        let mut left = self.shape.conversions_max;
        for number in 0..self.groups.len() {
            let group = self.groups[number];
            let wanted = self.shape.wants_bitmaps(group, self.extent(number).blocks);
            if wanted != group.bitmaps && left > 0 {
                left -= 1;
                self.convert(number, pages)?;
            }
        }
        self.nearest = self.find_nearest();
        Ok(())
    }

    /// Pages that a commit of so many changes, of so many blocks in all, may touch.
    pub(super) fn pages_bound(&self, changes: u64, blocks: u64) -> u64 {
        let groups = self.groups.len() as u64;
        let parts = changes
            .saturating_add(groups.saturating_sub(1).min(changes.saturating_add(blocks / self.group_blocks)));
        let switches = match parts {
            0 => 0,
            _ if self.nearest.parts > parts => 0,
            _ => self.shape.conversions_max.min(groups),
        };
        let group_bitmaps = self.group_blocks.div_ceil(bits::BLOCKS);
        let most_runs = self.nearest.runs_max.saturating_add(parts).max(self.shape.high(self.group_blocks));
        let times = |each: u64| switches.saturating_mul(each);
        let extents = parts.saturating_mul(2).saturating_add(times(most_runs));
        let bitmaps = match self.nearest.bitmaps || switches > 0 {
            false => 0,
            true => parts
                .saturating_mul(2)
                .saturating_add(blocks / bits::BLOCKS)
                .saturating_add(times(group_bitmaps)),
        };
        let records = parts.min(groups).saturating_add(switches);
        let runs_max = self.nearest.runs.saturating_add(parts);
        let extents = self.extents.pages_bound(extents, runs_max);
        let bitmaps = self.bitmaps.pages_bound(bitmaps, groups.saturating_mul(group_bitmaps));
        extents.saturating_add(bitmaps).saturating_add(self.records.pages_bound(records, groups))
    }
}
