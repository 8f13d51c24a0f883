//! Copy-on-abundant-write (Zhan et al., FAST 2020; TOS 2021) as a policy over any snapshot scheme (section 3.4 of the notes).
//!
//! Invariant: the map is the record. What a unit's deltas are, and how much of it was written since its last full copy, follows from
//! where its blocks lie, so a snapshot inherits both for nothing, a crash cannot part them from the data, and the pages are the
//! base's alone. The policy only ever wishes for copies; who owns what is the base's business. Knows no base by name.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![no_std]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod entry;
mod fault;
#[cfg(test)]
mod planted;
mod rule;
#[cfg(test)]
mod tests;
mod touched;
mod unit;
mod wish;
mod write;

pub use entry::{entry, over};
pub use rule::Rule;

use alloc::boxed::Box;
use spinney_core::{
    DevId, Epoch, Extent, Finding, Lba, LbaRange, PageNo, PageRead, PageTxn, Pba, Result, Root,
};
use spinney_snap::{
    Access, Delta, Freed, Limits, Progress, Relocation, Run, SnapshotScheme, Usage, Version, Work, WritePlan,
};
use touched::Touched;

/// The policy and the scheme below it. Make it with [`Caw::new`] or [`over`], then `format` or `open`.
pub struct Caw {
    base: Box<dyn SnapshotScheme>,
    rule: Rule,
    touched: Touched,
}

impl Caw {
    /// The policy over `base`, which must offer to overwrite what a version owns alone: that is how the policy learns what is shared.
    /// Errors: `BadSetting`.
    pub fn new(base: Box<dyn SnapshotScheme>, rule: Rule) -> Result<Caw> {
        Ok(Caw { base, rule: rule.checked()?, touched: Touched::new(&rule) })
    }
}

impl SnapshotScheme for Caw {
    fn limits(&self) -> Limits {
        self.base.limits()
    }
    fn blocks_end(&mut self, end: Pba) {
        self.base.blocks_end(end);
    }
    fn format(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.touched = Touched::new(&self.rule);
        self.base.format(pages)
    }
    fn open(&mut self, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.touched = Touched::new(&self.rule);
        self.base.open(root, pages)
    }
    fn create(&mut self, blocks: u64, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.base.create(blocks, pages)
    }
    fn snapshot(&mut self, of: DevId, access: Access, pages: &mut dyn PageTxn) -> Result<DevId> {
        self.base.snapshot(of, access, pages)
    }
    fn delete(&mut self, dev: DevId, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<()> {
        self.base.delete(dev, pages, freed)?;
        self.touched.forget(dev);
        Ok(())
    }
    fn plan_write(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        plan: &mut WritePlan,
    ) -> Result<()> {
        write::plan(self, dev, range, pages, plan)
    }
    fn map(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        self.base.map(dev, at, on, pages, freed)?;
        self.touched.note(dev, self.rule.units(LbaRange::new(at, on.blocks)));
        Ok(())
    }
    fn unmap(
        &mut self,
        dev: DevId,
        range: LbaRange,
        pages: &mut dyn PageTxn,
        freed: &mut Freed,
    ) -> Result<()> {
        self.base.unmap(dev, range, pages, freed)
    }
    fn lookup(
        &self,
        dev: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        self.base.lookup(dev, range, pages, each)
    }
    fn diff(
        &self,
        old: DevId,
        new: DevId,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Delta),
    ) -> Result<()> {
        self.base.diff(old, new, range, pages, each)
    }
    fn usage(&self, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
        self.base.usage(dev, pages)
    }
    fn freed_by_deleting(&self, doomed: &[DevId], pages: &dyn PageRead) -> Result<u64> {
        self.base.freed_by_deleting(doomed, pages)
    }
    fn version(&self, dev: DevId, pages: &dyn PageRead) -> Result<Version> {
        self.base.version(dev, pages)
    }
    fn versions(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Version)) -> Result<()> {
        self.base.versions(pages, each)
    }
    fn tend(&mut self, budget: u64, pages: &mut dyn PageTxn, freed: &mut Freed) -> Result<Progress> {
        self.base.tend(budget, pages, freed)
    }
    fn detach(&mut self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.base.detach(dev, pages)
    }
    fn next_relocation(&mut self, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        match wish::next(self, pages)? {
            None => self.base.next_relocation(pages),
            wish => Ok(wish),
        }
    }
    fn watches_reads(&self) -> bool {
        self.rule.read_seeks > 0 || self.base.watches_reads()
    }
    fn jumped(&mut self, dev: DevId, before: Lba, after: Lba) {
        let unit = after.0 / self.rule.unit_blocks;
        if self.rule.read_seeks > 0 && before.0 / self.rule.unit_blocks == unit {
            self.touched.pay((dev, unit), self.rule.read_seeks);
        }
        self.base.jumped(dev, before, after);
    }
    fn latent_growth_blocks(&self, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
        wish::latent_growth_blocks(self, dev, pages)
    }
    fn pages_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        self.base.pages_bound(work, pages)
    }
    fn frees_bound(&self, work: Work, pages: &dyn PageRead) -> Result<u64> {
        self.base.frees_bound(work, pages)
    }
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        self.touched.commit();
        self.base.commit(epoch, pages)
    }
    fn visit_blocks(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.base.visit_blocks(pages, each)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.base.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.base.check(pages, found)
    }
}
