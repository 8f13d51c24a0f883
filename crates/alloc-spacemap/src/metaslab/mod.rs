//! Metaslabs: the universe cut into regions, each with a space map of its own, of which only some are in memory.
//!
//! Invariant: free + waiting + owned by callers = universe. What a region's map, the pool's log and the open epoch's changes say, in
//! this order, less what waits, is what may be allocated from it; so a region can be dropped from memory at any time and loaded
//! again. A released block waits until its epoch is durable and the reclaim policy and the readers let it go.
//!
//! A plug-in as a whole, since which blocks are known *is* the idea. The choice of a region (`choose`) and of a run in it
//! ([`crate::Policy`]) are apart. Knows no volume.

mod choose;
mod load;
mod log;
mod open;
mod region;
mod store;
mod table;
mod tuning;

#[cfg(test)]
mod tests;

pub use tuning::{
    GANG, HOLD_EPOCHS, KEEP_WHOLE, LOG, LOG_PAGES_MAX, MEMORY_MIB_MAX, METASLAB, MetaslabTuning,
    PRELOAD_REGIONS, REGION_BLOCKS, SIZE_CACHE, TRIES_MAX, UNLOAD_EPOCHS, WEIGHT, Weight, ZFS,
};

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::cmp::Reverse;
use log::Log;
use region::Region;
use spinney_alloc::reclaim::Moment;
use spinney_alloc::{Allocator, Change, FreeIndex, Gang, Grant, Reclaim, RunSet, SpaceStats, Want};
use spinney_core::{
    Effort, Epoch, Error, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Pba, Place, Result, Root,
};
use store::Bounds;
use table::Table;

const WHAT: &str = "space map of a region";

/// The allocator.
pub struct Metaslabs {
    tuning: MetaslabTuning,
    reclaim: Box<dyn Reclaim>,
    universe: Extent,
    region_blocks: u64,
    regions: Vec<Region>,
    /// Regions with free blocks, the best first.
    order: BTreeSet<(Reverse<u64>, u32)>,
    /// The region in use, and the power of two of its longest run when it was chosen.
    active: Option<(u32, u32)>,
    /// The stream whose request is being put together, and what it lacks.
    gang: Option<(u32, Gang)>,
    /// In memory.
    loaded: BTreeSet<u32>,
    /// With changes of the open epoch.
    dirty: BTreeSet<u32>,
    /// Released in the open epoch, in order.
    released: Vec<Extent>,
    /// Recorded as free, not allocatable yet, in the order of epochs.
    queue: VecDeque<(Epoch, Extent)>,
    /// Both of these as a set.
    waiting: RunSet,
    free_blocks: u64,
    reserved_blocks: u64,
    hurried: bool,
    /// The last durable epoch.
    durable: Epoch,
    table: Option<Table>,
    log: Log,
    bounds: Bounds,
    effort: Effort,
    loads: u64,
}

impl Metaslabs {
    /// An allocator with these numbers; then `format` or `open`. A policy with a queue on pages is a programmer error: what is
    /// released is recorded as free at once.
    #[must_use]
    pub fn new(tuning: MetaslabTuning, reclaim: Box<dyn Reclaim>) -> Metaslabs {
        assert!(reclaim.log().is_none(), "metaslabs record what is released as free at once");
        Metaslabs {
            tuning,
            reclaim,
            universe: Extent { start: Pba(0), blocks: 0 },
            region_blocks: 1,
            regions: Vec::new(),
            order: BTreeSet::new(),
            active: None,
            gang: None,
            loaded: BTreeSet::new(),
            dirty: BTreeSet::new(),
            released: Vec::new(),
            queue: VecDeque::new(),
            waiting: RunSet::default(),
            free_blocks: 0,
            reserved_blocks: 0,
            hurried: false,
            durable: Epoch(0),
            table: None,
            log: Log::default(),
            bounds: Bounds::default(),
            effort: Effort::default(),
            loads: 0,
        }
    }
    fn available(&self) -> u64 {
        self.free_blocks.saturating_sub(self.reserved_blocks)
    }
    fn region_of(&self, at: Pba) -> u32 {
        ((at.0 - self.universe.start.0) / self.region_blocks) as u32
    }
    /// A run of the universe, cut at the borders of regions.
    fn parts(&self, run: Extent) -> Vec<(u32, Extent)> {
        let regions = self.region_of(run.start)..=self.region_of(Pba(run.end().0 - 1));
        regions.filter_map(|at| Some((at, self.regions[at as usize].extent.intersect(run)?))).collect()
    }
    /// Give a region its place in the order anew.
    fn reweigh(&mut self, at: u32) {
        let region = &mut self.regions[at as usize];
        self.order.remove(&(Reverse(region.weight), at));
        region.weight = region.weigh(self.tuning.weight);
        if region.weight > 0 {
            self.order.insert((Reverse(region.weight), at));
        }
    }
    /// Blocks that were taken out of a loaded region's index.
    fn took(&mut self, at: u32, piece: Extent) {
        let region = &mut self.regions[at as usize];
        region.recount(piece, true);
        region.free_blocks -= piece.blocks;
        region.changes.push(Change::Take(piece));
        region.used = self.durable.next();
        self.free_blocks -= piece.blocks;
        self.bounds.changed(piece.blocks);
        self.dirty.insert(at);
    }
    fn moment(&self, epoch: Epoch, oldest_reader: Option<Epoch>) -> Moment {
        Moment {
            epoch,
            oldest_reader,
            free_blocks: self.free_blocks,
            total_blocks: self.universe.blocks,
            hurried: self.hurried,
        }
    }
    fn limit(&self, now: &Moment) -> Epoch {
        let due = self.reclaim.due(now).min(now.epoch);
        now.oldest_reader.map_or(due, |reader| due.min(reader))
    }
    /// A run that waited may be allocated.
    fn come_back(&mut self, run: Extent) {
        assert!(self.waiting.remove(run), "{run:?} does not wait");
        for (at, part) in self.parts(run) {
            let region = &mut self.regions[at as usize];
            region.free_blocks += part.blocks;
            region.waiting_blocks -= part.blocks;
            match &mut region.index {
                Some(index) => {
                    index.insert(part);
                    region.recount(part, false);
                }
                None => region.count_unseen(part.blocks),
            }
            self.free_blocks += part.blocks;
            self.reweigh(at);
        }
    }
}

impl Allocator for Metaslabs {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.begin(universe);
        self.table = Some(Table::create(self.regions.len() as u64, pages)?);
        (0..self.regions.len() as u32).for_each(|at| self.reweigh(at));
        Ok(())
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.open_root(universe, root, pages)
    }

    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        let free = self.available();
        if blocks > free {
            return Err(Error::NoSpace { needed: blocks, free });
        }
        self.reserved_blocks += blocks;
        Ok(Grant::new(blocks))
    }

    fn allocate(&mut self, want: &Want, grant: &mut Grant, pages: &dyn PageRead) -> Result<Extent> {
        want.check();
        let want = Want { blocks_max: want.blocks_max.min(grant.blocks()), near: None, ..*want };
        let refused = Error::NoSpace { needed: want.blocks_min, free: self.free_blocks };
        if want.blocks_max < want.blocks_min {
            return Err(refused);
        }
        let run = self.find(&want, pages)?.ok_or(refused)?;
        grant.spend(run.blocks);
        self.reserved_blocks -= run.blocks;
        Ok(run)
    }

    fn claim(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()> {
        let refused = Error::NoSpace { needed: run.blocks, free: self.available() };
        if !self.universe.contains(run) || run.blocks > self.available() {
            return Err(refused);
        }
        let parts = self.parts(run);
        for (at, part) in &parts {
            if !self.load(*at, pages)?.is_free(*part) {
                return Err(refused);
            }
        }
        for (at, part) in parts {
            self.load(at, pages)?.remove(part);
            self.took(at, part);
        }
        Ok(())
    }

    fn release(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()> {
        let corrupt = |what, at| Err(Error::Corrupt { what, place: Place::Block(at) });
        if !self.universe.contains(run) {
            return corrupt("release of blocks outside the data", run.start);
        }
        let parts = self.parts(run);
        for (at, part) in &parts {
            if let Some(free) = first_free(self.load(*at, pages)?, *part) {
                return corrupt("release of a free block", free);
            }
        }
        if let Err(at) = self.waiting.insert(run) {
            return corrupt("second release of a block", at);
        }
        for (at, part) in parts {
            let region = &mut self.regions[at as usize];
            region.waiting_blocks += part.blocks;
            region.changes.push(Change::Free(part));
            self.bounds.changed(part.blocks);
            self.dirty.insert(at);
        }
        self.released.push(run);
        Ok(())
    }

    fn settle(&mut self, grant: Grant) {
        self.reserved_blocks -= grant.blocks();
    }

    fn pages_bound(&self, more: u64) -> u64 {
        self.bound(more).all()
    }

    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        self.store(epoch, pages)
    }

    fn committed(&mut self, epoch: Epoch, oldest_reader: Option<Epoch>) {
        self.durable = epoch;
        let limit = self.limit(&self.moment(epoch, oldest_reader));
        while let Some((_, run)) = self.queue.front().copied().filter(|(epoch, _)| *epoch <= limit) {
            self.queue.pop_front();
            self.come_back(run);
        }
        self.hurried = false;
    }

    fn hurry(&mut self) {
        self.hurried = true;
    }

    fn is_draining(&self, oldest_reader: Option<Epoch>) -> bool {
        let at_last = self.moment(Epoch(u64::MAX - 1), oldest_reader);
        self.queue.front().is_some_and(|(epoch, _)| *epoch <= self.limit(&at_last))
    }

    fn visit_free(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        self.visit_all(pages, each)
    }

    fn visit_deferred(&self, each: &mut dyn FnMut(Extent)) {
        self.waiting.iter().for_each(each);
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.table().visit_pages(pages, each)?;
        for region in &self.regions {
            if let Some(map) = self.map(region, pages)? {
                map.log.visit_pages(pages, each)?;
            }
        }
        self.log.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.check_regions(pages, found)
    }

    fn stats(&self) -> SpaceStats {
        SpaceStats {
            total_blocks: self.universe.blocks,
            free_blocks: self.free_blocks,
            reserved_blocks: self.reserved_blocks,
            deferred_blocks: self.waiting.blocks(),
            effort: self.effort,
            memory_bytes: self.loaded_bytes() + (self.regions.len() * size_of::<Region>()) as u64,
            loads: self.loads,
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
