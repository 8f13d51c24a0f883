//! What a commit costs.
//!
//! Invariant: counted at the device, not reported by the store. Knows no damage.

use crate::support::{commit, fill, filled};
use spinney_core::{BlockDevice, Extent, PageKind, PageTxn, Pba};
use spinney_device::{MemoryDevice, MeterDevice};
use spinney_pages::{PageStore, StoreOptions};
use std::sync::Arc;

/// Blocks written by a commit that changes `changes` neighboring pages, in an area of `blocks` with `pages` pages.
fn blocks_written(blocks: u64, pages: u64, changes: u64) -> (u64, u64) {
    let meter = Arc::new(MeterDevice::new(MemoryDevice::new(blocks)));
    let device: Arc<dyn BlockDevice> = meter.clone();
    let (mut store, numbers, _) = filled(&device, &[Extent::new(Pba(0), blocks)], pages);
    let (before, counted) = (meter.counts(), store.stats());
    for page in &numbers[(pages - changes) as usize..] {
        fill(store.edit(*page, PageKind::OTHER).unwrap(), 9);
    }
    commit(&mut store);
    let bytes = meter.counts().write_bytes() - before.write_bytes();
    let written = store.stats().written - counted.written;
    assert_eq!(written.total() * 4096, bytes, "the store's own count");
    assert_eq!(written[PageKind::OTHER], changes);
    (written[PageKind::OTHER], written[PageKind::MAP])
}

#[test]
fn a_commit_costs_what_it_changed() {
    for changes in [1, 10, 100] {
        let small = blocks_written(1_000, 150, changes);
        let large = blocks_written(1_000_000, 150, changes);
        assert_eq!(small, large, "{changes} changes: the area's size costs nothing");
        let (pages, map) = blocks_written(1_000_000, 60_000, changes);
        assert_eq!(pages, changes);
        assert!(
            map <= 2 + 2,
            "{changes} changes of 60000 pages wrote {map} map pages: levels and a split leaf"
        );
    }
}

#[test]
fn a_fresh_area_is_written_in_long_runs() {
    let meter = Arc::new(MeterDevice::new(MemoryDevice::new(30_000)));
    let device: Arc<dyn BlockDevice> = meter.clone();
    let (store, _, _) = filled(&device, &[Extent::new(Pba(0), 30_000)], 10_000);
    let written = store.stats().written.total();
    assert_eq!(meter.counts().write_bytes(), written * 4096);
    assert_eq!(written, 10_000 + 10_000_u64.div_ceil(169) + 1);
}

#[test]
fn map_pages_that_change_in_every_commit_go_out_together() {
    let meter = Arc::new(MeterDevice::new(MemoryDevice::new(30_000)));
    let device: Arc<dyn BlockDevice> = meter.clone();
    let (mut store, pages, _) = filled(&device, &[Extent::new(Pba(0), 30_000)], 10_000);
    for round in 0..4 {
        // One page of each map leaf: 60 leaves, in chunks of 1, 1, 2, 4, 8, 16 and 28, and the top beside the first.
        pages.iter().step_by(169).for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), round));
        let before = (meter.counts(), store.stats().written);
        commit(&mut store);
        let map_pages = (store.stats().written - before.1)[PageKind::MAP];
        assert_eq!(map_pages, 61, "round {round}");
        let writes = (meter.counts() - before.0).writes;
        assert!(writes <= 7 + 3, "round {round}: {writes} writes for {map_pages} map pages and 60 pages");
    }
}

#[test]
fn a_hot_page_costs_no_read() {
    let meter = Arc::new(MeterDevice::new(MemoryDevice::new(1000)));
    let device: Arc<dyn BlockDevice> = meter.clone();
    let (store, pages, root) = filled(&device, &[Extent::new(Pba(0), 1000)], 100);
    assert_eq!(meter.counts().read_bytes(), 0, "what was just written is in memory");
    drop(store);
    let store =
        PageStore::open(device, &[Extent::new(Pba(0), 1000)], &root, StoreOptions::default()).unwrap();
    for _ in 0..3 {
        pages.iter().for_each(|page| assert!(crate::support::holds(&store, *page, page.0 - 1)));
    }
    // Opening walked the one map page; the first read brought it in again, and each page came once.
    assert_eq!(meter.counts().read_bytes(), (1 + 1 + 100) * 4096);
    assert_eq!(store.stats().cache_misses, 102);
}
