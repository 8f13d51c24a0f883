//! Power cuts and failing devices, with a superblock of one word kept beside the device.
//!
//! Invariant: after a cut, the last durable root opens with its content whatever became of unflushed writes. The
//! volume's own tests cut through its superblock too.

use crate::support::{Pair, chance, fill, filled, holds, next, options};
use rand::RngExt;
use spinney_core::{BlockDevice, Error, Extent, PageKind, PageRead, PageTxn, Pba, Root};
use spinney_device::{CrashDevice, Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_pages::{PageStore, StoreOptions};
use std::sync::Arc;

/// Small, so that places come round again soon.
const BLOCKS: u64 = 150;
const AREA: [Extent; 1] = [Extent { start: Pba(0), blocks: BLOCKS }];

/// The pair as of a root, on an image.
fn reopened(image: MemoryDevice, root: &Root, pair: &Pair) -> Pair {
    let store = PageStore::open(Arc::new(image), &AREA, root, options(40)).unwrap();
    Pair { store, model: pair.model.clone(), pages: pair.pages.clone() }
}

/// One life: each commit is cut at a random moment, the durable root must hold, and the life goes on with the commit.
fn life(seed: u64, memory_pages: usize) {
    let mut chance = chance(seed);
    let device = Arc::new(CrashDevice::new(BLOCKS));
    let store = PageStore::format(device.clone(), &AREA, options(memory_pages)).unwrap();
    let mut pair = Pair::new(store);
    let mut durable = pair.store.seal(next(&pair.store)).unwrap();
    pair.store.committed(pair.store.epoch());
    device.flush().unwrap();
    // What the durable root must show.
    let mut before = pair_of(&pair);
    for round in 0..12 {
        (0..chance.random_range(0..80)).for_each(|_| pair.step(&mut chance));
        let fates = device.draw(&mut chance);
        reopened(device.image(&fates), &durable, &before).check();
        let root = pair.store.seal(next(&pair.store)).unwrap();
        let sealed = pair_of(&pair);
        // The next epoch begins before this one is durable: what spills now must spare both.
        (0..chance.random_range(0..40)).for_each(|_| pair.step(&mut chance));
        for cut in 0..3 {
            let fates = device.draw(&mut chance);
            eprintln!("seed {seed} round {round} cut {cut}: {fates:?}");
            reopened(device.image(&fates), &durable, &before).check();
        }
        device.flush().unwrap();
        durable = root;
        reopened(device.durable(), &durable, &sealed).check();
        pair.store.committed(pair.store.epoch());
        before = sealed;
    }
}

/// The pair's model as of now, with a store that is none.
fn pair_of(pair: &Pair) -> Pair {
    let memory: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(20));
    let store = PageStore::format(memory, &[Extent::new(Pba(0), 20)], options(1)).unwrap();
    Pair { store, model: pair.model.clone(), pages: pair.pages.clone() }
}

#[test]
fn the_durable_root_survives_every_cut() {
    (0..30).for_each(|seed| life(seed, 300));
}

#[test]
fn spilled_pages_touch_nothing_durable() {
    (100..120).for_each(|seed| life(seed, 3));
}

/// A store of 300 pages behind a device with faults, its root, and how many requests it took so far.
fn faulty() -> (Arc<FaultDevice<MemoryDevice>>, PageStore, Vec<spinney_core::PageNo>) {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(2000), &[]));
    let shared: Arc<dyn BlockDevice> = device.clone();
    let area = [Extent::new(Pba(0), 2000)];
    let (_, pages, root) = filled(&shared, &area, 300);
    let store = PageStore::open(shared, &area, &root, options(20)).unwrap();
    (device, store, pages)
}

#[test]
fn a_failed_seal_closes_the_store_until_abort() {
    for after in 0..12 {
        let (device, mut store, pages) = faulty();
        let view = store.view();
        pages[..15].iter().for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), 900));
        fill(store.edit(pages[290], PageKind::OTHER).unwrap(), 900);
        device.set_script(&[Fault::forever(FaultKind::WriteError, device.requests() + after)]);
        let sealed = store.seal(next(&store));
        assert_eq!(sealed.is_err(), !device.fired().is_empty(), "fault {after}");
        if sealed.is_err() {
            assert!(matches!(sealed, Err(Error::Io { .. })), "fault {after}");
            assert_eq!(store.read(pages[0], PageKind::OTHER).err(), Some(Error::Closed));
            assert_eq!(store.edit(pages[0], PageKind::OTHER).err(), Some(Error::Closed));
            assert_eq!(store.alloc(PageKind::OTHER), Err(Error::Closed));
            assert_eq!(store.seal(next(&store)), Err(Error::Closed));
        }
        assert!(pages.iter().zip(0..).all(|(page, value)| holds(&view, *page, value)), "fault {after}");
        device.set_script(&[]);
        store.abort().unwrap();
        assert!(pages.iter().zip(0..).all(|(page, value)| holds(&store, *page, value)), "fault {after}");
        store.check(&mut |finding| panic!("fault {after}: {finding}")).unwrap();
        store.seal(next(&store)).unwrap();
        store.committed(store.epoch());
    }
}

#[test]
fn a_failed_spill_loses_nothing() {
    for after in 0..8 {
        let (device, mut store, pages) = faulty();
        device.set_script(&[Fault::once(FaultKind::WriteError, device.requests() + 30 * after)]);
        let mut failures = 0;
        for page in &pages {
            let edit =
                |store: &mut PageStore| store.edit(*page, PageKind::OTHER).map(|payload| fill(payload, 900));
            if edit(&mut store).is_err() {
                failures += 1;
                edit(&mut store).expect("the fault strikes once");
            }
        }
        assert_eq!(failures, device.fired().len());
        assert!(pages.iter().all(|page| holds(&store, *page, 900)), "fault {after}");
        store.seal(next(&store)).unwrap();
        store.committed(store.epoch());
        assert!(pages.iter().all(|page| holds(&store, *page, 900)), "fault {after}");
        store.check(&mut |finding| panic!("fault {after}: {finding}")).unwrap();
        assert_eq!(store.room(), store.pages_total() - 300);
    }
}

#[test]
fn lost_misdirected_and_flipped_requests_never_read_wrong() {
    for seed in 0..300 {
        let mut chance = chance(seed);
        let device = Arc::new(FaultDevice::new(MemoryDevice::new(600), &[]));
        let shared: Arc<dyn BlockDevice> = device.clone();
        let area = [Extent::new(Pba(0), 600)];
        let (_, pages, root) = filled(&shared, &area, 200);
        let kind = match chance.random_range(0..5) {
            0 => FaultKind::LostWrite,
            1 => FaultKind::MisdirectedWrite { shift_blocks: chance.random_range(1..600) },
            2 => FaultKind::MisdirectedRead { shift_blocks: chance.random_range(1..600) },
            3 => FaultKind::StaleRead,
            _ => FaultKind::FlipOnRead { bit: chance.random_range(0..1 << 20) },
        };
        device.set_script(&[Fault::once(kind, device.requests() + chance.random_range(0..60))]);
        let outcome = rewrite_and_read(&shared, &area, &root, &pages);
        eprintln!("seed {seed}: {kind:?}, {:?}, {outcome:?}", device.fired());
        assert!(matches!(outcome, Ok(()) | Err(Error::Corrupt { .. })), "seed {seed}");
        assert!(outcome.is_ok() || !device.fired().is_empty(), "seed {seed}");
    }
}

/// Rewrite a part, reopen, read all. What reads must be right.
fn rewrite_and_read(
    device: &Arc<dyn BlockDevice>,
    area: &[Extent],
    root: &Root,
    pages: &[spinney_core::PageNo],
) -> Result<(), Error> {
    let mut store = PageStore::open(device.clone(), area, root, options(10))?;
    for page in &pages[..40] {
        fill(store.edit(*page, PageKind::OTHER)?, 800);
    }
    let root = store.seal(next(&store))?;
    let store = PageStore::open(device.clone(), area, &root, StoreOptions::default())?;
    for (page, at) in pages.iter().zip(0..) {
        store.read(*page, PageKind::OTHER)?;
        assert!(holds(&store, *page, if at < 40 { 800 } else { at }), "page {page}");
    }
    Ok(())
}
