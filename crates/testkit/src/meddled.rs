//! A scheme with whose pages somebody meddles after each call: a planted fault, for a scheme's tests to show that the laws
//! would see it.
//!
//! Invariant: with a meddler that does nothing it is the scheme inside. Knows no scheme; the meddler does.

use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Relocation, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};

/// The call that has just been done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Call {
    /// `snapshot`: of which version, and the new one.
    Snapshot(DevId, DevId),
    /// `map` or `unmap` of a version.
    Change(DevId),
    /// `delete` of a version.
    Delete(DevId),
}

/// What is done after each call.
pub type Meddler = fn(Call, &mut dyn SnapshotScheme, &mut dyn PageTxn) -> Result<()>;

/// The scheme and who meddles with it.
pub struct Meddled {
    /// The sound scheme.
    pub inner: Box<dyn SnapshotScheme>,
    /// The fault.
    pub meddler: Meddler,
}

impl Meddled {
    fn after(&mut self, call: Call, pages: &mut dyn PageTxn) -> Result<()> {
        (self.meddler)(call, &mut *self.inner, pages)
    }
}

impl SnapshotScheme for Meddled {
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
        self.inner.open(root, pages)
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.inner.create(blocks, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        let dev = self.inner.snapshot(of, access, pages)?;
        self.after(Call::Snapshot(of, dev), pages)?;
        Ok(dev)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        self.inner.delete(dev, pages, freed)?;
        self.after(Call::Delete(dev), pages)
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
        self.inner.map(dev, at, on, pages, freed)?;
        self.after(Call::Change(dev), pages)
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        self.inner.unmap(dev, range, pages, freed)?;
        self.after(Call::Change(dev), pages)
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
        self.inner.tend(budget, pages, freed)
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
