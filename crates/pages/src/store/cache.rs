//! Pages in memory, a bounded number of them, shared by the writer and all views.
//!
//! Invariant: under a page's or map page's own key there is only ever the newest sealed version; older versions and
//! spilled pages go under their place. Knows no device and decides no validity.

use super::table::Table;
use spinney_core::{PageBuf, PageKind};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A hash map from well-spread integers; never iterated, so its order is nobody's business.
pub(super) type FastMap<V> = HashMap<u64, V, BuildHasherDefault<FastHash>>;

/// Page numbers are below this; the bits above tell the kinds of key apart.
pub(super) const NUMBER_LIMIT: u64 = 1 << 56;

/// Key of the newest version of a page.
pub(super) fn key_of_page(number: u64) -> u64 {
    number
}
/// Key of the newest version of a map page.
pub(super) fn key_of_map(level: u8, index: u64) -> u64 {
    (0x80 | u64::from(level)) << 56 | index
}
/// Key of whatever lies at a place.
pub(super) fn key_of_place(place: u64) -> u64 {
    0x40 << 56 | place
}

/// Shards of a cache that is not small: a power of two.
const SHARDS_MAX: usize = 16;

/// A verified page and what it was verified against.
#[derive(Clone)]
pub(super) struct Cached {
    pub(super) page: Arc<PageBuf>,
    pub(super) checksum: u64,
    pub(super) epoch: u64,
}

/// The cache: shards, so that readers of different pages seldom meet.
pub(super) struct Cache {
    shards: Vec<Mutex<Table>>,
}

impl Cache {
    /// At most `pages` pages (at least one). Few pages are one shard, so that none of them is wasted on an idle shard.
    pub(super) fn new(pages: usize) -> Cache {
        let shards = if pages < 1024 { 1 } else { SHARDS_MAX };
        Cache { shards: (0..shards).map(|_| Mutex::new(Table::new((pages / shards).max(1)))).collect() }
    }
    /// What is under `key`, if `fits`, which is told the page's checksum and epoch. Counts a hit.
    #[inline]
    pub(super) fn get(&self, key: u64, fits: impl Fn(u64, u64) -> bool) -> Option<Arc<PageBuf>> {
        self.look(key, fits, |page, _kind| page.clone())
    }
    /// The same without a holder more: what `see`, which runs under the shard's lock, makes of the page and
    /// its kind.
    #[inline]
    pub(super) fn look<T>(
        &self,
        key: u64,
        fits: impl Fn(u64, u64) -> bool,
        see: impl FnOnce(&Arc<PageBuf>, PageKind) -> T,
    ) -> Option<T> {
        self.shard(key).look(key, fits, see)
    }
    /// Put a page under `key` if `still` holds, which is asked under the shard's lock. Returns whether it did.
    pub(super) fn insert_if(&self, key: u64, cached: Cached, still: impl Fn() -> bool) -> bool {
        let mut shard = self.shard(key);
        let holds = still();
        if holds {
            shard.insert(key, cached);
        }
        holds
    }
    /// Put a page under `key`; the page that had been there.
    pub(super) fn insert(&self, key: u64, cached: Cached) -> Option<Arc<PageBuf>> {
        self.shard(key).insert(key, cached)
    }
    /// Forget what is under `key`.
    pub(super) fn remove(&self, key: u64) {
        self.shard(key).remove(key);
    }
    /// Forget all.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
    /// How often something was found.
    pub(super) fn hits(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).hits()).sum()
    }
    /// How many pages are held.
    pub(super) fn pages(&self) -> u64 {
        let held = |shard: &Mutex<Table>| shard.lock().unwrap_or_else(PoisonError::into_inner).pages();
        self.shards.iter().map(|shard| held(shard) as u64).sum()
    }
    #[inline]
    fn shard(&self, key: u64) -> MutexGuard<'_, Table> {
        let at = (spread(key) >> 20) as usize & (self.shards.len() - 1);
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One multiplication, and the high half folded onto the low: enough for numbers that are dense or strided.
pub(super) fn spread(key: u64) -> u64 {
    let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

/// The hasher of [`FastMap`].
#[derive(Default)]
pub(super) struct FastHash(u64);

impl Hasher for FastHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = spread(self.0 ^ u64::from(*byte));
        }
    }
    fn write_u64(&mut self, key: u64) {
        self.0 = spread(key);
    }
}
