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
        let mut edges = Vec::with_capacity(2 * self.list.len());
        for change in &self.list {
            let (run, sign) = match change {
                Change::Take(run) => (run, -1),
                Change::Free(run) => (run, 1),
            };
            edges.extend([(run.start.0, sign), (run.end().0, -sign)]);
        }
        edges.sort_unstable_by_key(|(at, _)| *at);
        sweep(&edges)
    }
}

/// Turn signed edges, in address order, into runs of constant sign.
fn sweep(edges: &[(u64, i64)]) -> Vec<Change> {
    let (mut net, mut level, mut from) = (Vec::new(), 0i64, 0u64);
    let at_once = edges.chunk_by(|(a, _), (b, _)| a == b);
    let steps = at_once.map(|edges| (edges[0].0, edges.iter().map(|(_, step)| step).sum::<i64>()));
    for (at, step) in steps.filter(|(_, step)| *step != 0) {
        if level != 0 {
            let run = Extent::new(spinney_core::Pba(from), at - from);
            net.push(if level < 0 { Change::Take(run) } else { Change::Free(run) });
        }
        level += step;
        from = at;
        assert!((-1..=1).contains(&level), "takes and frees of a block must alternate (near block {at})");
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
