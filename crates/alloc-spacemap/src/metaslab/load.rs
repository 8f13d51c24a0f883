//! Bringing regions into memory and dropping them.
//!
//! Invariant: what is loaded is map, log and open changes in this order, less what waits, and its count of blocks is the region's;
//! anything else is `Corrupt`. Memory of loaded regions stays within its bound as far as one region alone does.

use super::region::Region;
use super::table::Table;
use super::{Metaslabs, WHAT};
use crate::RangeIndex;
use crate::form::Map;
use crate::record::WORD_BYTES;
use alloc::boxed::Box;
use spinney_alloc::{Change, ExtentSet, FreeIndex};
use spinney_core::{Epoch, Error, Finding, PageKind, PageRead, Place, Result};
use spinney_pages::PageLog;

impl Metaslabs {
    pub(super) fn table(&self) -> &Table {
        self.table.as_ref().expect("an allocator is formatted or opened before it is used")
    }

    /// The region's map, if it has one.
    pub(super) fn map(&self, region: &Region, pages: &dyn PageRead) -> Result<Option<Map>> {
        let Some(place) = region.map else { return Ok(None) };
        let log = PageLog::open(place.page, PageKind::SPACE, WORD_BYTES, pages)?;
        Ok(Some(Map { log, universe: region.extent, records: place.words }))
    }

    /// What is allocatable in a region, from its pages.
    pub(super) fn free_set(&self, region: &Region, pages: &dyn PageRead) -> Result<ExtentSet> {
        let mut set = ExtentSet::crowded(region.extent);
        let mut apply = |change| match change {
            Change::Take(run) => set.try_remove(run),
            Change::Free(run) => set.try_insert(run),
        };
        match self.map(region, pages)? {
            Some(map) => map.replay(pages, &mut apply)?,
            None => _ = apply(Change::Free(region.extent)),
        }
        let mut sound = region.unflushed.iter().chain(region.changes.iter()).all(apply);
        sound &= self.waiting.within(region.extent).all(|run| set.try_remove(run));
        if !sound || set.blocks() != region.free_blocks {
            let place = region.map.map_or(Place::Block(region.extent.start), |map| Place::Page(map.page));
            return Err(Error::Corrupt { what: WHAT, place });
        }
        Ok(set)
    }

    /// The index of a region, loaded if it is not.
    pub(super) fn load(&mut self, at: u32, pages: &dyn PageRead) -> Result<&mut RangeIndex> {
        if self.regions[at as usize].index.is_none() {
            let set = self.free_set(&self.regions[at as usize], pages)?;
            let region = &mut self.regions[at as usize];
            let words = region.map.map_or(0, |map| map.words) + region.unflushed.len() as u64;
            region.put_index(Box::new(RangeIndex::over(set, self.tuning.index)));
            region.used = self.durable.next();
            self.effort.steps += words;
            self.loaded.insert(at);
            self.make_room(at);
        }
        let index = &mut self.regions[at as usize].index;
        Ok(index.as_mut().expect("it was loaded"))
    }

    pub(super) fn loaded_bytes(&self) -> u64 {
        let indexes = self.loaded.iter().filter_map(|at| self.regions[*at as usize].index.as_ref());
        indexes.map(|index| index.memory_bytes()).sum()
    }

    /// Unload what was not used for longest while there is too much, but not `keep`.
    fn make_room(&mut self, keep: u32) {
        while self.loaded_bytes() > self.tuning.memory_bytes_max {
            let others = self.loaded.iter().filter(|at| **at != keep);
            let Some(oldest) = others.min_by_key(|at| self.regions[**at as usize].used).copied() else {
                return;
            };
            self.unload(oldest);
        }
    }

    fn unload(&mut self, at: u32) {
        let region = &mut self.regions[at as usize];
        region.unload();
        if !self.tuning.size_cache {
            region.longest = None;
        }
        self.loaded.remove(&at);
        self.active = self.active.filter(|(active, _)| *active != at);
        self.reweigh(at);
    }

    /// After a commit: drop what nobody chose for long, and load the best.
    pub(super) fn turn_over(&mut self, epoch: Epoch, pages: &dyn PageRead) -> Result<()> {
        let stale =
            |at: &u32| epoch.0.saturating_sub(self.regions[*at as usize].used.0) > self.tuning.unload_epochs;
        let old: alloc::vec::Vec<u32> = self.loaded.iter().copied().filter(stale).collect();
        old.into_iter().for_each(|at| self.unload(at));
        let best = self.order.iter().take(self.tuning.preload_regions as usize).map(|(_, at)| *at);
        let best: alloc::vec::Vec<u32> = best.collect();
        for at in best {
            if self.loaded_bytes() < self.tuning.memory_bytes_max / 2 {
                self.load(at, pages)?;
            }
        }
        Ok(())
    }

    /// The rules of the whole structure.
    pub(super) fn check_regions(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        for region in &self.regions {
            if let Some(map) = self.map(region, pages)?
                && map.log.len_records(pages)? != map.records
            {
                let place = Place::Page(map.log.root());
                found(Finding { rule: "a region's map ends where the table says", place });
            }
            let stored = self.free_set(region, pages)?;
            let Some(index) = &region.index else { continue };
            let same = index.free_runs() == stored.runs() && stored_in(&stored, index, region);
            if !same {
                let place = Place::Block(region.extent.start);
                found(Finding { rule: "the stored free set of a region equals the one in memory", place });
            }
        }
        self.log.check(self.durable, pages, found)
    }
}

/// Whether every run of `set` is free in `index`.
fn stored_in(set: &ExtentSet, index: &RangeIndex, region: &Region) -> bool {
    let mut same = true;
    set.visit(region.extent, &mut |run| {
        same = index.is_free(run);
        if same { spinney_core::Flow::Continue } else { spinney_core::Flow::Stop }
    });
    same
}
