//! Schemes that break one law.
//!
//! Invariant: with the fault left out they are the scheme inside.

use super::sound;
use spinney_core::{DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Result, Root};
use spinney_registry::{PoolSpec, Registry};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use spinney_volume::Parts;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twist {
    ForgetsFreed,
    FreesEarly,
    IgnoresUnmap,
}

struct Twisted {
    inner: Box<dyn SnapshotScheme>,
    twist: Twist,
    calls: u64,
}

fn twisted(registry: &Registry, spec: &PoolSpec, twist: Twist) -> Parts {
    let parts = sound(registry, spec);
    Parts { scheme: Box::new(Twisted { inner: parts.scheme, twist, calls: 0 }), ..parts }
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
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.inner.format(pages)
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.inner.open(root, pages)
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.inner.create(blocks, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.inner.snapshot(of, access, pages)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        let mut own = Freed::default();
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
        let mut replaced = Vec::new();
        let range = LbaRange::new(at, on.blocks);
        self.inner.lookup(dev, range, pages, &mut |run| {
            replaced.extend(run.on.map(|on| Extent { start: on, blocks: run.blocks }));
        })?;
        self.inner.map(dev, at, on, pages, &mut own)?;
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
        self.inner.lookup(dev, range, pages, each)
    }
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()> {
        self.inner.diff(old, new, range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        self.inner.usage(dev, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        self.inner.version(dev, pages)
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.inner.versions(pages, each)
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        let mut own = Freed::default();
        let progress = self.inner.tend(budget, pages, &mut own)?;
        self.pass(own, freed);
        Ok(progress)
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
