//! What is free below the high-water mark, as records by the epoch that freed it.
//!
//! Invariant: entries are disjoint; `ops` is what the map on pages lacks of them. Chooses no block and knows no reader.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use spinney_core::Extent;
use spinney_core::Pba;

/// The key of runs that no epoch freed: gaps that an alignment left below the high-water mark.
pub(crate) const NEVER_USED: u64 = 0;

/// The entries, in memory.
#[derive(Debug, Default)]
pub(crate) struct Records {
    /// By first block: blocks, and the epoch that freed them.
    entries: BTreeMap<u64, (u64, u64)>,
    /// What the map needs: a key (epoch, first block) put with these blocks, or removed.
    ops: BTreeMap<(u64, u64), Option<u64>>,
}

impl Records {
    pub(crate) fn len(&self) -> u64 {
        self.entries.len() as u64
    }
    pub(crate) fn ops(&self) -> u64 {
        self.ops.len() as u64
    }
    /// Everything as the map has it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = ((u64, u64), u64)> + '_ {
        self.entries.iter().map(|(start, (blocks, epoch))| ((*epoch, *start), *blocks))
    }
    /// The first entry that overlaps `run`.
    pub(crate) fn overlap(&self, run: Extent) -> Option<Extent> {
        let (start, (blocks, _)) = self.entries.range(..run.end().0).next_back()?;
        Extent::checked(*start, *blocks).filter(|entry| entry.end() > run.start)
    }
    /// An entry as it was read; false if it overlaps another.
    pub(crate) fn read(&mut self, epoch: u64, run: Extent) -> bool {
        self.overlap(run).is_none() && self.entries.insert(run.start.0, (run.blocks, epoch)).is_none()
    }
    /// `run` is free from `epoch` on.
    pub(crate) fn put(&mut self, epoch: u64, run: Extent) {
        self.entries.insert(run.start.0, (run.blocks, epoch));
        self.ops.insert((epoch, run.start.0), Some(run.blocks));
    }
    /// `run` is taken: the entries that it cuts keep their rest.
    pub(crate) fn take(&mut self, run: Extent) {
        while let Some(entry) = self.overlap(run) {
            let Some((_, epoch)) = self.entries.remove(&entry.start.0) else { return };
            self.ops.insert((epoch, entry.start.0), None);
            if entry.start < run.start {
                self.put(epoch, Extent { blocks: run.start.0 - entry.start.0, ..entry });
            }
            if let Some(rest) = entry.end().0.checked_sub(run.end().0).filter(|rest| *rest > 0) {
                self.put(epoch, Extent { start: Pba(run.end().0), blocks: rest });
            }
        }
    }
    /// What the map needs, in the order of its keys; nothing is left.
    pub(crate) fn drain(&mut self) -> Vec<((u64, u64), Option<u64>)> {
        core::mem::take(&mut self.ops).into_iter().collect()
    }
    /// Bytes of memory: an entry of three words in nodes that are two thirds full.
    pub(crate) fn memory_bytes(&self) -> u64 {
        (self.len() + self.ops()) * 36
    }
}
