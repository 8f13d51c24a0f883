//! What the writer and all views share: device, area, cache, and the verified way from a page's number to its bytes.
//!
//! Invariant: nothing leaves here that its parent's checksum, number, kind and epoch do not confirm. Changes nothing
//! on the device.

use super::area::Area;
use super::cache::{Cache, Cached, NUMBER_LIMIT, key_of_map, key_of_page, key_of_place};
use super::format::{self, Entry, Identity, MapRoot};
use super::layout::FANOUT;
use super::stats::KINDS;
use super::views::Views;
use spinney_core::{BlockDevice, Error, PageBuf, PageKind, PageNo, Payload, Result};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// The shared half of a page store.
pub(super) struct Shared {
    pub(super) device: Arc<dyn BlockDevice>,
    /// Replaced whole when the area grows; read on cache misses only.
    area: RwLock<Arc<Area>>,
    pub(super) cache: Cache,
    /// The newest sealed epoch: a view of it may put pages under their own keys, older views may not.
    pub(super) sealed: AtomicU64,
    pub(super) views: Mutex<Views>,
    /// Pages read from the device, by kind.
    pub(super) reads: [AtomicU64; KINDS],
    /// Requests that these took.
    pub(super) waits: AtomicU64,
}

/// One sealed epoch, and so one consistent set of pages, to read through.
#[derive(Clone, Copy)]
pub(super) struct Snapshot<'a> {
    pub(super) shared: &'a Shared,
    pub(super) root: &'a MapRoot,
}

impl Shared {
    pub(super) fn new(device: Arc<dyn BlockDevice>, area: Area, cache_pages: usize) -> Shared {
        Shared {
            device,
            area: RwLock::new(Arc::new(area)),
            cache: Cache::new(cache_pages),
            sealed: AtomicU64::new(0),
            views: Mutex::default(),
            reads: Default::default(),
            waits: AtomicU64::new(0),
        }
    }
    pub(super) fn area(&self) -> Arc<Area> {
        self.area.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
    pub(super) fn set_area(&self, area: Area) {
        *self.area.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(area);
    }
    pub(super) fn views(&self) -> MutexGuard<'_, Views> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// One request for so many pages.
    pub(super) fn count_reads(&self, kind: PageKind, pages: u64) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.reads[usize::from(kind.0) % KINDS].fetch_add(pages, Ordering::Relaxed);
    }
    /// What is at `entry.place`, if it is page `number` as the entry says. From memory if it can be.
    pub(super) fn fetch_at(&self, number: PageNo, entry: &Entry) -> Result<Arc<PageBuf>> {
        let key = key_of_place(entry.place);
        if let Some(hit) = self.cache.get(key, |checksum, _| checksum == entry.checksum) {
            return Ok(hit);
        }
        let page = self.load_page(number, entry)?;
        self.cache.insert(key, cached(&page, entry));
        Ok(page)
    }
    fn load_page(&self, number: PageNo, entry: &Entry) -> Result<Arc<PageBuf>> {
        let is = identity_of_page(number.0, entry);
        let page = self.area().read_verified(&*self.device, entry.place, is, entry.checksum)?;
        self.count_reads(entry.kind, 1);
        page.map(Arc::new).map_err(|what| Error::corrupt_page(what, number))
    }
}

impl Snapshot<'_> {
    /// The page, from the cache, or by way of the map.
    #[inline]
    pub(super) fn read(self, number: PageNo, kind: PageKind) -> Result<Arc<PageBuf>> {
        let newest = |_checksum, epoch| epoch <= self.root.epoch;
        if number.0 < NUMBER_LIMIT
            && let Some(found) = self.shared.cache.look(key_of_page(number.0), newest, |page, its| {
                (its == kind).then(|| page.clone()).ok_or(Error::corrupt_page("page kind", number))
            })
        {
            return found;
        }
        self.read_by_map(number, kind)
    }
    /// Show the page to `see`, which runs under a lock of the cache.
    #[inline]
    pub(super) fn show(self, number: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        let newest = |_checksum, epoch| epoch <= self.root.epoch;
        let mut shown = |page: &Arc<PageBuf>, its| {
            if its != kind {
                return Err(Error::corrupt_page("page kind", number));
            }
            see(page.payload());
            Ok(())
        };
        if number.0 < NUMBER_LIMIT
            && let Some(done) = self.shared.cache.look(key_of_page(number.0), newest, &mut shown)
        {
            return done;
        }
        shown(&self.read_by_map(number, kind)?, kind)
    }
    /// Bring those of the pages that are not in memory, by one request. What is damaged or cannot be read stays out: whoever reads it is told.
    pub(super) fn prefetch(self, pages: impl Iterator<Item = PageNo>, kind: PageKind) {
        let mut absent: Vec<(PageNo, Entry)> =
            pages.filter_map(|page| self.absent(page, kind).map(|entry| (page, entry))).collect();
        absent.sort_unstable_by_key(|(_, entry)| entry.place);
        absent.dedup_by_key(|(_, entry)| entry.place);
        if absent.is_empty() {
            return;
        }
        let places: Vec<u64> = absent.iter().map(|(_, entry)| entry.place).collect();
        let Ok(found) = self.shared.area().read_many(&*self.shared.device, &places) else { return };
        self.shared.count_reads(kind, found.len() as u64);
        for ((number, entry), page) in absent.iter().zip(found) {
            if format::verify(&page, identity_of_page(number.0, entry), entry.checksum).is_ok() {
                let (key, by_place) = (key_of_page(number.0), key_of_place(entry.place));
                self.keep(key, by_place, cached(&Arc::new(page), entry));
            }
        }
    }
    /// Where a page is, if it is there and not in memory.
    fn absent(self, number: PageNo, kind: PageKind) -> Option<Entry> {
        let cache = &self.shared.cache;
        let newest = |_checksum, epoch| epoch <= self.root.epoch;
        if number.0 < NUMBER_LIMIT && cache.look(key_of_page(number.0), newest, |_, _| ()).is_some() {
            return None;
        }
        let entry = self.entry(number).ok()?.filter(|entry| entry.kind == kind)?;
        let same = |checksum, _epoch| checksum == entry.checksum;
        cache.look(key_of_place(entry.place), same, |_, _| ()).is_none().then_some(entry)
    }
    fn read_by_map(self, number: PageNo, kind: PageKind) -> Result<Arc<PageBuf>> {
        let entry = self.entry(number)?.ok_or(Error::corrupt_page("page number", number))?;
        if entry.kind != kind {
            return Err(Error::corrupt_page("page kind", number));
        }
        let by_place = key_of_place(entry.place);
        if let Some(hit) = self.shared.cache.get(by_place, |checksum, _| checksum == entry.checksum) {
            return Ok(hit);
        }
        let page = self.shared.load_page(number, &entry)?;
        self.keep(key_of_page(number.0), by_place, cached(&page, &entry));
        Ok(page)
    }
    /// Where page `number` lives, if it does.
    pub(super) fn entry(self, number: PageNo) -> Result<Option<Entry>> {
        let Some((entry, page)) = self.map_page(0, number.0 / FANOUT)? else { return Ok(None) };
        debug_assert_eq!(entry.kind, PageKind::MAP);
        let found = format::entry(&page, number.0 % FANOUT);
        if found.is_some_and(|found| {
            !format::page_entry_holds(&found, &self.shared.area().layout, self.root.epoch)
        }) {
            return Err(format::corrupt_map(0, number.0 / FANOUT));
        }
        Ok(found)
    }
    /// Map page `index` of `level` and its parent's entry; `None` if there is none.
    pub(super) fn map_page(self, level: u8, index: u64) -> Result<Option<(Entry, Arc<PageBuf>)>> {
        let Some(entry) = self.map_entry(level, index)? else { return Ok(None) };
        Ok(Some((entry, self.fetch_map(level, index, &entry)?)))
    }
    pub(super) fn map_entry(self, level: u8, index: u64) -> Result<Option<Entry>> {
        if level + 1 >= self.root.levels {
            return Ok(self.root.top.filter(|_| level + 1 == self.root.levels && index == 0));
        }
        let Some((_, parent)) = self.map_page(level + 1, index / FANOUT)? else { return Ok(None) };
        let Some(entry) = format::entry(&parent, index % FANOUT) else { return Ok(None) };
        let wrong = format::corrupt_map(level + 1, index / FANOUT);
        let slots = self.shared.area().layout.slots(level, index).ok_or(wrong)?;
        format::map_entry_holds(&entry, slots, self.root.epoch).then_some(Some(entry)).ok_or(wrong)
    }
    fn fetch_map(self, level: u8, index: u64, entry: &Entry) -> Result<Arc<PageBuf>> {
        let (key, by_place) = (key_of_map(level, index), key_of_place(entry.place));
        let fits = |checksum, _epoch| checksum == entry.checksum;
        if let Some(hit) = self.shared.cache.get(key, fits) {
            return Ok(hit);
        }
        if let Some(hit) = self.shared.cache.get(by_place, fits) {
            return Ok(hit);
        }
        let page = Arc::new(self.load_map(level, index, entry)?);
        self.keep(key, by_place, cached(&page, entry));
        Ok(page)
    }
    /// From the device; or, if a later commit took the slot, from what it left in memory for us.
    fn load_map(self, level: u8, index: u64, entry: &Entry) -> Result<PageBuf> {
        let is = identity_of_map(level, index, entry);
        let page = self.shared.area().read_verified(&*self.shared.device, entry.place, is, entry.checksum)?;
        self.shared.count_reads(PageKind::MAP, 1);
        if let Ok(page) = page {
            return Ok(page);
        }
        let retained = self.shared.views().retained(level, index, entry.epoch);
        retained
            .filter(|page| format::verify(page, is, entry.checksum).is_ok())
            .map(|page| (*page).clone())
            .ok_or(format::corrupt_map(level, index))
    }
    fn keep(self, key: u64, by_place: u64, cached: Cached) {
        let sealed = &self.shared.sealed;
        let newest = || sealed.load(Ordering::Acquire) == self.root.epoch;
        if !self.shared.cache.insert_if(key, cached.clone(), newest) {
            self.shared.cache.insert(by_place, cached);
        }
    }
}

/// The page if it is of `kind`.
pub(super) fn of_kind(page: Arc<PageBuf>, number: PageNo, kind: PageKind) -> Result<Arc<PageBuf>> {
    if format::kind_of(&page) == kind { Ok(page) } else { Err(Error::corrupt_page("page kind", number)) }
}

/// Who the page under a leaf's entry must be.
pub(super) fn identity_of_page(number: u64, entry: &Entry) -> Identity {
    Identity { kind: entry.kind, level: 0, number, epoch: entry.epoch }
}

/// Who the map page under a parent's entry must be.
pub(super) fn identity_of_map(level: u8, index: u64, entry: &Entry) -> Identity {
    Identity { kind: PageKind::MAP, level, number: index, epoch: entry.epoch }
}

fn cached(page: &Arc<PageBuf>, entry: &Entry) -> Cached {
    Cached { page: page.clone(), checksum: entry.checksum, epoch: entry.epoch }
}
