//! Pools that a hostile hand made: every checksum is right, and what the pages say is not.
//!
//! Invariant: such a pool gives `Corrupt` with a place, and closes before anything wrong is durable; it never panics. The
//! forging goes through the page store, which seals whatever it is given.

use crate::bench::{BLOCK, get, holds, open, pool_of, put, sound};
use spinney_core::{
    BLOCK_BYTES, BlockDevice, DevId, Epoch, Error, Extent, Lba, LbaRange, PageKind, PageNo, PageRead,
    PageTxn, Pba, Place, Result,
};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use spinney_volume::{Pool, SUPERBLOCK_SLOTS, Superblock};
use std::sync::Arc;

/// A pool of one volume whose blocks 0 to 9 are written; durable.
fn sample() -> (Arc<MemoryDevice>, DevId) {
    let (device, mut pool) = pool_of(100);
    let volume = pool.create(10).unwrap();
    put(&mut pool, volume, 0, 10, 1).unwrap();
    pool.flush().unwrap();
    (device, volume)
}

fn store_superblock(device: &dyn BlockDevice, superblock: &Superblock) {
    let slot = usize::from(!superblock.epoch.0.is_multiple_of(2));
    device.write(SUPERBLOCK_SLOTS[slot], &superblock.encode(slot)).unwrap();
}

/// Change pages as `change` says, and make that durable as if a commit had done it.
fn forge(device: &Arc<MemoryDevice>, change: impl FnOnce(&mut PageStore)) {
    let mut superblock = Superblock::load(&**device, false).unwrap();
    let area = [superblock.layout.area];
    let mut store =
        PageStore::open(device.clone(), &area, &superblock.pages, StoreOptions::default()).unwrap();
    change(&mut store);
    superblock.epoch = superblock.epoch.next();
    superblock.pages = store.seal(superblock.epoch).unwrap();
    store_superblock(&**device, &superblock);
}

/// The leaf of the volume's tree that has its first blocks: level 0, first block 0 (the bench's nodes have 8 slots).
fn first_leaf(store: &PageStore) -> PageNo {
    let mut found = None;
    let mut each = |page, kind| {
        if kind == PageKind::TREE
            && store.read(page, kind).unwrap()[..16] == [0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
        {
            found = Some(page);
        }
    };
    store.visit_live(&mut each).unwrap();
    found.unwrap()
}

/// Let slot `index` of the first leaf point at `on`.
fn point(store: &mut PageStore, index: usize, on: Pba) {
    let leaf = first_leaf(store);
    let at = 16 + index * 8;
    store.edit(leaf, PageKind::TREE).unwrap()[at..at + 8].copy_from_slice(&(on.0 + 1).to_le_bytes());
}

fn on(pool: &Pool, volume: DevId, at: u64) -> Pba {
    let mut on = None;
    pool.runs(volume, LbaRange::new(Lba(at), 1), &mut |run| on = run.on).unwrap();
    on.unwrap()
}

/// The pool refuses `change` as damage at `place`, closes, and is at its last durable epoch when it is opened again.
#[track_caller]
fn closes(device: &Arc<MemoryDevice>, place: Pba, change: impl FnOnce(&mut Pool) -> Result<()>) {
    let mut pool = open(device.clone()).unwrap();
    let report = pool.check(false);
    assert!(!matches!(&report, Ok(report) if report.is_sound()), "the checker sees it: {report:?}");
    match change(&mut pool) {
        Err(Error::Corrupt { place: Place::Block(at), .. }) => assert_eq!(at, place),
        other => panic!("{other:?}"),
    }
    assert_eq!(pool.flush(), Err(Error::Closed));
    let epoch = pool.epoch();
    drop(pool);
    assert_eq!(open(device.clone()).unwrap().epoch(), epoch, "nothing of it became durable");
}

#[test]
fn a_forgery_that_changes_nothing_opens() {
    let (device, volume) = sample();
    forge(&device, |store| point(store, 9 - 8, on(&open(device.clone()).unwrap(), volume, 1)));
    let pool = open(device).unwrap();
    sound(&pool);
    holds(&pool, volume, 0, 10, 1);
}

#[test]
fn a_block_that_a_map_names_twice_is_not_released_twice() {
    let (device, volume) = sample();
    let twice = on(&open(device.clone()).unwrap(), volume, 4);
    forge(&device, |store| point(store, 2, twice));
    closes(&device, twice, |pool| pool.discard(volume, 0, 10 * BLOCK));
    closes(&device, twice, |pool| {
        put(pool, volume, 2, 1, 7)?;
        put(pool, volume, 4, 1, 7)
    });
}

#[test]
fn a_free_block_that_a_map_names_is_not_released() {
    let (device, volume) = sample();
    let free = Pba(open(device.clone()).unwrap().layout().data.end().0 - 1);
    forge(&device, |store| point(store, 3, free));
    closes(&device, free, |pool| pool.discard(volume, 0, 10 * BLOCK));
    closes(&device, free, |pool| {
        pool.delete(volume)?;
        pool.settle()
    });
}

#[test]
fn a_block_outside_the_data_is_neither_read_nor_released() {
    let (device, volume) = sample();
    let end = device.blocks();
    for stray in [0, 8, 16, 100, end, end + 1000, (1 << 40) - 3].map(Pba) {
        let device = Arc::new((*device).clone());
        forge(&device, |store| point(store, 0, stray));
        let pool = open(device.clone()).unwrap();
        let read = get(&pool, volume, 0);
        assert!(
            matches!(read, Err(Error::Corrupt { place: Place::Block(at), .. }) if at == stray),
            "{read:?}"
        );
        holds(&pool, volume, 1, 9, 1);
        drop(pool);
        closes(&device, stray, |pool| pool.discard(volume, 0, BLOCK));
        closes(&device, stray, |pool| put(pool, volume, 0, 1, 9));
    }
}

#[test]
fn a_superblock_of_an_absurd_epoch_is_corrupt() {
    let (device, volume) = sample();
    let newest = Superblock::load(&*device, false).unwrap();
    for epoch in [u64::MAX, u64::MAX - 1, (1 << 62) + 1, 1 << 62, newest.epoch.0 + 2] {
        let device = Arc::new((*device).clone());
        store_superblock(&*device, &Superblock { epoch: Epoch(epoch), ..newest.clone() });
        let opened = open(device).map(|pool| pool.epoch());
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "epoch {epoch}: {opened:?}");
    }
    holds(&open(device).unwrap(), volume, 0, 10, 1);
}

#[test]
fn a_superblock_of_an_impossible_layout_is_corrupt() {
    let (device, _) = sample();
    let newest = Superblock::load(&*device, false).unwrap();
    let layout = newest.layout;
    let run = |start, blocks| Extent { start: Pba(start), blocks };
    let with = |area, data| spinney_volume::Layout { area, data, ..layout };
    for forged in [
        with(run(0, 200), layout.data),
        with(run(16, 5), layout.data),
        with(layout.area, run(layout.data.start.0, u64::MAX - layout.data.start.0)),
        with(layout.area, run(layout.data.start.0 - 1, 2)),
        with(layout.data, layout.area),
        with(layout.area, run(layout.data.start.0, 1)),
        spinney_volume::Layout { device_blocks: u64::MAX, ..layout },
    ] {
        let device = Arc::new((*device).clone());
        store_superblock(&*device, &Superblock { layout: forged, ..newest.clone() });
        let opened = open(device).map(|_| ());
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{forged:?}: {opened:?}");
    }
    assert_eq!(newest.encode(0).len(), BLOCK_BYTES);
}
