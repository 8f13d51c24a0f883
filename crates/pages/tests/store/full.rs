//! Full areas, and areas that grow.
//!
//! Invariant: running out is `NoPages`, and nothing is lost by it. Knows no damage.

use crate::support::{area, commit, fill, filled, holds, options};
use spinney_core::{Error, Extent, PageKind, PageTxn, Pba};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions, store};
use std::sync::Arc;

#[test]
fn a_full_area_refuses_and_loses_nothing() {
    for memory_pages in [1, 10, 1000] {
        let (device, area) = area(300);
        let mut store = PageStore::format(device.clone(), &area, options(memory_pages)).unwrap();
        let mut pages = Vec::new();
        while let Ok(page) = store.alloc(PageKind::OTHER) {
            fill(store.edit(page, PageKind::OTHER).unwrap(), pages.len() as u64);
            pages.push(page);
        }
        assert_eq!(pages.len() as u64, store.pages_total());
        assert_eq!(store.alloc(PageKind::OTHER), Err(Error::NoPages { needed: 1, free: 0 }));
        let root = commit(&mut store);
        let full = store.edit(pages[0], PageKind::OTHER).map(|_| ());
        assert_eq!(full, Err(Error::NoPages { needed: 1, free: 0 }));
        let mut store = PageStore::open(device, &area, &root, options(memory_pages)).unwrap();
        assert!(pages.iter().zip(0..).all(|(page, value)| holds(&store, *page, value)));
        store.free(pages[0], PageKind::OTHER).expect("freeing needs no room");
        assert_eq!(store.room(), 0, "the old place is not reusable before the commit");
        commit(&mut store);
        assert_eq!(store.room(), 1);
        fill(store.edit(pages[1], PageKind::OTHER).unwrap(), 7777);
        commit(&mut store);
        assert!(holds(&store, pages[1], 7777) && holds(&store, pages[2], 2));
        store.check(&mut |finding| panic!("{finding}")).unwrap();
    }
}

#[test]
fn room_is_a_promise() {
    for memory_pages in [1, 7, 1000] {
        let (device, area) = area(300);
        let (_, pages, root) = filled(&device, &area, 100);
        let mut store = PageStore::open(device, &area, &root, options(memory_pages)).unwrap();
        for round in 0..5 {
            let room = store.room();
            let edits = room.min(100);
            for page in &pages[..edits as usize] {
                fill(store.edit(*page, PageKind::OTHER).unwrap(), round);
                fill(store.edit(*page, PageKind::OTHER).unwrap(), round + 1);
            }
            assert_eq!(store.room(), room - edits, "round {round}");
            let fresh: Vec<_> = (edits..room).map(|_| store.alloc(PageKind::TREE).unwrap()).collect();
            assert_eq!(store.room(), 0);
            store.seal(store.epoch().next()).expect("room was promised");
            store.committed(store.epoch());
            fresh.into_iter().for_each(|page| store.free(page, PageKind::TREE).unwrap());
            commit(&mut store);
            assert!(pages[..edits as usize].iter().all(|page| holds(&store, *page, round + 1)));
        }
    }
}

#[test]
fn an_area_grows_and_keeps_what_it_holds() {
    let device: Arc<dyn spinney_core::BlockDevice> = Arc::new(MemoryDevice::new(3000));
    let mut runs = vec![Extent::new(Pba(2000), 40)];
    let mut store = PageStore::format(device.clone(), &runs, StoreOptions::default()).unwrap();
    let mut pages = Vec::new();
    for (start, blocks) in [(10, 1), (100, 300), (20, 60), (500, 900), (2100, 700)] {
        while let Ok(page) = store.alloc(PageKind::OTHER) {
            fill(store.edit(page, PageKind::OTHER).unwrap(), pages.len() as u64);
            pages.push(page);
        }
        let run = Extent::new(Pba(start), blocks);
        store.grow(run).unwrap();
        runs.push(run);
        let root = commit(&mut store);
        assert!(store.grow(run).is_err(), "a run is taken once");
        if blocks != 60 {
            store = PageStore::open(device.clone(), &runs, &root, StoreOptions::default()).unwrap();
        }
        assert!(pages.iter().zip(0..).all(|(page, value)| holds(&store, *page, value)));
        store.check(&mut |finding| panic!("{finding}")).unwrap();
    }
    assert!(pages.len() > 1000, "{} pages", pages.len());
}

#[test]
fn an_area_of_the_advised_size_has_the_room() {
    for pages in [1, 63, 64, 1000, 5000] {
        let (device, area) = area(store::area_blocks_for(pages).unwrap());
        let store = PageStore::format(device, &area, StoreOptions::default()).unwrap();
        assert_eq!(store.pages_total(), pages + (pages / 4).max(64));
    }
    assert_eq!(store::area_blocks_for(u64::MAX), None);
}

#[test]
fn impossible_areas_are_refused() {
    let (device, _) = area(100);
    let format =
        |runs: &[Extent]| PageStore::format(device.clone(), runs, StoreOptions::default()).map(|_| ());
    let run = |start, blocks| Extent::new(Pba(start), blocks);
    assert!(matches!(format(&[]), Err(Error::BadSetting(_))));
    assert!(matches!(format(&[run(0, 12)]), Err(Error::BadSetting(_))));
    assert!(matches!(format(&[run(0, 50), run(49, 10)]), Err(Error::BadSetting(_))));
    assert!(matches!(format(&[run(90, 20)]), Err(Error::OutOfRange { .. })));
    assert!(format(&[run(87, 13)]).is_ok());
}
