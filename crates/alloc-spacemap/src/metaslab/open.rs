//! From nothing to regions: anew, or from a root.
//!
//! Invariant: opening reads the table and the log, and no map. Whatever these hold, each region's count of free blocks is at most its
//! size; whether its map agrees is seen when it is loaded.

use super::log::Log;
use super::region::Region;
use super::store::MAGIC;
use super::table::{Record, Table};
use super::{Metaslabs, WHAT};
use spinney_alloc::Change;
use spinney_core::{Epoch, Error, Extent, PageNo, PageRead, Pba, Place, Result, Root};

impl Metaslabs {
    /// All of `universe` free, nothing stored.
    pub(super) fn begin(&mut self, universe: Extent) {
        let tuning = self.tuning;
        let reclaim =
            core::mem::replace(&mut self.reclaim, alloc::boxed::Box::new(spinney_alloc::reclaim::AtCommit));
        *self = Metaslabs::new(tuning, reclaim);
        self.universe = universe;
        self.free_blocks = universe.blocks;
        self.region_blocks = tuning.region_blocks_of(universe.blocks);
        let count = universe.blocks.div_ceil(self.region_blocks);
        let extent = |at: u64| {
            let start = at * self.region_blocks;
            Extent::new(Pba(universe.start.0 + start), self.region_blocks.min(universe.blocks - start))
        };
        self.regions = (0..count).map(|at| Region::fresh(extent(at))).collect();
    }

    pub(super) fn open_root(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let [magic, start, blocks, table, log @ .., epoch] = root.words::<8>(WHAT)?;
        let corrupt = Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        if magic != MAGIC || (Pba(start), blocks) != (universe.start, universe.blocks) {
            return corrupt;
        }
        if !self.tuning.log && log != [0; 3] {
            return corrupt;
        }
        self.begin(universe);
        let table = Table::open(PageNo(table), self.regions.len() as u64, pages)?;
        let records = table.load(self.regions.len() as u64, pages)?;
        self.table = Some(table);
        for (region, record) in self.regions.iter_mut().zip(records) {
            let Some(record) = record else { continue };
            if record.free_blocks > region.extent.blocks || record.flushed.0 > epoch {
                return corrupt;
            }
            know(region, &record);
        }
        let mut changed = Log::default();
        changed.open(universe, log, Epoch(epoch), pages, &mut |at, change| self.replay(at, change))?;
        let pending = self.regions.iter().zip(0..).filter(|(region, _)| !region.unflushed.is_empty());
        // `used` has the epoch of the first change that is not in the map.
        changed.pending = pending.map(|(region, at)| (region.used, at)).collect();
        self.log = changed;
        self.durable = Epoch(epoch);
        self.free_blocks = self.regions.iter().map(|region| region.free_blocks).sum();
        (0..self.regions.len() as u32).for_each(|at| self.reweigh(at));
        self.count_bounds();
        Ok(())
    }

    /// A change of the log. `false`: it is none of one region, or its counts are not to be believed.
    fn replay(&mut self, epoch: Epoch, change: Change) -> bool {
        let run = change.run();
        if !self.universe.contains(run) {
            return false;
        }
        let at = self.region_of(run.start) as usize;
        let region = &mut self.regions[at];
        if !region.extent.contains(run) {
            return false;
        }
        if epoch <= region.flushed {
            return true;
        }
        let free = match change {
            Change::Take(run) => region.free_blocks.checked_sub(run.blocks),
            Change::Free(run) => region.free_blocks.checked_add(run.blocks),
        };
        let Some(free) = free.filter(|free| *free <= region.extent.blocks) else { return false };
        if region.unflushed.is_empty() {
            region.used = epoch;
        }
        region.free_blocks = free;
        region.longest = None;
        if let Change::Free(run) = change {
            region.count_unseen(run.blocks);
        }
        region.unflushed.push(change);
        true
    }
}

/// What the table says of a region.
fn know(region: &mut Region, record: &Record) {
    region.map = Some(record.map);
    region.flushed = record.flushed;
    region.free_blocks = record.free_blocks;
    region.histogram = record.histogram;
    region.longest = None;
}
