//! Volumes, snapshots and clones: making, deleting, listing, comparing, measuring.
//!
//! Invariant: each of these is atomic: after a crash it has wholly happened or not at all, in the order of the calls.

use crate::Pool;
use crate::write::VERSION_BLOCKS_MAX;
use spinney_core::{DevId, Error, LbaRange, Result};
use spinney_snap::{Access, Delta, Progress, Usage, Version, Work};

/// Units of a commit's budget of background work that may have to wait for the device once: a full index node, so that by the default
/// budget a flush waits some eight times (0.5 ms on flash, where it takes 2 by itself) for pages that nobody had in memory.
const UNITS_OF_A_WAIT: u64 = 512;

/// Of work that is only opportune: what cannot be admitted or even planned (a damaged tree of a deleted version, say, which `check`
/// reports) must not keep anybody from writing and flushing. A request that failed is told all the same.
pub(crate) fn opportune<T: Default>(planned: Result<T>) -> Result<T> {
    match planned {
        Err(error @ (Error::Io { .. } | Error::Closed)) => Err(error),
        other => Ok(other.unwrap_or_default()),
    }
}

impl Pool {
    /// A new volume of `blocks` blocks, all holes. Errors: `OutOfRange` if its bytes cannot be counted in 64 bits.
    pub fn create(&mut self, blocks: u64) -> Result<DevId> {
        self.alive()?;
        Pool::countable(blocks)?;
        self.admit(Work::Create(blocks))?;
        self.whole(|pool| pool.begin(blocks))
    }

    pub(crate) fn countable(blocks: u64) -> Result<()> {
        let limit = VERSION_BLOCKS_MAX;
        if blocks <= limit { Ok(()) } else { Err(Error::OutOfRange { start: 0, length: blocks, limit }) }
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
        self.admit_sharing(of)?;
        self.admit(Work::Snapshot(of))?;
        self.whole(|pool| pool.begin_from(of, access))
    }

    /// Delete a version. Its space comes back over the next commits. Works on a full pool. Errors: `Busy` if it has a name.
    pub fn delete(&mut self, dev: DevId) -> Result<()> {
        self.alive()?;
        self.scheme.version(dev, &self.pages)?;
        if self.names.has(dev, &self.pages)? {
            return Err(Error::Busy("the version has a name: destroy it by that"));
        }
        if self.reaps {
            // It may be one that lost its name before a crash and is to go anyway.
            self.admit_names(&[Work::Delete(dev)], 1, true)?;
        } else {
            self.admit_delete(dev)?;
        }
        self.whole(|pool| {
            pool.end(dev)?;
            if pool.reaps { pool.names.forget_doomed(dev, &mut pool.pages) } else { Ok(()) }
        })?;
        self.tend_left = u64::MAX;
        self.release_freed()
    }

    /// Give a volume blocks of its own for all that it shares with what it was taken from, in the background of the next commits
    /// (`copy_budget`, `tend_budget`), and then let it forget that one. Names and origins stay. Errors: `NotFound`, `ReadOnly`; `Unsupported`
    /// by a scheme that has no use for it.
    pub fn detach(&mut self, dev: DevId) -> Result<()> {
        self.alive()?;
        self.admit(Work::Delete(dev))?;
        match self.scheme.detach(dev, &mut self.pages) {
            Err(error @ (Error::Unsupported(_) | Error::NotFound(_) | Error::ReadOnly(_))) => Err(error),
            done => {
                self.whole(|_| done)?;
                self.tend_left = u64::MAX;
                Ok(())
            }
        }
    }

    /// Do up to `budget` units of background work now. `left == 0` means idle.
    pub fn tend(&mut self, budget: u64) -> Result<Progress> {
        self.alive()?;
        self.ask_what_is_left()?;
        let budget = self.tend_budget(budget)?;
        self.tend_admitted(budget)
    }

    /// Units of background work that are left, as far as is known without looking.
    #[must_use]
    pub fn work_left(&self) -> u64 {
        self.tend_left
    }

    /// A snapshot or a write may leave work as a delete does (a hidden version to look at, garbage to sweep).
    pub(crate) fn ask_what_is_left(&mut self) -> Result<()> {
        if self.tend_left == 0 {
            self.tend_left = self.scheme.tend(0, &mut self.pages, &mut self.freed)?.left;
        }
        Ok(())
    }

    /// Background work of a commit, where it is only opportune: the budget, or less of it where that has to wait for the device.
    pub(crate) fn tend_if_possible(&mut self) -> Result<u64> {
        self.tend_within((self.options.tend_budget / UNITS_OF_A_WAIT).max(1))
    }

    /// The same for somebody who has to wait for space in any case.
    pub(crate) fn tend_at_length(&mut self) -> Result<u64> {
        self.tend_within(u64::MAX)
    }

    /// The budget, until pages had to be waited for so many times; at least a part of it. How much was done.
    ///
    /// A unit seldom waits more than once, so a part has no more units than waits are left; while none has to wait, they double.
    fn tend_within(&mut self, waits_max: u64) -> Result<u64> {
        let asked = self.ask_what_is_left();
        opportune(asked)?;
        let (budget, began) = (self.options.tend_budget, self.pages.waits());
        let (mut done, mut part) = (0, waits_max);
        while self.tend_left > 0 && done < budget && part > 0 {
            let before = self.pages.waits();
            let admitted = opportune(self.tend_budget(part.min(budget - done)))?;
            let progress = self.tend_admitted(admitted)?;
            if progress.done == 0 {
                break;
            }
            done += progress.done;
            let (waits, waits_left) =
                (self.pages.waits(), waits_max.saturating_sub(self.pages.waits() - began));
            part = match waits == before {
                true => part.saturating_mul(2).min(waits_left.max(UNITS_OF_A_WAIT)),
                false => waits_left,
            };
        }
        Ok(done)
    }

    fn tend_admitted(&mut self, budget: u64) -> Result<Progress> {
        if budget == 0 {
            return Ok(Progress { done: 0, left: self.tend_left });
        }
        let (any, beyond_log) = (self.dirty.any, self.dirty.beyond_log);
        let progress = self.whole(|pool| pool.scheme.tend(budget, &mut pool.pages, &mut pool.freed))?;
        self.dirty.any = any || progress.done > 0;
        self.dirty.beyond_log = beyond_log || progress.done > 0;
        self.tend_left = progress.left;
        self.release_freed()?;
        Ok(progress)
    }

    /// Commit, tend and copy until nothing is pending and every freed block is allocatable again, or as long as that brings
    /// anything: a reader may hold blocks back. Errors: as `tend`; `NoPages` if there is no room to go on.
    pub fn settle(&mut self) -> Result<()> {
        self.reap_if_possible()?;
        let mut stuck = false;
        loop {
            let (before, copied) = (self.pending(), self.stats.relocated_blocks);
            self.allocator.hurry();
            self.dirty.any = true;
            self.commit()?;
            // A pool that is set to do none by itself does it here all the same.
            let progress = self.tend(self.options.tend_budget.max(1))?;
            let after = self.pending();
            let drains = self.allocator.is_draining(self.pages.oldest_view());
            if self.stats.relocated_blocks > copied {
                stuck = false; // there may be more to copy
                continue;
            }
            match (progress.done, progress.left) {
                (0, 0) if after.0 == 0 => return Ok(()),
                // As much as before may be other blocks: metadata gives some back after a commit.
                (0, 0) if after == before && !drains && stuck => return Ok(()),
                (0, 1..) if after == before => {
                    return Err(Error::NoPages { needed: 1, free: self.pages.room() });
                }
                _ => {}
            }
            stuck = after == before && !drains;
        }
    }

    /// Blocks that are not allocatable yet, and those that metadata has, which a commit may give back.
    fn pending(&self) -> (u64, u64) {
        (self.allocator.stats().deferred_blocks, self.pages.area_blocks())
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

    /// Data blocks that deleting just these versions would give back, exactly, without deleting them. Errors: `NotFound`.
    pub fn freed_by_deleting(&self, doomed: &[DevId]) -> Result<u64> {
        self.alive()?;
        self.scheme.freed_by_deleting(doomed, &self.pages)
    }

    /// Blocks that a version shares and may come to own by copies that its scheme has still to wish for: plan for them.
    pub fn latent_growth_blocks(&self, dev: DevId) -> Result<u64> {
        self.alive()?;
        self.scheme.latent_growth_blocks(dev, &self.pages)
    }

    /// Exact space of a version.
    pub fn usage(&self, dev: DevId) -> Result<Usage> {
        self.alive()?;
        self.scheme.usage(dev, &self.pages)
    }
}
