//! Schemes that break one law.
//!
//! Invariant: with the fault left out they are the scheme inside.

use super::sharing::{blocks_of, shared_block};
use super::sound;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Result, Root,
};
use spinney_registry::{PoolSpec, Registry};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Relocation, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_volume::Parts;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twist {
    ForgetsFreed,
    FreesEarly,
    IgnoresUnmap,
    SharesLiveRoot,
    FreesShared,
    CountSaturates,
    MiscountsClonesOfClones,
    CallsSharedExclusive,
    MissesHoles,
    ForgetsDeletedOnOpen,
    MapsTailOntoHead,
}

struct Twisted {
    inner: Box<dyn SnapshotScheme>,
    twist: Twist,
    calls: u64,
    /// Snapshots that show what their origin holds now.
    live: BTreeMap<DevId, DevId>,
    /// Versions that nobody knows of.
    hidden: BTreeSet<DevId>,
    reopened: bool,
}

fn twisted(registry: &Registry, spec: &PoolSpec, twist: Twist) -> Parts {
    let parts = sound(registry, spec);
    let (live, hidden) = (BTreeMap::new(), BTreeSet::new());
    let scheme = Twisted { inner: parts.scheme, twist, calls: 0, live, hidden, reopened: false };
    Parts { scheme: Box::new(scheme), ..parts }
}

pub(super) fn forgets_freed(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::ForgetsFreed)
}

pub(super) fn frees_early(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::FreesEarly)
}

pub(super) fn ignores_unmap(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::IgnoresUnmap)
}

pub(super) fn shares_live_root(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::SharesLiveRoot)
}

pub(super) fn frees_shared(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::FreesShared)
}

pub(super) fn count_saturates(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::CountSaturates)
}

pub(super) fn miscounts_clones_of_clones(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::MiscountsClonesOfClones)
}

pub(super) fn calls_shared_exclusive(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::CallsSharedExclusive)
}

pub(super) fn misses_holes(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::MissesHoles)
}

pub(super) fn forgets_deleted_on_open(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::ForgetsDeletedOnOpen)
}

pub(super) fn maps_tail_onto_head(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::MapsTailOntoHead)
}

impl Twisted {
    /// Hand over what was freed, but for every tenth run if that is the fault.
    fn pass(&mut self, mut from: Freed, to: &mut Freed) {
        for run in from.drain() {
            self.calls += 1;
            if self.twist != Twist::ForgetsFreed || !self.calls.is_multiple_of(10) {
                to.push(run);
            }
        }
    }
}

impl SnapshotScheme for Twisted {
    fn limits(&self) -> Limits {
        self.inner.limits()
    }
    fn blocks_end(&mut self, end: Pba) {
        self.inner.blocks_end(end);
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.inner.format(pages)
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.reopened = true;
        self.inner.open(root, pages)
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.inner.create(blocks, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.inner.snapshot(of, access, pages)?;
        let grandchild = match self.inner.version(of, pages)?.parent {
            Some(_) => access == Access::Writable,
            None => false,
        };
        match self.twist {
            Twist::SharesLiveRoot if access == Access::ReadOnly => drop(self.live.insert(dev, of)),
            Twist::MiscountsClonesOfClones if grandchild => {
                let hidden = self.inner.snapshot(dev, Access::ReadOnly, pages)?;
                self.hidden.insert(hidden);
            }
            _ => {}
        }
        Ok(dev)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        let mut own = Freed::default();
        let owners = match self.twist {
            Twist::FreesShared => 2,
            Twist::CountSaturates => 4,
            _ => u64::MAX,
        };
        if owners < u64::MAX
            && let Some(block) = shared_block(&*self.inner, dev, owners, pages)?
        {
            freed.push(block);
        }
        self.inner.delete(dev, pages, &mut own)?;
        self.pass(own, freed);
        Ok(())
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        self.inner.plan_write(dev, range, pages, plan)
    }
    fn map(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        let mut own = Freed::default();
        let replaced = blocks_of(&*self.inner, dev, LbaRange::new(at, on.blocks), pages)?;
        if self.twist == Twist::MapsTailOntoHead && on.blocks > 2 {
            let most = Extent { blocks: on.blocks - 1, ..on };
            self.inner.map(dev, at, most, pages, &mut own)?;
            let (tail, head) = (Lba(at.0 + most.blocks), Extent { blocks: 1, ..on });
            self.inner.map(dev, tail, head, pages, &mut own)?;
        } else {
            self.inner.map(dev, at, on, pages, &mut own)?;
        }
        match self.twist {
            Twist::FreesEarly => replaced.into_iter().for_each(|run| freed.push(run)),
            _ => self.pass(own, freed),
        }
        Ok(())
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        self.calls += u64::from(self.twist == Twist::IgnoresUnmap);
        if self.twist == Twist::IgnoresUnmap && self.calls.is_multiple_of(3) {
            return Ok(());
        }
        let mut own = Freed::default();
        self.inner.unmap(dev, range, pages, &mut own)?;
        self.pass(own, freed);
        Ok(())
    }
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        let live = self.live.get(&dev).filter(|of| self.inner.version(**of, pages).is_ok());
        self.inner.lookup(*live.unwrap_or(&dev), range, pages, each)
    }
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()> {
        let misses = self.twist == Twist::MissesHoles;
        self.inner.diff(old, new, range, pages, &mut |delta| {
            if !misses || delta.new.is_some() {
                each(delta);
            }
        })
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        let usage = self.inner.usage(dev, pages)?;
        Ok(match self.twist {
            Twist::CallsSharedExclusive => {
                Usage { exclusive_blocks: usage.referenced_blocks, shared_blocks: 0, ..usage }
            }
            _ => usage,
        })
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        self.inner.version(dev, pages)
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.inner.versions(pages, &mut |version| {
            if !self.hidden.contains(&version.dev) {
                each(version);
            }
        })
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        if self.twist == Twist::ForgetsDeletedOnOpen && self.reopened {
            return Ok(Progress::default());
        }
        let mut own = Freed::default();
        let progress = self.inner.tend(budget, pages, &mut own)?;
        self.pass(own, freed);
        Ok(progress)
    }
    fn detach(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.inner.detach(dev, pages)
    }
    fn next_relocation(&mut self, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        self.inner.next_relocation(pages)
    }
    fn watches_reads(&self) -> bool {
        self.inner.watches_reads()
    }
    fn jumped(&mut self, dev: DevId, before: Lba, after: Lba) {
        self.inner.jumped(dev, before, after);
    }
    fn latent_growth_blocks(&self, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
        self.inner.latent_growth_blocks(dev, pages)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        self.inner.pages_bound(work, pages)
    }
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        self.inner.frees_bound(work, pages)
    }
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        self.inner.commit(epoch, pages)
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.inner.visit_blocks(pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.inner.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.inner.check(pages, found)
    }
}
