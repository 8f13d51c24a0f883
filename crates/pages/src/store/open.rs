//! Making, opening and resetting a store: what is free is found by walking the map.
//!
//! Invariant: after opening, every entry of the map has been seen to be possible, and no place has two owners. Memory
//! taken is bounded by the area's size, whatever the device holds. Reads no page but the map's.

use super::area::Area;
use super::changes::Changes;
use super::format::{self, MapRoot};
use super::layout::{FANOUT, Layout};
use super::numbers::Numbers;
use super::places::Places;
use super::shared::{Shared, Snapshot};
use super::stats::KindCounts;
use super::walk::{MapVisitor, walk};
use super::{PageStore, StoreOptions};
use spinney_core::{BlockDevice, Error, Extent, PageBuf, PageNo, Place, Result, Root};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl PageStore {
    /// A new, empty store in `area` (runs of the device that are used as one, in this order). Writes nothing: the first
    /// seal does. Errors: `OutOfRange`, `BadSetting`.
    pub fn format(device: Arc<dyn BlockDevice>, area: &[Extent], options: StoreOptions) -> Result<PageStore> {
        let area = Area::new(area, device.blocks())?;
        Self::with_root(device, area, MapRoot::default(), options)
    }

    /// The store as of `root`, a root that [`PageStore::seal`] returned. The area may have grown since, at its end.
    /// Reads the whole map, not the pages. Errors: `Corrupt`, `Io`, `OutOfRange`, `BadSetting`.
    pub fn open(
        device: Arc<dyn BlockDevice>,
        area: &[Extent],
        root: &Root,
        options: StoreOptions,
    ) -> Result<PageStore> {
        let area = Area::new(area, device.blocks())?;
        let root = MapRoot::decode(root, &area.layout)?;
        Self::with_root(device, area, root, options)
    }

    fn with_root(
        device: Arc<dyn BlockDevice>,
        area: Area,
        root: MapRoot,
        options: StoreOptions,
    ) -> Result<PageStore> {
        let shared = Arc::new(Shared::new(device, area, options.cache_pages));
        let found = Inventory::take(&shared, &root, options.tables_apart)?;
        shared.sealed.store(root.epoch, Ordering::Release);
        shared.views().committed = root;
        Ok(PageStore {
            shared,
            sealed: root,
            pending: false,
            closed: false,
            changes: Changes::default(),
            numbers: found.numbers,
            tables_apart: options.tables_apart,
            places: found.places,
            cut: None,
            replaced: Vec::new(),
            live: found.live,
            written: KindCounts::default(),
            spilled: 0,
            dirty_pages_max: options.dirty_pages.max(1),
            spares: Vec::new(),
            staging: Vec::new(),
        })
    }

    /// Empty the cache of clean pages, so that what is read next comes from the device: for measuring cold reads.
    pub fn drop_clean(&self) {
        self.shared.cache.clear();
    }

    /// Forget everything since the last committed epoch, a seal that was not committed included. Reads the whole map.
    /// Errors: `Corrupt`, `Io`; the store is then closed.
    pub fn abort(&mut self) -> Result<()> {
        self.closed = true;
        self.changes = Changes::default();
        let committed = self.shared.views().committed;
        self.sealed = committed;
        self.pending = false;
        self.shared.sealed.store(committed.epoch, Ordering::Release);
        self.shared.cache.clear();
        self.replaced.clear();
        let mut found = Inventory::take(&self.shared, &committed, self.tables_apart)?;
        let mut views = self.shared.views();
        views.released().clear();
        for place in views.held() {
            assert!(found.places.claim(place), "place {place} is kept for views and not live");
        }
        drop(views);
        (self.numbers, self.places, self.live) = (found.numbers, found.places, found.live);
        self.cut = None;
        self.closed = false;
        Ok(())
    }

    /// Add a run of the device to the end of the area. Whoever opens the store later must list it too.
    /// Errors: `OutOfRange`, `BadSetting` (it overlaps the area, or the area would be too large).
    pub fn grow(&mut self, run: Extent) -> Result<()> {
        self.cancel_cut();
        let before = self.shared.area();
        let area = before.grown(run, self.shared.device.blocks())?;
        self.places.grow(before.layout.blocks_end(), &area.layout);
        self.numbers.grow(before.layout.numbers_end(), &area.layout);
        self.shared.set_area(area);
        Ok(())
    }
}

/// What the map says is in use.
pub(super) struct Inventory {
    pub(super) numbers: Numbers,
    pub(super) places: Places,
    pub(super) live: KindCounts,
    layout: Layout,
    epoch: u64,
}

impl Inventory {
    fn take(shared: &Shared, root: &MapRoot, tables_apart: bool) -> Result<Inventory> {
        let layout = shared.area().layout.clone();
        let numbers = Numbers::new(&layout, tables_apart);
        let places = Places::new(&layout);
        let mut found = Inventory { numbers, places, live: KindCounts::default(), layout, epoch: root.epoch };
        walk(Snapshot { shared, root }, &mut found)?;
        if found.live.total() != root.live {
            return Err(Error::Corrupt { what: "page store root", place: Place::Pool });
        }
        Ok(found)
    }
}

impl MapVisitor for Inventory {
    fn leaf(&mut self, index: u64, page: &PageBuf) -> Result<()> {
        for slot in 0..FANOUT {
            let Some(entry) = format::entry(page, slot) else { continue };
            let number = index * FANOUT + slot;
            let holds = number > 0
                && format::page_entry_holds(&entry, &self.layout, self.epoch)
                && self.places.claim(entry.place)
                && self.numbers.claim(number);
            if !holds {
                return Err(Error::corrupt_page("page map", PageNo(number)));
            }
            self.live.add(entry.kind, 1);
        }
        Ok(())
    }
    fn damaged(&mut self, error: Error) -> Result<()> {
        Err(error)
    }
}

#[cfg(test)]
mod tests;
