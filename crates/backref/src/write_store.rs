//! The write store: references that began or ended since the last commit, in memory.
//!
//! Invariant: what begins and ends in the same version leaves nothing, so what lives for less than a commit never reaches a page.
//! Knows no page and no line.
//!
//! Source: Backlog (FAST 2010), add and drop with proactive pruning.

use crate::gather::Gathered;
use crate::row::{FOREVER, Key, Row, Table};
use core::ops::Range;
use std::collections::BTreeSet;

/// References since the last commit.
#[derive(Default, Debug)]
pub(crate) struct WriteStore {
    froms: BTreeSet<(Key, u64)>,
    tos: BTreeSet<(Key, u64)>,
}

impl WriteStore {
    /// The reference begins now. Whether this cancelled an end.
    pub(crate) fn add(&mut self, key: Key, now: u64) -> bool {
        let cancelled = self.tos.remove(&(key, now));
        if !cancelled {
            self.froms.insert((key, now));
        }
        cancelled
    }
    /// The reference ends now. Whether this cancelled a beginning.
    pub(crate) fn remove(&mut self, key: Key, now: u64) -> bool {
        let cancelled = self.froms.remove(&(key, now));
        if !cancelled {
            self.tos.insert((key, now));
        }
        cancelled
    }
    /// References in it.
    pub(crate) fn len(&self) -> u64 {
        (self.froms.len() + self.tos.len()) as u64
    }
    /// Take all references of a table, sorted by block.
    pub(crate) fn take(&mut self, table: Table) -> Vec<Row> {
        match table {
            Table::To => {
                let row = |(key, to)| Row { key, from: 0, to, blocks: 1 };
                std::mem::take(&mut self.tos).into_iter().map(row).collect()
            }
            _ => {
                let row = |(key, from)| Row { key, from, to: FOREVER, blocks: 1 };
                std::mem::take(&mut self.froms).into_iter().map(row).collect()
            }
        }
    }
    /// The first block at or behind `block` that is in it.
    pub(crate) fn next_block(&self, block: u64) -> Option<u64> {
        let first = |set: &BTreeSet<(Key, u64)>| set.range(edge(block)..).next().map(|(key, _)| key.block);
        first(&self.froms).into_iter().chain(first(&self.tos)).min()
    }
    /// Add what it has of some blocks.
    pub(crate) fn gather(&self, blocks: Range<u64>, into: &mut Gathered) {
        let range = edge(blocks.start)..edge(blocks.end);
        for &(key, from) in self.froms.range(range.clone()) {
            into.push(Table::From, Row { key, from, to: FOREVER, blocks: 1 });
        }
        for &(key, to) in self.tos.range(range) {
            into.push(Table::To, Row { key, from: 0, to, blocks: 1 });
        }
    }
}

/// Before anything of a block.
fn edge(block: u64) -> (Key, u64) {
    (Key { block, line: 0, at: 0 }, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key { block: 3, line: 1, at: 8 };

    #[test]
    fn what_begins_and_ends_in_one_version_leaves_nothing() {
        let mut writes = WriteStore::default();
        assert!(!writes.add(KEY, 5) && writes.remove(KEY, 5));
        assert!(!writes.remove(KEY, 5) && writes.add(KEY, 5), "the old interval goes on");
        assert_eq!(writes.len(), 0);
    }

    #[test]
    fn what_a_snapshot_came_between_stays() {
        let mut writes = WriteStore::default();
        assert!(!writes.add(KEY, 5) && !writes.remove(KEY, 6));
        let ends: Vec<Row> =
            [Table::From, Table::To].into_iter().flat_map(|table| writes.take(table)).collect();
        assert_eq!(ends.iter().map(|row| (row.from, row.to)).collect::<Vec<_>>(), [(5, FOREVER), (0, 6)]);
    }
}
