//! Leaves that a walk over whole subtrees is about to enter, to be asked for some at a time.
//!
//! Invariant: groups are the same wherever a walk begins, so one that goes on where it stopped finds its group in memory. Reads nothing
//! and knows not what the walk is for.

use crate::node::Position;
use core::ops::Range;

/// Leaves of a group: a wait for all of them, where each would be one. A drive with several channels reads eight nearly as fast as one; a
/// disk spares a turn for each; and what a pause leaves in memory unused is little. Not swept.
const GROUP: u64 = 8;

/// What a walk over the slots of a node has asked for.
#[derive(Default)]
pub struct Ahead(Option<u64>);

impl Ahead {
    /// The walk comes to this slot of a node at `at`: the slots of the group that it enters by that, if what they point at are leaves.
    /// The last group of a node may pass its end.
    pub fn group(&mut self, at: Position, index: u64) -> Option<Range<u64>> {
        let group = index / GROUP;
        let entered = at.level == 1 && self.0.replace(group) != Some(group);
        entered.then(|| group * GROUP..(group + 1) * GROUP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_asked_for_once_and_where_leaves_are_below_only() {
        let (leaves, nodes) = (Position { level: 1, first: 0 }, Position { level: 2, first: 0 });
        let mut ahead = Ahead::default();
        let asked: Vec<_> = [5, 6, 7, 8, 30, 31].map(|index| ahead.group(leaves, index)).into();
        assert_eq!(asked, [Some(0..8), None, None, Some(8..16), Some(24..32), None]);
        assert_eq!(ahead.group(nodes, 3), None);
    }
}
