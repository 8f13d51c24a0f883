//! The oracle of snapshot schemes: a plain map for each version, and mark and sweep over them.
//!
//! Invariant: a snapshot is a whole copy; nothing is shared, counted or deferred. Knows no page and no scheme.

use spinney_core::{DevId, Lba, LbaRange, Pba};
use spinney_snap::{Access, Delta, Run, Usage};
use std::collections::{BTreeMap, BTreeSet};

/// One version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ModelVersion {
    /// Logical blocks.
    pub blocks: u64,
    /// Whether it may be written.
    pub access: Access,
    /// What it was taken from.
    pub parent: Option<DevId>,
    /// Where each mapped block is.
    pub map: BTreeMap<u64, Pba>,
}

/// Every live version.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SchemeModel {
    /// By id.
    pub versions: BTreeMap<DevId, ModelVersion>,
}

/// What two runs of blocks have to have in common to be one.
fn follows(start: Option<Pba>, blocks: u64, next: Option<Pba>) -> bool {
    start.map(|start| Pba(start.0 + blocks)) == next
}

impl SchemeModel {
    /// A new volume.
    pub fn create(&mut self, dev: DevId, blocks: u64) {
        let version = ModelVersion { blocks, access: Access::Writable, parent: None, map: BTreeMap::new() };
        assert!(self.versions.insert(dev, version).is_none(), "{dev:?} was issued twice");
    }
    /// A copy.
    pub fn snapshot(&mut self, dev: DevId, of: DevId, access: Access) {
        let version = ModelVersion { access, parent: Some(of), ..self.versions[&of].clone() };
        assert!(self.versions.insert(dev, version).is_none(), "{dev:?} was issued twice");
    }
    /// Blocks that some version maps, in order: mark and sweep.
    #[must_use]
    pub fn reachable(&self) -> Vec<Pba> {
        let maps = self.versions.values().map(|version| &version.map);
        let mut blocks: Vec<Pba> = maps.flat_map(|map| map.values().copied()).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }
    /// Blocks that exactly one version maps.
    #[must_use]
    pub fn owned_alone(&self) -> BTreeSet<Pba> {
        let maps = self.versions.values().map(|version| &version.map);
        let mut blocks: Vec<Pba> = maps.flat_map(|map| map.values().copied()).collect();
        blocks.sort_unstable();
        blocks.chunk_by(|a, b| a == b).filter(|same| same.len() == 1).map(|same| same[0]).collect()
    }
    /// Space of one version, `alone` being [`SchemeModel::owned_alone`].
    #[must_use]
    pub fn usage(&self, dev: DevId, alone: &BTreeSet<Pba>) -> Usage {
        let map = &self.versions[&dev].map;
        let exclusive = map.values().filter(|on| alone.contains(on)).count() as u64;
        let referenced = map.len() as u64;
        Usage {
            referenced_blocks: referenced,
            exclusive_blocks: exclusive,
            shared_blocks: referenced - exclusive,
        }
    }
    /// Blocks that these versions map and no other does.
    #[must_use]
    pub fn freed_by_deleting(&self, doomed: &[DevId]) -> u64 {
        let mut rest = self.clone();
        rest.versions.retain(|dev, _| !doomed.contains(dev));
        (self.reachable().len() - rest.reachable().len()) as u64
    }
    /// The range's runs, each as long as it can be.
    #[must_use]
    pub fn lookup(&self, dev: DevId, range: LbaRange) -> Vec<Run> {
        let map = &self.versions[&dev].map;
        joined((range.start.0..range.end().0).map(|at| Run {
            at: Lba(at),
            blocks: 1,
            on: map.get(&at).copied(),
        }))
    }
    /// Each block of the range that lies elsewhere in `new` than in `old`.
    #[must_use]
    pub fn diff(&self, old: DevId, new: DevId, range: LbaRange) -> Vec<Delta> {
        let (old, new) = (&self.versions[&old].map, &self.versions[&new].map);
        let delta =
            |at| Delta { at: Lba(at), blocks: 1, old: old.get(&at).copied(), new: new.get(&at).copied() };
        (range.start.0..range.end().0).map(delta).filter(|delta| delta.old != delta.new).collect()
    }
}

/// Runs that touch made one, after a check that they are in order, not empty and without a gap.
pub fn joined(runs: impl IntoIterator<Item = Run>) -> Vec<Run> {
    let mut out: Vec<Run> = Vec::new();
    for run in runs {
        assert!(run.blocks > 0, "an empty run at {:?}", run.at);
        match out.last_mut() {
            Some(last) => {
                assert_eq!(last.at.0 + last.blocks, run.at.0, "runs are in order and without a gap");
                if follows(last.on, last.blocks, run.on) {
                    last.blocks += run.blocks;
                } else {
                    out.push(run);
                }
            }
            None => out.push(run),
        }
    }
    out
}

/// A scheme's pieces of a difference, block by block, after a check that they are in order and not empty.
#[must_use]
pub fn single(deltas: &[Delta]) -> Vec<Delta> {
    let mut out: Vec<Delta> = Vec::new();
    for delta in deltas {
        assert!(delta.blocks > 0, "an empty delta at {:?}", delta.at);
        assert!(out.last().is_none_or(|last| last.at < delta.at), "deltas are in order");
        let shift = |start: Option<Pba>, by| start.map(|start| Pba(start.0 + by));
        out.extend((0..delta.blocks).map(|by| Delta {
            at: Lba(delta.at.0 + by),
            blocks: 1,
            old: shift(delta.old, by),
            new: shift(delta.new, by),
        }));
    }
    out
}
