//! Deletes: at once and cheap, the walk in steps, exact usage meanwhile.

use spinney_core::{DevId, Epoch, Extent, Lba, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme, Work};
use spinney_snap_flat::Flat;
use spinney_testkit::MemoryPages;

/// Three leaves of a map.
const BLOCKS: u64 = 1400;

/// A full volume and its snapshot.
fn shared(pages: &mut MemoryPages) -> (Flat, DevId, DevId) {
    let mut scheme = Flat::new();
    scheme.format(pages).expect("format");
    let volume = scheme.create(BLOCKS, pages).expect("create");
    scheme.map(volume, Lba(0), Extent::new(Pba(0), BLOCKS), pages, &mut Freed::default()).expect("map");
    let snapshot = scheme.snapshot(volume, Access::ReadOnly, pages).expect("snapshot");
    pages.seal();
    (scheme, volume, snapshot)
}

#[test]
fn a_delete_touches_as_few_pages_as_it_promised_whatever_the_size() {
    let mut pages = MemoryPages::new();
    let (mut scheme, _, snapshot) = shared(&mut pages);
    let bound = scheme.pages_bound(Work::Delete(snapshot), &pages).expect("bound");
    scheme.delete(snapshot, &mut pages, &mut Freed::default()).expect("delete");
    // The anchor, the page of records, and the first page of deleted records with the one above it.
    assert_eq!(pages.seal(), 4);
    assert!(bound <= 6, "{bound} pages");
}

#[test]
fn usage_is_exact_while_a_deleted_version_is_half_gone() {
    let mut pages = MemoryPages::new();
    let (mut scheme, volume, snapshot) = shared(&mut pages);
    assert_eq!(scheme.usage(volume, &pages).expect("usage").exclusive_blocks, 0);
    scheme.delete(snapshot, &mut pages, &mut Freed::default()).expect("delete");
    loop {
        assert_eq!(scheme.usage(volume, &pages).expect("usage").exclusive_blocks, BLOCKS);
        if scheme.tend(100, &mut pages, &mut Freed::default()).expect("tend").left == 0 {
            return;
        }
    }
}

#[test]
fn a_half_done_delete_goes_on_after_reopening_and_frees_each_block_once() {
    let mut pages = MemoryPages::new();
    let (mut scheme, volume, snapshot) = shared(&mut pages);
    let mut freed = Freed::default();
    scheme.delete(snapshot, &mut pages, &mut freed).expect("delete");
    scheme.delete(volume, &mut pages, &mut freed).expect("delete");
    let mut calls = 0;
    while scheme.tend(333, &mut pages, &mut freed).expect("tend").left > 0 {
        let root = scheme.commit(Epoch(calls), &mut pages).expect("commit");
        scheme = Flat::new();
        scheme.open(&root, &pages).expect("open");
        calls += 1;
    }
    assert_eq!(calls, 2 * BLOCKS / 333);
    let mut runs: Vec<Extent> = freed.drain().collect();
    runs.sort_unstable();
    let covered = runs.iter().try_fold(0, |at, run| (run.start.0 == at).then_some(at + run.blocks));
    assert_eq!(covered, Some(BLOCKS), "{runs:?}");
}
