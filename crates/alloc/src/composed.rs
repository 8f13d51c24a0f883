//! Any index, any form and any reclaim policy, made into one allocator.
//!
//! Invariant: free + deferred + held by callers = universe, and a released block enters the index only in `commit`,
//! after the epoch's last allocation. Everything about crash order stands here, once. What is released was named by pages
//! that are not trusted, so it is held against the invariant; index and policy are, and assert.

use crate::deferred::Deferred;
use crate::reclaim::Reclaim;
use crate::{Allocator, Change, Changes, FreeIndex, Grant, SpaceForm, SpaceStats, Want};
use alloc::boxed::Box;
use alloc::vec::Vec;
use spinney_core::{
    Epoch, Error, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};

/// The allocator of three parts.
pub struct Composed {
    index: Box<dyn FreeIndex>,
    form: Box<dyn SpaceForm>,
    reclaim: Box<dyn Reclaim>,
    universe: Extent,
    changes: Changes,
    deferred: Deferred,
    reserved_blocks: u64,
    epoch: Epoch,
    root: Root,
}

impl Composed {
    /// Join three parts; then `format` or `open`.
    #[must_use]
    pub fn new(index: Box<dyn FreeIndex>, form: Box<dyn SpaceForm>, reclaim: Box<dyn Reclaim>) -> Composed {
        Composed {
            index,
            form,
            reclaim,
            universe: Extent { start: Pba(0), blocks: 0 },
            changes: Changes::default(),
            deferred: Deferred::default(),
            reserved_blocks: 0,
            epoch: Epoch(0),
            root: Root::default(),
        }
    }
    /// The index, to look at.
    #[must_use]
    pub fn index(&self) -> &dyn FreeIndex {
        &*self.index
    }
    fn available(&self) -> u64 {
        self.index.free_blocks().saturating_sub(self.reserved_blocks)
    }
}

impl Allocator for Composed {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.universe = universe;
        self.index.reset(universe);
        self.index.insert(universe);
        self.root = self.form.format(universe, &*self.index, pages)?;
        Ok(())
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.universe = universe;
        self.root = *root;
        self.index.reset(universe);
        self.form.open(universe, root, pages)?;
        let mut bad = None;
        let index = &mut self.index;
        self.form.load(universe, pages, &mut |run| {
            if bad.is_some() || !universe.contains(run) || first_free(&**index, run).is_some() {
                bad.get_or_insert(run);
            } else {
                index.insert(run);
            }
        })?;
        if let Some(run) = bad {
            return Err(Error::Corrupt {
                what: "free run outside the universe or listed twice",
                place: Place::Block(run.start),
            });
        }
        Ok(())
    }

    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        let free = self.available();
        if blocks > free {
            return Err(Error::NoSpace { needed: blocks, free });
        }
        self.reserved_blocks += blocks;
        Ok(Grant::new(blocks))
    }

    fn allocate(&mut self, want: &Want, grant: &mut Grant, _: &dyn PageRead) -> Result<Extent> {
        want.check();
        let want = Want { blocks_max: want.blocks_max.min(grant.blocks()), ..*want };
        let refused = Error::NoSpace { needed: want.blocks_min, free: self.index.free_blocks() };
        if want.blocks_max < want.blocks_min {
            return Err(refused);
        }
        let run = self.index.pick(&want).ok_or(refused)?;
        grant.spend(run.blocks);
        self.reserved_blocks -= run.blocks;
        self.changes.push(Change::Take(run));
        Ok(run)
    }

    fn claim(&mut self, run: Extent, _: &dyn PageRead) -> Result<()> {
        if !self.universe.contains(run) || run.blocks > self.available() || !self.index.is_free(run) {
            return Err(Error::NoSpace { needed: run.blocks, free: self.available() });
        }
        self.index.remove(run);
        self.changes.push(Change::Take(run));
        Ok(())
    }

    fn release(&mut self, run: Extent, _: &dyn PageRead) -> Result<()> {
        let corrupt = |what, at| Err(Error::Corrupt { what, place: Place::Block(at) });
        if !self.universe.contains(run) {
            return corrupt("release of blocks outside the data", run.start);
        }
        if let Some(at) = first_free(&*self.index, run) {
            return corrupt("release of a free block", at);
        }
        if let Err(at) = self.deferred.insert(run) {
            return corrupt("second release of a block", at);
        }
        self.reclaim.queue(self.epoch, run);
        Ok(())
    }

    fn settle(&mut self, grant: Grant) {
        self.reserved_blocks -= grant.blocks();
    }

    fn pages_bound(&self, more: u64) -> u64 {
        let changes = self.changes.len() as u64 + self.reclaim.queued_runs() + more;
        let blocks = self.changes.blocks() + self.reclaim.queued_blocks() + more;
        // A change makes at most one more free run.
        self.form.pages_bound(changes, blocks, self.index.free_runs() + changes)
    }

    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        let (index, changes) = (&mut self.index, &mut self.changes);
        let (free, total) = (index.free_blocks(), self.universe.blocks);
        let mut due = Vec::new();
        self.reclaim.due(epoch, free, total, &mut |run| due.push(run));
        let all = self.reclaim.queued_runs() == 0;
        for run in due {
            assert!(all || self.deferred.remove(run), "the policy gave {run:?}, which was not queued");
            index.insert(run);
            changes.push(Change::Free(run));
        }
        if all {
            self.deferred.clear();
        }
        self.root = self.form.commit(changes, &**index, pages)?;
        self.changes.clear();
        Ok(self.root)
    }

    fn committed(&mut self, epoch: Epoch) {
        self.epoch = epoch.next();
    }

    fn visit_free(&self, each: &mut dyn FnMut(Extent) -> Flow) {
        self.index.visit(self.universe, each);
    }

    fn visit_deferred(&self, each: &mut dyn FnMut(Extent)) {
        self.reclaim.visit(&mut |_, run| each(run));
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.form.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.form.check(pages, found)?;
        if !self.changes.is_empty() {
            return Ok(());
        }
        let mut stored = Vec::new();
        self.form.load(self.universe, pages, &mut |run| stored.push(run))?;
        let mut held = Vec::new();
        self.visit_free(&mut |run| {
            held.push(run);
            Flow::Continue
        });
        if let Some(at) = first_difference(joined(stored), held) {
            found(Finding { rule: "the stored free set equals the one in memory", place: Place::Block(at) });
        }
        Ok(())
    }

    fn stats(&self) -> SpaceStats {
        SpaceStats {
            total_blocks: self.universe.blocks,
            free_blocks: self.index.free_blocks(),
            reserved_blocks: self.reserved_blocks,
            deferred_blocks: self.reclaim.queued_blocks(),
            effort: self.index.effort(),
            memory_bytes: self.index.memory_bytes(),
        }
    }
}

/// The first block of `run` that is free.
fn first_free(index: &dyn FreeIndex, run: Extent) -> Option<Pba> {
    let mut first = None;
    index.visit(run, &mut |free| {
        first = Some(free.start);
        Flow::Stop
    });
    first
}

/// Sorted, adjacent runs merged.
fn joined(mut runs: Vec<Extent>) -> Vec<Extent> {
    runs.sort_unstable();
    let mut joined: Vec<Extent> = Vec::with_capacity(runs.len());
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.end() == run.start => last.blocks += run.blocks,
            _ => joined.push(run),
        }
    }
    joined
}

fn first_difference(one: Vec<Extent>, other: Vec<Extent>) -> Option<Pba> {
    if one == other {
        return None;
    }
    let at = one.iter().zip(&other).find(|(a, b)| a != b).map(|(a, b)| a.start.min(b.start));
    Some(at.or(one.last().or(other.last()).map(|run| run.start)).unwrap_or_default())
}
