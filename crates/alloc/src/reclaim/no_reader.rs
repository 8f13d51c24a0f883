//! Give blocks back when no reader can reach them, by LMDB's rule.
//!
//! Invariant: what epoch E released is handed out when E is older than every reader and than the last durable epoch. So even
//! without readers one epoch is spared: if the newest root turns out to be unreadable, the one before it is intact.

use super::{Moment, Reclaim};
use crate::ReclaimEntry;
use alloc::boxed::Box;
use spinney_core::Epoch;

/// The policy.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoReader;

impl Reclaim for NoReader {
    fn due(&self, now: &Moment) -> Epoch {
        // LMDB's writer N takes a record k only if k < oldest = min(N - 1, readers); N - 1 is what is durable now. It would
        // sooner grow its file than wait less; a pool cannot grow, so in need the spare epoch goes.
        let durable = if now.hurried { now.epoch.next() } else { now.epoch };
        let oldest = now.oldest_reader.map_or(durable, |reader| reader.min(durable));
        Epoch(oldest.0.saturating_sub(1))
    }
}

/// The row of the registry.
pub const NO_READER: ReclaimEntry = ReclaimEntry {
    name: "no-reader",
    summary: "freed blocks come back when their epoch is older than every reader and than the last commit",
    paper: "LMDB (2011), mdb_find_oldest",
    parameters: &[],
    build: |_| Ok(Box::new(NoReader)),
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_must_be_older_than_the_oldest_reader_and_than_the_last_commit() {
        let due = |reader: Option<u64>, hurried| {
            let now = Moment {
                epoch: Epoch(9),
                oldest_reader: reader.map(Epoch),
                free_blocks: 0,
                total_blocks: 1,
                hurried,
            };
            NoReader.due(&now).0
        };
        assert_eq!((due(None, false), due(None, true)), (8, 9));
        assert_eq!((due(Some(9), false), due(Some(4), false), due(Some(4), true)), (8, 3, 3));
    }
}
