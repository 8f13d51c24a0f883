//! Admission: the only place where a pool can say that there is no space.
//!
//! Invariant: an operation that was admitted, and the commit after it, cannot run out of blocks or pages. What only gives
//! space back may use a reserve of pages that nothing else may touch, so a delete works on a full pool.

use crate::Pool;
use spinney_alloc::Grant;
use spinney_core::{DevId, Error, LbaRange, Result};
use spinney_snap::{Work, WritePlan};

/// Commits that may pass without a block coming back before a request is refused; reclaim policies hold blocks for a few.
const PATIENCE: u32 = 4;

impl Pool {
    /// The pages that only deletes and discards may use.
    fn slop_pages(&self) -> u64 {
        (self.layout.area.blocks / 32).max(8)
    }

    /// At most how many pages `work` and the commit after it need, if it takes `takes` fresh blocks.
    fn pages_needed(&self, work: Work, takes: u64) -> Result<u64> {
        let frees = self.scheme.frees_bound(work, &self.pages)?;
        let commit = self.scheme.pages_bound(Work::Commit, &self.pages)?;
        let work = self.scheme.pages_bound(work, &self.pages)?;
        Ok(work + commit + self.checksums.pages_bound(takes) + self.allocator.pages_bound(takes + frees))
    }

    /// Whether `work` may start now; `reserve` pages stay untouched.
    fn fits(&self, work: Work, takes: u64, reserve: u64) -> Result<()> {
        let needed = self.pages_needed(work, takes)?;
        let free = self.pages.room().saturating_sub(reserve);
        if needed <= free { Ok(()) } else { Err(Error::NoPages { needed, free }) }
    }

    /// Admit `work`, after a commit if that makes room.
    fn admit_with(&mut self, work: Work, takes: u64, reserve: u64) -> Result<()> {
        match self.fits(work, takes, reserve) {
            Err(Error::NoPages { .. }) if self.dirty.any => {
                self.commit()?;
                self.fits(work, takes, reserve)
            }
            fits => fits,
        }
    }

    /// Admit work that may make the pool fuller.
    pub(crate) fn admit(&mut self, work: Work) -> Result<()> {
        self.admit_with(work, 0, self.slop_pages())
    }

    /// Admit work that gives space back: it may use the reserve.
    pub(crate) fn admit_shrinking(&mut self, work: Work) -> Result<()> {
        self.admit_with(work, 0, 0)
    }

    /// Plan a write and set aside all that it needs. A refusal changes nothing.
    pub(crate) fn admit_write(&mut self, dev: DevId, range: LbaRange) -> Result<(WritePlan, Grant)> {
        let mut patience = PATIENCE;
        loop {
            let mut plan = WritePlan::default();
            self.scheme.plan_write(dev, range, &self.pages, &mut plan)?;
            let takes = plan.blocks_bound();
            let epoch = self.epoch;
            self.admit_with(Work::Map(dev, range), takes, self.slop_pages())?;
            if self.epoch != epoch {
                continue; // a commit tends, and may have changed what is shared
            }
            match self.allocator.reserve(takes) {
                Ok(grant) => return Ok((plan, grant)),
                Err(refused) => self.wait_for_space(&mut patience, refused)?,
            }
        }
    }

    /// Commit so that deferred and pending frees come back; give `refused` back once that brings nothing more.
    fn wait_for_space(&mut self, patience: &mut u32, refused: Error) -> Result<()> {
        let before = self.allocator.stats();
        let pending = before.deferred_blocks > 0 || self.tend_left > 0;
        if !matches!(refused, Error::NoSpace { .. }) || !pending || *patience == 0 {
            return Err(refused);
        }
        self.dirty.any = true;
        self.commit()?;
        let after = self.allocator.stats();
        let gained = after.free_blocks > before.free_blocks || after.deferred_blocks > before.deferred_blocks;
        *patience = if gained { PATIENCE } else { *patience - 1 };
        Ok(())
    }

    /// The largest budget of background work that is admitted now, 0 if none.
    pub(crate) fn tend_budget(&self, wish: u64) -> Result<u64> {
        let mut budget = wish;
        while budget > 0 {
            match self.fits(Work::Tend(budget), 0, 0) {
                Err(Error::NoPages { .. }) => budget /= 2,
                other => return other.map(|()| budget),
            }
        }
        Ok(0)
    }
}
