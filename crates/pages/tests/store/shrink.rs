//! Areas that grow at their end and are cut there again.
//!
//! Invariant: whatever is cut, grown and moved, the store equals its model, before and after reopening. Knows no pool.

use crate::support::{Pair, chance, commit, options};
use rand::RngExt;
use spinney_core::{Epoch, Extent, PageKind, PageRead, PageTxn, Pba, Root};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use std::sync::Arc;

const DEVICE_BLOCKS: u64 = 20_000;

/// A pair on an area that is a list of runs, as a pool keeps it.
struct Life {
    device: Arc<MemoryDevice>,
    area: Vec<Extent>,
    pair: Pair,
    root: Root,
    cuts: u64,
}

impl Life {
    fn new() -> Life {
        let (device, area) = (Arc::new(MemoryDevice::new(DEVICE_BLOCKS)), vec![Extent::new(Pba(7), 400)]);
        let store =
            PageStore::format(device.clone(), &area, StoreOptions { tables_apart: true, ..options(300) })
                .unwrap();
        let mut life = Life { device, area, pair: Pair::new(store), root: Root::default(), cuts: 0 };
        life.commit();
        life
    }
    fn commit(&mut self) {
        self.root = commit(&mut self.pair.store);
    }
    fn grow(&mut self, blocks: u64) {
        // Device blocks of a run that was cut off come back in another order: nothing may depend on where they were.
        let end = self.area.iter().map(|run| run.end().0).max().unwrap() + 3;
        if end + blocks <= DEVICE_BLOCKS {
            self.area.push(Extent::new(Pba(end), blocks));
            self.pair.store.grow(Extent::new(Pba(end), blocks)).unwrap();
        }
    }
    /// Free pages at random until few are left, so that a cut may begin.
    fn thin(&mut self, keep: usize, chance: &mut impl rand::Rng) {
        while self.pair.pages.len() > keep {
            let at = chance.random_range(0..self.pair.pages.len());
            let (ours, theirs, kind) = self.pair.pages.swap_remove(at);
            self.pair.store.free(ours, kind).unwrap();
            self.pair.model.free(theirs, kind).unwrap();
        }
        self.commit();
    }
    /// Try to cut the last run off; a few commits move what lives there.
    fn cut(&mut self) {
        let Some(last) = self.area.last().copied().filter(|_| self.area.len() > 1) else { return };
        if !self.pair.store.begin_cut(self.pair.store.area_blocks() - last.blocks, 40) {
            return;
        }
        for _ in 0..50 {
            let moved = self.pair.store.move_for_cut(16).unwrap();
            self.commit();
            if moved == 0 && self.pair.store.finish_cut().unwrap() {
                self.area.pop();
                self.cuts += 1;
                return;
            }
        }
        self.pair.store.cancel_cut();
    }
    fn reopen(&mut self) {
        self.commit();
        self.pair.store = PageStore::open(
            self.device.clone(),
            &self.area,
            &self.root,
            StoreOptions { tables_apart: true, ..options(300) },
        )
        .unwrap();
    }
}

#[test]
fn an_area_that_grows_and_is_cut_keeps_its_pages() {
    let mut cuts = 0;
    for seed in 0..6 {
        let (mut chance, mut life) = (chance(seed), Life::new());
        for round in 0..30 {
            let steps = chance.random_range(0..400);
            (0..steps).for_each(|_| life.pair.step(&mut chance));
            life.commit();
            match chance.random_range(0..4) {
                0 => life.grow(chance.random_range(1..900)),
                1 => life.reopen(),
                2 => {
                    life.thin(chance.random_range(0..300), &mut chance);
                    life.cut();
                }
                _ => {}
            }
            println!("seed {seed} round {round}");
            life.pair.check();
        }
        cuts += life.cuts;
    }
    assert!(cuts > 5, "only {cuts} cuts were made");
}

#[test]
fn a_cut_waits_for_an_open_view_and_spoils_nothing_that_it_sees() {
    let (mut chance, mut life) = (chance(1), Life::new());
    life.grow(900);
    while life.pair.store.pages_live() < 600 {
        life.pair.step(&mut chance);
    }
    life.commit();
    let (view, seen) = (life.pair.store.view(), life.pair.pages.clone());
    let content: Vec<Vec<u8>> =
        seen.iter().map(|(page, _, kind)| view.read(*page, *kind).unwrap().to_vec()).collect();
    life.thin(10, &mut chance);
    life.cut();
    assert_eq!(life.cuts, 0, "the view holds places behind the fence");
    for _ in 0..200 {
        life.pair.step(&mut chance);
    }
    life.commit();
    for ((page, _, kind), content) in seen.iter().zip(&content) {
        assert!(view.read(*page, *kind).unwrap()[..] == content[..], "{page} changed under a view");
    }
    drop(view);
    life.thin(10, &mut chance);
    life.cut();
    assert_eq!(life.cuts, 1);
    life.pair.check();
}

#[test]
fn a_page_with_a_high_number_keeps_the_area_long() {
    let mut life = Life::new();
    life.grow(900);
    let store = &mut life.pair.store;
    let pages: Vec<_> = (0..800).map(|_| store.alloc(PageKind::OTHER).unwrap()).collect();
    pages[..799].iter().for_each(|page| store.free(*page, PageKind::OTHER).unwrap());
    commit(store);
    assert!(!store.begin_cut(400, 40), "page {} is beyond the shorter map", pages[799]);
    store.free(pages[799], PageKind::OTHER).unwrap();
    commit(store);
    assert!(store.begin_cut(400, 40) && store.finish_cut().unwrap());
    assert_eq!((store.area_blocks(), store.epoch()), (400, Epoch(3)));
}
