//! The transactional page store: pages by stable number on a block device, changed atomically by epoch.
//!
//! Invariant: until an epoch's root is durable, everything that the root before it reaches stays as it was; whatever
//! is read is confirmed by its parent's checksum. It flushes nothing and keeps no superblock: it hands out a [`Root`]
//! and is told when that is durable. It knows nothing of what pages hold, and issues no number 0.
//!
//! [`Root`]: spinney_core::Root
//!
#![doc = include_str!("../../FORMAT.md")]

mod area;
mod bits;
mod cache;
mod changes;
mod check;
mod format;
mod layout;
mod numbers;
mod open;
mod peaks;
mod places;
mod scrub;
mod seal;
mod shared;
mod shrink;
mod stats;
mod table;
mod txn;
mod views;
mod walk;

pub use stats::{KindCounts, StoreStats};
pub use views::{PageView, Viewer};

use changes::Changes;
use format::MapRoot;
use numbers::Numbers;
use places::Places;
use shared::{Shared, Snapshot};
use shrink::Cut;
use spinney_core::{Epoch, PageBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use views::Replaced;

/// What a store may use of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreOptions {
    /// Clean pages (map pages among them) kept in memory. More saves reads of the device, at 4 KiB each. The default,
    /// 16384 (64 MiB), holds the map of 2.7 million pages (11 GB of metadata), so that a read misses once and not
    /// once a level.
    pub cache_pages: usize,
    /// Changed pages kept in memory until the seal. Beyond it the coldest quarter is written early, to places that
    /// nothing points to yet; a page that is then changed again is read back and written twice. The default, 16384
    /// (64 MiB), is more than a commit every few seconds changes.
    pub dirty_pages: usize,
    /// Keep tables that live as long as the pool (free space, checksums, catalogue) at the lowest page numbers and all else away from
    /// there. For an area that is to be cut when it empties: the highest number in use bounds the cut. Off by default: numbers side by
    /// side share map pages, whatever they hold, so an area of fixed size gains nothing from it.
    pub tables_apart: bool,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions { cache_pages: 16384, dirty_pages: 16384, tables_apart: false }
    }
}

/// A page store: the one writer. Reads through it see uncommitted changes; readers that must not wait take a
/// [`PageView`]. `Sync`, so many threads may read through `&PageStore`.
pub struct PageStore {
    shared: Arc<Shared>,
    /// The last sealed epoch: what `changes` stand on.
    sealed: MapRoot,
    /// Sealed, and not yet committed.
    pending: bool,
    /// A seal failed.
    closed: bool,
    changes: Changes,
    numbers: Numbers,
    /// See [`StoreOptions::tables_apart`].
    tables_apart: bool,
    places: Places,
    /// The area is about to become shorter.
    cut: Option<Cut>,
    /// What the sealed epoch replaced, until it is committed.
    replaced: Vec<Replaced>,
    live: KindCounts,
    written: KindCounts,
    spilled: u64,
    dirty_pages_max: usize,
    /// Pages that nobody else holds, to be used again: together with the dirty ones no more than `dirty_pages_max`.
    spares: Vec<Arc<PageBuf>>,
    /// Where pages are put together for a long write; as large as one batch of a seal at most.
    staging: Vec<u8>,
}

impl PageStore {
    /// The pages as of the last commit.
    #[must_use]
    pub fn view(&self) -> PageView {
        self.viewer().view()
    }
    /// Opens views without this store: for reader threads.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer(self.shared.clone())
    }
    /// The oldest epoch that a view is open on. Once an epoch is committed, no view opens on an older one.
    #[must_use]
    pub fn oldest_view(&self) -> Option<Epoch> {
        self.shared.views().oldest().map(Epoch)
    }
    /// The last sealed epoch (0 before the first).
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.sealed.epoch)
    }
    /// How many pages the area has places for, without those that a cut under way takes. Each live page takes one, and so does
    /// each old version until its successor is committed: keep a part of them free.
    #[must_use]
    pub fn pages_total(&self) -> u64 {
        self.cut.map_or_else(|| self.shared.area().layout.places(), |cut| cut.places)
    }
    /// Live pages, uncommitted changes included.
    #[must_use]
    pub fn pages_live(&self) -> u64 {
        self.live.total()
    }
    /// The counters.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        let read = KindCounts::from_fn(|kind| self.shared.reads[kind].load(Ordering::Relaxed));
        let (open_views, retained_map_pages) = self.shared.views().counts();
        StoreStats {
            live: self.live,
            read,
            written: self.written,
            cache_hits: self.shared.cache.hits(),
            cache_misses: read.total(),
            waits: self.waits(),
            spilled: self.spilled,
            cached_pages: self.shared.cache.pages(),
            dirty_pages: self.changes.resident() as u64,
            retired_places: self.retired(),
            retained_map_pages,
            open_views,
        }
    }
    /// Requests to the device that reading pages took since the store was opened; those of views count too.
    #[must_use]
    pub fn waits(&self) -> u64 {
        self.shared.waits.load(Ordering::Relaxed)
    }
    fn retired(&self) -> u64 {
        let mut views = self.shared.views();
        (self.replaced.len() + views.held().count() + views.released().len()) as u64
    }
    fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { shared: &self.shared, root: &self.sealed }
    }
}

/// How many blocks an area needs for `pages` live pages of which an epoch rewrites at most `rewritten`. No more than this
/// is the smallest file, and costs speed: a commit then fills single holes, each a write of its own.
/// Errors: `None` if no area can be so large.
#[must_use]
pub fn area_blocks_for_epochs(pages: u64, rewritten: u64) -> Option<u64> {
    layout::Layout::blocks_for(pages.checked_add(rewritten)?.checked_add(1)?)
}

/// How many blocks an area needs for `pages` live pages, with room to rewrite a quarter of them (and never fewer than
/// 64) in one epoch. Errors: `None` if no area can be so large.
#[must_use]
pub fn area_blocks_for(pages: u64) -> Option<u64> {
    let slack = (pages / 4).max(64);
    layout::Layout::blocks_for(pages.checked_add(slack)?)
}

/// A sensible area for a pool of `pool_blocks` blocks: one block in 32, at least 256.
///
/// A mapped data block costs about 24 bytes of tree, 8 of checksum and 4 of counts, in nodes that are two thirds full:
/// 1.3 % of it. Twice that leaves room for snapshots' own nodes and for the copies of an epoch. A smaller area gives
/// blocks to data and refuses writes earlier in pools of many small, scattered snapshots.
#[must_use]
pub fn area_blocks_default(pool_blocks: u64) -> u64 {
    (pool_blocks / 32).max(256)
}
