//! Views over many commits.
//!
//! Invariant: a view reads what was committed when it was opened, for as long as it is held. Knows no damage.

use crate::support::{area, chance, commit, fill, filled, holds, next, options};
use rand::RngExt;
use spinney_core::{PageKind, PageNo, PageRead, PageTxn, look};
use spinney_pages::{PageStore, PageView};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a view must show: every page's value.
type Expected = BTreeMap<PageNo, u64>;

fn agrees(view: &PageView, expected: &Expected, last: u64) {
    for number in 1..=last {
        let page = PageNo(number);
        match expected.get(&page) {
            Some(value) => assert!(holds(view, page, *value), "page {page} at {}", view.epoch()),
            None => {
                assert!(view.read(page, PageKind::OTHER).is_err(), "page {page} at {}", view.epoch());
                assert!(
                    look(view, page, PageKind::OTHER, |_| ()).is_err(),
                    "page {page} at {}",
                    view.epoch()
                );
            }
        }
    }
}

#[test]
fn views_show_their_epoch_over_many_commits() {
    for (seed, memory_pages) in [(1, 1), (2, 4), (3, 60), (4, 2000), (5, 2000), (6, 30)] {
        eprintln!("seed {seed}");
        let mut chance = chance(seed);
        let (device, area) = area(6000);
        let mut store = PageStore::format(device, &area, options(memory_pages)).unwrap();
        let (mut now, mut views, mut last) = (Expected::new(), Vec::new(), 0);
        for round in 0..25 {
            for _ in 0..chance.random_range(1..80) {
                let page = match now.keys().nth(chance.random_range(0..600)) {
                    Some(page) => *page,
                    None => store.alloc(PageKind::OTHER).unwrap(),
                };
                last = last.max(page.0);
                if chance.random_range(0..10) < 3 {
                    store.free(page, PageKind::OTHER).unwrap();
                    now.remove(&page);
                } else {
                    let value = chance.random_range(0..1 << 40);
                    fill(store.edit(page, PageKind::OTHER).unwrap(), value);
                    now.insert(page, value);
                }
            }
            let sealed = store.seal(next(&store));
            views.push((
                store.view(),
                views.last().map_or(Expected::new(), |(_, at): &(_, Expected)| at.clone()),
            ));
            sealed.unwrap();
            store.committed(store.epoch());
            views.push((store.view(), now.clone()));
            eprintln!("round {round}: {} views, {:?}", views.len(), store.stats());
            if views.len() > 8 {
                let at = chance.random_range(0..views.len() - 1);
                views.remove(at);
            }
            views.iter().for_each(|(view, expected)| agrees(view, expected, last));
        }
        views.clear();
        let stats = store.stats();
        assert_eq!((stats.open_views, stats.retained_map_pages), (0, 0));
        assert_eq!(store.room(), store.pages_total() - now.len() as u64, "all old places come back");
    }
}

#[test]
fn a_view_outlives_an_abort_and_a_failed_seal() {
    let (device, area) = area(2000);
    let (mut store, pages, _) = filled(&device, &area, 400);
    let view = store.view();
    for round in 0..8 {
        pages.iter().for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), 5000 + round));
        if round % 2 == 0 {
            store.seal(next(&store)).unwrap();
            store.abort().unwrap();
        } else {
            commit(&mut store);
        }
        assert!(pages.iter().zip(0..).all(|(page, value)| holds(&view, *page, value)), "round {round}");
    }
    assert!(holds(&store, pages[0], 5007));
    drop(view);
    commit(&mut store);
    assert_eq!(store.room(), store.pages_total() - 400);
}

/// Stops the readers, also when the writer panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn readers_in_threads_see_whole_epochs_while_commits_go_on() {
    let (device, area) = area(4000);
    let (mut store, pages, _) = filled(&device, &area, 300);
    pages.iter().for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), 0));
    commit(&mut store);
    let (viewer, done) = (store.viewer(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let (viewer, done, pages) = (viewer.clone(), &done, &pages);
            scope.spawn(move || {
                let mut chance = chance(seed);
                while !done.load(Ordering::Relaxed) {
                    let view = viewer.view();
                    let expected = view.epoch().0 - 2;
                    for _ in 0..chance.random_range(0..600) {
                        let page = pages[chance.random_range(0..pages.len())];
                        assert!(holds(&view, page, expected), "reader {seed}: page {page} at {expected}");
                    }
                }
            });
        }
        let _stop = Stop(&done);
        for round in 1..150 {
            pages.iter().for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), round));
            commit(&mut store);
        }
    });
    assert_eq!(store.stats().open_views, 0);
}

#[test]
fn an_abort_counts_the_places_that_a_view_let_go_once() {
    let (device, area) = area(600);
    let (mut store, pages, _) = filled(&device, &area, 100);
    let view = store.view();
    pages.iter().for_each(|page| fill(store.edit(*page, PageKind::OTHER).unwrap(), 500));
    commit(&mut store);
    assert_eq!(store.stats().retired_places, 100);
    assert_eq!(store.room(), store.pages_total() - 200);
    drop(view);
    assert_eq!(store.room(), store.pages_total() - 100);
    store.abort().unwrap();
    assert_eq!(store.room(), store.pages_total() - 100);
    commit(&mut store);
    assert_eq!(store.room(), store.pages_total() - 100);
    assert_eq!(store.stats().retired_places, 0);
}
