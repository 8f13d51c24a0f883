//! Seeded histories against the model, with reopening.
//!
//! Invariant: the store agrees with the model after every commit, reopening and abort. Knows no damage.

use crate::support::{Pair, area, chance, commit, fill, filled, holds, next, options};
use rand::RngExt;
use spinney_core::{PageKind, PageRead, PageTxn, Root};
use spinney_pages::{PageStore, StoreOptions};

/// Runs a history; the pair is reopened with chance one half after each commit.
fn history(seed: u64, blocks: u64, memory_pages: usize) {
    let mut chance = chance(seed);
    let (device, area) = area(blocks);
    let options = options(memory_pages);
    let mut pair = Pair::new(PageStore::format(device.clone(), &area, options).unwrap());
    for round in 0..20 {
        for _ in 0..chance.random_range(0..200) {
            pair.step(&mut chance);
        }
        eprintln!("seed {seed} round {round}: {} pages", pair.pages.len());
        let root = commit(&mut pair.store);
        if chance.random() {
            pair.store = PageStore::open(device.clone(), &area, &root, options).unwrap();
        }
        pair.check();
    }
}

#[test]
fn histories_agree_with_the_model() {
    (0..20).for_each(|seed| history(seed, 4000, 1000));
}

#[test]
fn histories_in_a_small_area_agree_with_the_model() {
    (100..120).for_each(|seed| history(seed, 90, 50));
}

#[test]
fn four_pages_of_memory_are_enough() {
    (200..210).for_each(|seed| history(seed, 1500, 4));
    (210..215).for_each(|seed| history(seed, 1500, 1));
}

#[test]
fn abort_returns_to_the_last_commit() {
    for seed in 300..320 {
        let mut chance = chance(seed);
        let (device, area) = area(600);
        let mut pair = Pair::new(PageStore::format(device, &area, options(20)).unwrap());
        for round in 0..12 {
            eprintln!("seed {seed} round {round}");
            (0..60).for_each(|_| pair.step(&mut chance));
            let epoch = next(&pair.store);
            pair.store.seal(epoch).unwrap();
            pair.store.committed(epoch);
            let (model, pages) = (pair.model.clone(), pair.pages.clone());
            (0..60).for_each(|_| pair.step(&mut chance));
            if chance.random() {
                pair.store.seal(next(&pair.store)).unwrap();
                (0..20).for_each(|_| pair.step(&mut chance));
            }
            pair.store.abort().unwrap();
            (pair.model, pair.pages) = (model, pages);
            pair.check();
        }
    }
}

#[test]
fn uncommitted_changes_vanish_at_reopening() {
    let (device, area) = area(400);
    let (mut store, pages, root) = filled(&device, &area, 50);
    fill(store.edit(pages[3], PageKind::OTHER).unwrap(), 1000);
    store.free(pages[4], PageKind::OTHER).unwrap();
    store.alloc(PageKind::TREE).unwrap();
    drop(store);
    let store = PageStore::open(device, &area, &root, StoreOptions::default()).unwrap();
    assert!((0..50).all(|value| holds(&store, pages[value as usize], value)));
    assert_eq!(store.pages_live(), 50);
}

#[test]
fn the_root_before_still_opens_until_committed() {
    for memory_pages in [2, 1000] {
        let (device, area) = area(2000);
        let (_, pages, mut before) = filled(&device, &area, 600);
        for round in 0..6u64 {
            let mut store = PageStore::open(device.clone(), &area, &before, options(memory_pages)).unwrap();
            for page in &pages {
                fill(store.edit(*page, PageKind::OTHER).unwrap(), round + 10_000);
            }
            let sealed = store.seal(next(&store)).unwrap();
            let old = PageStore::open(device.clone(), &area, &before, options(9)).unwrap();
            let expected = |at: u64| if round == 0 { at } else { round + 9_999 };
            assert!((0..600).all(|at| holds(&old, pages[at as usize], expected(at))), "round {round}");
            old.check(&mut |finding| panic!("{finding}")).unwrap();
            before = sealed;
        }
    }
}

#[test]
fn an_epoch_without_changes_keeps_the_map() {
    let (device, area) = area(400);
    let (mut store, pages, root) = filled(&device, &area, 50);
    let written = store.stats().written;
    let again = commit(&mut store);
    assert_eq!(store.stats().written, written);
    assert_ne!(root, again, "the root names its epoch");
    let store = PageStore::open(device, &area, &again, StoreOptions::default()).unwrap();
    assert!(holds(&store, pages[49], 49));
    assert_eq!(store.epoch().0, 2);
}

#[test]
fn an_empty_store_opens() {
    let (device, area) = area(13);
    let mut store = PageStore::format(device.clone(), &area, options(1)).unwrap();
    assert_eq!((store.pages_total(), store.room()), (1, 1));
    let root = commit(&mut store);
    let store = PageStore::open(device.clone(), &area, &root, options(1)).unwrap();
    assert_eq!(store.pages_live(), 0);
    assert!(PageStore::open(device, &area, &Root::default(), options(1)).is_err());
}

#[test]
fn a_page_reads_only_under_its_number_and_kind() {
    let (device, area) = area(400);
    let (mut store, pages, _) = filled(&device, &area, 50);
    assert!(store.read(pages[0], PageKind::TREE).is_err());
    assert!(store.edit(pages[0], PageKind::TREE).is_err());
    assert!(store.free(pages[0], PageKind::TREE).is_err());
    for number in [0, 51, 168, 169, 170, 10_000, 1 << 56, 1 << 63, u64::MAX] {
        let page = spinney_core::PageNo(number);
        assert!(store.read(page, PageKind::OTHER).is_err(), "page {number}");
        assert!(store.edit(page, PageKind::OTHER).is_err(), "page {number}");
        assert!(store.free(page, PageKind::OTHER).is_err(), "page {number}");
        assert!(store.verify(page).is_err(), "page {number}");
    }
    assert_eq!(store.pages_live(), 50);
    store.free(pages[0], PageKind::OTHER).unwrap();
    assert!(store.read(pages[0], PageKind::OTHER).is_err());
    assert!(store.free(pages[0], PageKind::OTHER).is_err());
}

#[test]
fn a_page_held_does_not_change() {
    let (device, area) = area(400);
    let (mut store, pages, _) = filled(&device, &area, 5);
    let held = store.read(pages[2], PageKind::OTHER).unwrap();
    fill(store.edit(pages[2], PageKind::OTHER).unwrap(), 77);
    let dirty = store.read(pages[2], PageKind::OTHER).unwrap();
    fill(store.edit(pages[2], PageKind::OTHER).unwrap(), 78);
    commit(&mut store);
    assert!(holds(&store, pages[2], 78));
    assert_eq!(held[..8], (2u64 * 0x1_0001).to_le_bytes());
    assert_eq!(dirty[..8], (77u64 * 0x1_0001).to_le_bytes());
}

#[test]
fn the_map_grows_taller_beside_what_it_holds() {
    // The last number of a full leaf, and of a full map of two levels: the next page touches none of the old leaves.
    for full in [168, 28_560] {
        let (device, area) = area(60_000);
        let (mut store, pages, _) = filled(&device, &area, full);
        let page = store.alloc(PageKind::OTHER).unwrap();
        assert_eq!(page.0, full + 1);
        fill(store.edit(page, PageKind::OTHER).unwrap(), full);
        let before = store.stats().written;
        let root = commit(&mut store);
        let written = (store.stats().written - before)[PageKind::MAP];
        assert_eq!(written, if full == 168 { 2 } else { 3 }, "a path to the new page, and nothing else");
        let store = PageStore::open(device, &area, &root, StoreOptions::default()).unwrap();
        let all = pages.into_iter().chain([page]).zip(0..);
        all.for_each(|(page, value)| assert!(holds(&store, page, value), "page {page} of {full}"));
    }
}

#[test]
fn what_an_aborted_seal_wrote_stays_forgotten() {
    let (device, area) = area(400);
    let (mut store, pages, _) = filled(&device, &area, 50);
    fill(store.edit(pages[7], PageKind::OTHER).unwrap(), 1000);
    store.seal(next(&store)).unwrap();
    store.abort().unwrap();
    // The same epoch again, without that change.
    fill(store.edit(pages[8], PageKind::OTHER).unwrap(), 1001);
    commit(&mut store);
    assert!(holds(&store, pages[7], 7), "memory must not hold the aborted version");
    assert!(holds(&store, pages[8], 1001));
    assert!(holds(&store.view(), pages[7], 7));
}
