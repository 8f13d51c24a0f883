//! The epoch's list of takes and frees: what a form encodes.
//!
//! Invariant: replayed in order on the previous durable free set, it gives the new one; `netted` gives the same by the
//! shortest sorted list of disjoint runs. A log form reads it in order, bitmap and tree forms read it netted.

use alloc::vec::Vec;
use spinney_core::Extent;

/// One change of the free set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// These blocks stopped being free.
    Take(Extent),
    /// These blocks became free.
    Free(Extent),
}

impl Change {
    /// The run, whichever way it went.
    #[must_use]
    pub fn run(self) -> Extent {
        match self {
            Change::Take(run) | Change::Free(run) => run,
        }
    }
}

/// The changes of one epoch, in the order in which they were made; adjacent ones of a kind are merged as they come.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    list: Vec<Change>,
    blocks: u64,
}

impl Changes {
    /// Add one.
    pub fn push(&mut self, change: Change) {
        self.blocks += change.run().blocks;
        match (self.list.last_mut(), change) {
            (Some(Change::Take(last)), Change::Take(run)) | (Some(Change::Free(last)), Change::Free(run))
                if last.end() == run.start =>
            {
                last.blocks += run.blocks;
            }
            _ => self.list.push(change),
        }
    }
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Change> + '_ {
        self.list.iter().copied()
    }
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// Start a new epoch.
    pub fn clear(&mut self) {
        self.list.clear();
        self.blocks = 0;
    }
    /// Blocks changed, counted once for each change.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }
    /// Disjoint runs in address order, opposite changes of a block cancelled (a block changes state at most once net,
    /// because takes and frees of one block alternate).
    #[must_use]
    pub fn netted(&self) -> Vec<Change> {
        let (mut up, mut down) = (Vec::with_capacity(self.list.len()), Vec::with_capacity(self.list.len()));
        for change in &self.list {
            let (rises, falls) = match change {
                Change::Take(run) => (run.end(), run.start),
                Change::Free(run) => (run.start, run.end()),
            };
            up.push(rises.0);
            down.push(falls.0);
        }
        up.sort_unstable();
        down.sort_unstable();
        sweep(&up, &down)
    }
}

/// Turn where the net change rises and falls by one, in address order, into runs of constant sign.
fn sweep(up: &[u64], down: &[u64]) -> Vec<Change> {
    let (mut net, mut level, mut from) = (Vec::new(), 0i64, 0u64);
    let (mut up, mut down) = (up.iter().copied().peekable(), down.iter().copied().peekable());
    while let Some(at) = [up.peek(), down.peek()].into_iter().flatten().min().copied() {
        let before = level;
        while up.next_if_eq(&at).is_some() {
            level += 1;
        }
        while down.next_if_eq(&at).is_some() {
            level -= 1;
        }
        assert!((-1..=1).contains(&level), "takes and frees of a block must alternate (near block {at})");
        if level == before {
            continue;
        }
        if before != 0 {
            let run = Extent::new(spinney_core::Pba(from), at - from);
            net.push(if before < 0 { Change::Take(run) } else { Change::Free(run) });
        }
        from = at;
    }
    net
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::Pba;

    fn run(start: u64, blocks: u64) -> Extent {
        Extent::new(Pba(start), blocks)
    }

    #[test]
    fn a_take_and_a_free_of_the_same_blocks_cancel() {
        let mut changes = Changes::default();
        changes.push(Change::Take(run(10, 10)));
        changes.push(Change::Free(run(12, 3)));
        assert_eq!(changes.netted(), [Change::Take(run(10, 2)), Change::Take(run(15, 5))]);
    }

    #[test]
    fn adjacent_changes_of_a_kind_merge() {
        let mut changes = Changes::default();
        changes.push(Change::Free(run(0, 4)));
        changes.push(Change::Free(run(4, 4)));
        changes.push(Change::Take(run(8, 1)));
        assert_eq!(changes.netted(), [Change::Free(run(0, 8)), Change::Take(run(8, 1))]);
        assert_eq!(changes.len(), 2);
    }
}
