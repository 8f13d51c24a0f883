//! Damage: flipped bits, stale and misplaced blocks, hostile maps.
//!
//! Invariant: a damaged page is reported or reads as it was; nothing panics. Knows no crash order.

use crate::support::{area, chance, commit, fill, filled, holds, options};
use rand::RngExt;
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, PageKind, PageNo, PageRead, PageTxn, Pba, Root};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use std::sync::Arc;

fn block(device: &dyn BlockDevice, at: u64) -> [u8; BLOCK_BYTES] {
    let mut bytes = [0; BLOCK_BYTES];
    device.read(Pba(at), &mut bytes).unwrap();
    bytes
}

/// Opens and reads all: the number of pages that could not be read, and a panic if one reads wrong.
fn unreadable(device: &Arc<dyn BlockDevice>, area: &[Extent], root: &Root, pages: &[(PageNo, u64)]) -> usize {
    let store = match PageStore::open(device.clone(), area, root, options(8)) {
        Err(Error::Corrupt { .. }) => return pages.len(),
        other => other.unwrap(),
    };
    let mut count = 0;
    for (page, value) in pages {
        match store.read(*page, PageKind::OTHER) {
            Err(Error::Corrupt { .. }) => count += 1,
            read => assert_eq!(read.unwrap()[..8], value.wrapping_mul(0x1_0001).to_le_bytes(), "page {page}"),
        }
    }
    let mut findings = 0;
    store.check(&mut |_| findings += 1).unwrap();
    assert_eq!(findings > 0, count > 0, "the checker sees what readers see");
    count
}

#[test]
fn every_flipped_bit_is_seen_or_harmless() {
    let (device, area) = area(24);
    let (mut store, pages, _) = filled(&device, &area, 3);
    fill(store.edit(pages[1], PageKind::OTHER).unwrap(), 50);
    let root = commit(&mut store);
    let pages = [(pages[0], 0), (pages[1], 50), (pages[2], 2)];
    let mut harmful = 0;
    for at in 0..24 {
        let sound = block(&*device, at);
        if sound.iter().all(|byte| *byte == 0) {
            continue;
        }
        let mut reports = Vec::new();
        for bit in 0..BLOCK_BYTES * 8 {
            let mut bytes = sound;
            bytes[bit / 8] ^= 1 << (bit % 8);
            device.write(Pba(at), &bytes).unwrap();
            reports.push(unreadable(&device, &area, &root, &pages));
        }
        assert!(reports.iter().all(|count| *count == reports[0]), "block {at}: every bit matters, or none");
        harmful += usize::from(reports[0] > 0);
        device.write(Pba(at), &sound).unwrap();
    }
    assert_eq!(harmful, 4, "three pages and one map page are reachable");
}

#[test]
fn every_flipped_bit_of_the_root_is_seen_or_harmless() {
    let (device, area) = area(400);
    let (_, pages, root) = filled(&device, &area, 200);
    let pages: Vec<_> = pages.into_iter().zip(0..).collect();
    for bit in 0..root.bytes().len() * 8 {
        let mut bytes = root.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        // Only the epoch's own bits can pass: a later epoch reads the same pages. The volume's superblock guards them.
        let count = unreadable(&device, &area, &Root::new(&bytes), &pages);
        assert!(count == pages.len() || bit / 8 >= 40, "bit {bit}: {count} unreadable");
    }
    for length in 0..root.bytes().len() {
        let short = Root::new(&root.bytes()[..length]);
        assert!(PageStore::open(device.clone(), &area, &short, options(8)).is_err());
    }
}

/// A lost write (the old block is still there) and a misdirected one (another block's content is there): for every
/// pair of blocks.
#[test]
fn lost_and_misdirected_writes_are_seen() {
    let (device, area) = area(40);
    let (mut store, numbers, _) = filled(&device, &area, 4);
    let before: Vec<_> = (0..40).map(|at| block(&*device, at)).collect();
    numbers.iter().for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), 9));
    let root = commit(&mut store);
    let after: Vec<_> = (0..40).map(|at| block(&*device, at)).collect();
    let pages: Vec<_> = numbers.iter().map(|page| (*page, 9)).collect();
    for at in 0..40 {
        for content in before.iter().chain(&after) {
            device.write(Pba(at as u64), content).unwrap();
            let count = unreadable(&device, &area, &root, &pages);
            assert!(count > 0 || *content == after[at] || !reachable(&before, &after, at), "block {at}");
        }
        device.write(Pba(at as u64), &after[at]).unwrap();
    }
    assert_eq!(unreadable(&device, &area, &root, &pages), 0);
}

/// All four pages and the map page changed, so what the last root reaches is what the last commit wrote.
fn reachable(before: &[[u8; BLOCK_BYTES]], after: &[[u8; BLOCK_BYTES]], at: usize) -> bool {
    before[at] != after[at]
}

/// The same area one commit older under a newer root, page by page replaced at random.
#[test]
fn a_mixture_of_two_times_never_reads_wrong() {
    for seed in 0..200 {
        let mut chance = chance(seed);
        let (device, area) = area(700);
        let (mut store, numbers, _) = filled(&device, &area, 250);
        let mut values: Vec<(PageNo, u64)> = numbers.iter().copied().zip(0..).collect();
        let before: Vec<_> = (0..700).map(|at| block(&*device, at)).collect();
        for _ in 0..chance.random_range(1..4) {
            for (page, value) in values.iter_mut().filter(|_| chance.random()) {
                *value += 1000;
                fill(store.edit(*page, PageKind::OTHER).unwrap(), *value);
            }
            commit(&mut store);
        }
        let root = commit(&mut store);
        for at in (0..700).filter(|_| chance.random_range(0..40) == 0) {
            device.write(Pba(at), &before[at as usize]).unwrap();
        }
        eprintln!("seed {seed}: {} unreadable", unreadable(&device, &area, &root, &values));
    }
}

#[test]
fn a_damaged_page_is_named() {
    let (device, area) = area(400);
    let (store, pages, root) = filled(&device, &area, 200);
    let places: Vec<u64> = (0..400).filter(|at| block(&*device, *at)[4] == PageKind::OTHER.0).collect();
    assert_eq!(places.len(), 200);
    let mut bytes = block(&*device, places[17]);
    bytes[100] ^= 1;
    device.write(Pba(places[17]), &bytes).unwrap();
    let expected = Error::corrupt_page("page checksum", pages[17]);
    assert_eq!(store.verify(pages[17]), Err(expected));
    assert_eq!(store.verify(pages[16]), Ok(()));
    let mut findings = Vec::new();
    store.check(&mut |finding| findings.push(finding.place)).unwrap();
    assert_eq!(findings, [spinney_core::Place::Page(pages[17])]);
    let store = PageStore::open(device, &area, &root, StoreOptions::default()).unwrap();
    assert_eq!(store.read(pages[17], PageKind::OTHER).err(), Some(expected));
    assert_eq!(store.view().read(pages[17], PageKind::OTHER).err(), Some(expected));
    assert!(holds(&store, pages[16], 16));
}

#[test]
fn random_bytes_as_a_device_are_corrupt() {
    for seed in 0..500 {
        let mut chance = chance(seed);
        let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(20));
        for at in 0..20 {
            let bytes: Vec<u8> = (0..BLOCK_BYTES).map(|_| chance.random()).collect();
            device.write(Pba(at), &bytes).unwrap();
        }
        let bytes: Vec<u8> = (0..chance.random_range(0..=64)).map(|_| chance.random()).collect();
        let area = [Extent::new(Pba(0), 20)];
        let opened = PageStore::open(device, &area, &Root::new(&bytes), options(2)).map(|_| ());
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "seed {seed}");
    }
}
