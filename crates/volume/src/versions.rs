//! Volumes, snapshots and clones: making, deleting, listing, comparing, measuring.
//!
//! Invariant: each of these is atomic: after a crash it has wholly happened or not at all, in the order of the calls.

use crate::Pool;
use spinney_core::{DevId, LbaRange, Result};
use spinney_snap::{Access, Delta, Progress, Usage, Version, Work};

impl Pool {
    /// A new volume of `blocks` blocks, all holes.
    pub fn create(&mut self, blocks: u64) -> Result<DevId> {
        self.alive()?;
        self.admit(Work::Create(blocks))?;
        self.whole(|pool| pool.scheme.create(blocks, &mut pool.pages))
    }

    /// A read-only version with the content of `of` as it is now.
    pub fn snapshot(&mut self, of: DevId) -> Result<DevId> {
        self.take(of, Access::ReadOnly)
    }

    /// A writable version with the content of `of` as it is now.
    pub fn clone_of(&mut self, of: DevId) -> Result<DevId> {
        self.take(of, Access::Writable)
    }

    fn take(&mut self, of: DevId, access: Access) -> Result<DevId> {
        self.alive()?;
        self.scheme.version(of, &self.pages)?;
        self.admit(Work::Snapshot(of))?;
        self.whole(|pool| pool.scheme.snapshot(of, access, &mut pool.pages))
    }

    /// Delete a version. Its space comes back over the next commits. Works on a full pool.
    pub fn delete(&mut self, dev: DevId) -> Result<()> {
        self.alive()?;
        self.scheme.version(dev, &self.pages)?;
        self.admit_shrinking(Work::Delete(dev))?;
        self.whole(|pool| pool.scheme.delete(dev, &mut pool.pages, &mut pool.freed))?;
        self.release_freed();
        self.tend_left = u64::MAX;
        Ok(())
    }

    /// Do up to `budget` units of background work now. `left == 0` means idle.
    pub fn tend(&mut self, budget: u64) -> Result<Progress> {
        self.alive()?;
        let budget = self.tend_budget(budget)?;
        if budget == 0 {
            return Ok(Progress { done: 0, left: self.tend_left });
        }
        let any = self.dirty.any;
        let progress = self.whole(|pool| pool.scheme.tend(budget, &mut pool.pages, &mut pool.freed))?;
        self.dirty.any = any || progress.done > 0;
        self.release_freed();
        self.tend_left = progress.left;
        Ok(progress)
    }

    /// Commit and tend until nothing is pending and every freed block is allocatable again.
    pub fn settle(&mut self) -> Result<()> {
        loop {
            self.dirty.any = true;
            let before = self.allocator.stats().deferred_blocks;
            self.commit()?;
            let after = self.allocator.stats().deferred_blocks;
            if self.tend_left == 0 && (after == 0 || after == before) {
                return Ok(());
            }
        }
    }

    /// Every live version, by rising id.
    pub fn versions(&self) -> Result<Vec<Version>> {
        self.alive()?;
        let mut versions = Vec::new();
        self.scheme.versions(&self.pages, &mut |version| versions.push(version))?;
        Ok(versions)
    }

    /// One live version.
    pub fn version(&self, dev: DevId) -> Result<Version> {
        self.alive()?;
        self.scheme.version(dev, &self.pages)
    }

    /// Where `new` differs from `old`, in order.
    pub fn diff(&self, old: DevId, new: DevId, range: LbaRange, each: &mut dyn FnMut(Delta)) -> Result<()> {
        self.alive()?;
        self.scheme.diff(old, new, range, &self.pages, each)
    }

    /// Exact space of a version.
    pub fn usage(&self, dev: DevId) -> Result<Usage> {
        self.alive()?;
        self.scheme.usage(dev, &self.pages)
    }
}
