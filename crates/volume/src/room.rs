//! Admission: the only place where a pool can say that there is no space.
//!
//! Invariant: an operation that was admitted, and the commit after it, cannot run out of blocks or pages. What only gives
//! space back may use a reserve of pages that nothing else may touch, so a delete works on a full pool.

use crate::Pool;
use spinney_alloc::Grant;
use spinney_core::{DevId, Error, Extent, Lba, LbaRange, Pba, Result};
use spinney_snap::{Step, Work, WritePlan};
use std::collections::BTreeMap;

/// Commits that may pass without a block coming back before a request is refused; one may only record frees, or sort them.
const PATIENCE: u32 = 4;
/// Pages of a scheme that are kept for a unit of background work and its commit, at least: flat takes 6. More than the reserve of 24 has
/// anyway only where the allocator may write more than 16.
const UNIT_PAGES: u64 = 8;

impl Pool {
    /// The pages that only deletes and discards may use: 24 let a discard copy the nodes above one block, shared ones
    /// and their counts included, in trees as deep as they come.
    pub(crate) fn slop_pages(&self) -> u64 {
        (self.pages.area_blocks() / 32).max(24)
    }

    /// These, or more where the allocator may write many pages for the one block that a unit of background work lets go of (26 for btrfs with
    /// far places): else deletes could not be followed by their work. Where metadata grows, also the pages by which it can go on growing.
    pub(crate) fn reserve_pages(&self) -> Result<u64> {
        let unit = UNIT_PAGES.saturating_add(self.allocator.pages_bound(1));
        Ok(self.slop_pages().max(unit).saturating_add(self.growth_pages()?))
    }

    /// At most how many pages `work` and the commit after it need, if it takes `takes` fresh blocks.
    pub(crate) fn pages_needed(&self, work: &[Work], takes: u64) -> Result<u64> {
        let mut pages = self.scheme.pages_bound(Work::Commit, &self.pages)?;
        let mut changed_blocks = takes;
        pages = pages.saturating_add(self.references_bound(work)?);
        for work in work {
            pages = pages.saturating_add(self.scheme.pages_bound(*work, &self.pages)?);
            changed_blocks = changed_blocks.saturating_add(self.scheme.frees_bound(*work, &self.pages)?);
        }
        // Each block can be taken once and released once before a commit.
        let space = self.allocator.pages_bound(changed_blocks.min(self.layout.data.blocks.saturating_mul(2)));
        Ok(pages.saturating_add(self.checksums.pages_bound(takes)).saturating_add(space))
    }

    /// Whether `work` may start now; `reserve` pages stay untouched.
    pub(crate) fn fits(&self, work: &[Work], takes: u64, reserve: u64) -> Result<()> {
        let needed = self.pages_needed(work, takes)?;
        let free = self.pages.room().saturating_sub(reserve);
        if needed <= free { Ok(()) } else { Err(Error::NoPages { needed, free }) }
    }

    /// Admit `work`, after commits and background work as long as these may make room.
    pub(crate) fn admit_with(&mut self, work: &[Work], takes: u64, reserve: u64) -> Result<()> {
        loop {
            let refused = match self.fits(work, takes, reserve) {
                Err(refused @ Error::NoPages { .. }) => refused,
                fits => return fits,
            };
            if self.dirty.any {
                self.commit()?;
            } else if self.tend_at_length()? == 0 {
                self.grow_for(refused)?;
            }
        }
    }

    /// Admit work that may make the pool fuller.
    pub(crate) fn admit(&mut self, work: Work) -> Result<()> {
        self.admit_with(&[work], 0, self.reserve_pages()?)
    }

    /// Admit work that takes these fresh blocks at places of its own choice.
    pub(crate) fn admit_fresh(&mut self, work: Work, blocks: u64) -> Result<()> {
        self.admit_with(&[work], blocks, self.reserve_pages()?)
    }

    /// Admit a discard: it may use the reserve but for a third, since below a snapshot it copies nodes to make holes in.
    pub(crate) fn admit_discard(&mut self, dev: DevId, range: LbaRange) -> Result<()> {
        self.admit_giving_back(&[Work::Unmap(dev, range)], self.slop_pages() / 3)
    }

    /// Admit a delete: it may use all of the reserve.
    pub(crate) fn admit_delete(&mut self, dev: DevId) -> Result<()> {
        self.admit_giving_back(&[Work::Delete(dev)], 0)
    }

    /// Admit what gives space back: with room left to grow, by growing, or where neither can be had with all that there is.
    pub(crate) fn admit_giving_back(&mut self, work: &[Work], reserve: u64) -> Result<()> {
        let growth = self.growth_pages()?;
        match self.admit_with(work, 0, reserve.saturating_add(growth)) {
            Err(Error::NoPages { .. }) if growth > 0 => self.admit_with(work, 0, reserve),
            admitted => admitted,
        }
    }

    /// Plan a write and set aside all that it needs. A refusal changes nothing.
    pub(crate) fn admit_write(&mut self, dev: DevId, range: LbaRange) -> Result<(WritePlan, Grant)> {
        let mut patience = PATIENCE;
        loop {
            let mut plan = WritePlan::default();
            self.scheme.plan_write(dev, range, &self.pages, &mut plan)?;
            let spares = self.options.overwrites() && self.dirty.any;
            if self.options.overwrites() && self.pages.oldest_view().is_some() {
                plan = place_anew(plan); // a reader must find what it could reach
            } else if spares {
                plan = self.spare_what_may_return(dev, range, plan)?;
            }
            if plan.copies().next().is_some() && !self.spares(dev, plan.span(range), self.takes(&plan))? {
                plan.drop_copies();
            }
            let takes = self.takes(&plan);
            let epoch = self.epoch;
            let map = [Work::Map(dev, plan.span(range))];
            self.admit_with(if takes == 0 { &[] } else { &map }, takes, self.reserve_pages()?)?;
            if self.epoch != epoch {
                continue; // a commit tends, and may have changed what is shared
            }
            match self.reserve_for(dev, takes) {
                Ok(grant) => return Ok((plan, grant)),
                Err(Error::NoSpace { .. }) if spares => self.commit()?, // what is durable need not be spared
                Err(Error::NoSpace { .. }) if takes <= self.unreserved() && self.count_reserved()? => {}
                Err(refused) => self.wait_for_space(&mut patience, refused)?,
            }
        }
    }

    /// Blocks that are free and not promised to a write under way.
    pub(crate) fn unreserved(&self) -> u64 {
        let space = self.allocator.stats();
        space.free_blocks.saturating_sub(space.reserved_blocks)
    }

    /// Set aside blocks for a write of `dev`, but not those that are kept for other volumes.
    fn reserve_for(&mut self, dev: DevId, takes: u64) -> Result<Grant> {
        let kept = self.kept_from(Some(dev));
        let free = self.unreserved().saturating_sub(kept);
        if kept > 0 && takes > free {
            return Err(Error::NoSpace { needed: takes, free });
        }
        self.allocator.reserve(takes)
    }

    /// Wait until `free` of the pool is `needed`, as long as commits bring anything.
    pub(crate) fn admit_free(&mut self, needed: u64, free: impl Fn(&Pool) -> u64) -> Result<()> {
        let mut patience = PATIENCE;
        while needed > free(self) {
            if needed <= self.unreserved() && self.count_reserved()? {
                continue;
            }
            let refused = Error::NoSpace { needed, free: free(self) };
            self.wait_for_space(&mut patience, refused)?;
        }
        Ok(())
    }

    /// Fresh blocks that a plan needs at most: what is overwritten in place needs none.
    fn takes(&self, plan: &WritePlan) -> u64 {
        let in_place = |step: &Step| self.options.overwrites() && matches!(step, Step::Overwrite { .. });
        plan.0.iter().filter(|step| !in_place(step)).map(Step::blocks).sum()
    }

    /// A cut brings back every version and pointer that the open epoch let go of, and they must find their bytes. So in
    /// place only what `dev` owned alone in the last durable epoch too; the rest is written anew.
    fn spare_what_may_return(&self, dev: DevId, range: LbaRange, plan: WritePlan) -> Result<WritePlan> {
        let mut durable = WritePlan::default();
        match self.scheme.plan_write(dev, range, &self.pages.view(), &mut durable) {
            Ok(()) | Err(Error::NotFound(_)) => {} // not found: made in this epoch, so it owns nothing durable alone
            Err(error) => return Err(error),
        }
        let mut owned = BTreeMap::new();
        for step in &durable.0 {
            each_overwrite(step, |at, on| owned.extend([(at, on)]));
        }
        let mut spared = WritePlan::default();
        for step in plan.0 {
            match step {
                Step::Overwrite { .. } => each_overwrite(&step, |at, on| {
                    spared.0.push(match owned.get(&at) == Some(&on) {
                        true => Step::Overwrite { at, on: Extent { start: on, blocks: 1 } },
                        false => Step::Place { at, blocks: 1, near: Some(on) },
                    })
                }),
                other => spared.0.push(other),
            }
        }
        Ok(spared)
    }

    /// Commit so that deferred and pending frees come back; give `refused` back once that brings nothing more.
    fn wait_for_space(&mut self, patience: &mut u32, refused: Error) -> Result<()> {
        let before = self.allocator.stats();
        let pending = before.deferred_blocks > 0 || self.tend_left > 0;
        if !matches!(refused, Error::NoSpace { .. }) || !pending || *patience == 0 {
            return Err(refused);
        }
        self.tend_at_length()?;
        self.allocator.hurry();
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
            match self.fits(&[Work::Tend(budget)], 0, 0) {
                Err(Error::NoPages { .. }) => budget /= 2,
                other => return other.map(|()| budget),
            }
        }
        Ok(0)
    }
}

/// The plan with nothing overwritten in place.
fn place_anew(mut plan: WritePlan) -> WritePlan {
    for step in &mut plan.0 {
        if let Step::Overwrite { at, on } = *step {
            *step = Step::Place { at, blocks: on.blocks, near: Some(on.end()) };
        }
    }
    plan
}

/// The blocks that a step overwrites, one by one.
fn each_overwrite(step: &Step, mut each: impl FnMut(Lba, Pba)) {
    if let Step::Overwrite { at, on } = *step {
        (at.0..).map(Lba).zip(on.iter()).for_each(|(at, on)| each(at, on));
    }
}
