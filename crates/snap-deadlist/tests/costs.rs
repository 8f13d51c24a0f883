//! The cost row of the README, counted in pages touched.

use spinney_core::{DevId, Extent, Lba, PageKind, PageNo, PageRead, PageRef, Pba, Result};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_deadlist::DeadList;
use spinney_testkit::MemoryPages;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fanout 8 and 512 blocks: three levels.
struct Pool {
    scheme: DeadList,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full() -> Pool {
    let mut scheme = DeadList::new(8, false).expect("a fanout");
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).expect("format");
    let volume = scheme.create(512, &mut pages).expect("create");
    scheme.map(volume, Lba(0), Extent::new(Pba(0), 512), &mut pages, &mut freed).expect("map");
    pages.seal();
    Pool { scheme, pages, freed, volume }
}

impl Pool {
    fn write(&mut self, at: u64, on: u64) -> u64 {
        let on = Extent::new(Pba(on), 1);
        self.scheme.map(self.volume, Lba(at), on, &mut self.pages, &mut self.freed).expect("map");
        self.pages.seal()
    }
    fn pages_of(&self, wanted: PageKind) -> usize {
        self.pages.live().filter(|(_, kind)| *kind == wanted).count()
    }
}

#[test]
fn a_volume_without_snapshots_lists_nothing() {
    let mut pool = full();
    assert_eq!(pool.pages_of(PageKind::SHARE), 1, "the table's root");
    assert_eq!(pool.write(77, 1000), 1, "a steady overwrite changes its leaf and nothing else");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)]);
}

#[test]
fn a_snapshot_costs_the_same_after_none_and_after_a_hundred() {
    let mut pool = full();
    for count in 0..100 {
        pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
        // The anchor, the table, and the page of the new record, which may be another than the volume's.
        let (touched, made) = (pool.pages.seal(), if count < 48 { 3 } else { 5 });
        assert!(touched <= made, "{touched} pages for snapshot {count}");
    }
    assert_eq!(pool.pages_of(PageKind::SHARE), 1, "lists of nothing have no key");
}

#[test]
fn the_first_write_after_a_snapshot_copies_one_path_and_counts_nothing() {
    let mut pool = full();
    pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.pages.seal();
    // Three nodes, the record, the table, the anchor.
    assert_eq!(pool.write(77, 1000), 6);
    assert_eq!(pool.write(77, 1001), 1);
    assert_eq!(pool.write(78, 1002), 3, "the neighbour goes on the list: its leaf, the table, the anchor");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(1000), 1)]);
}

#[test]
fn deleting_a_snapshot_takes_a_unit_for_each_entry_and_reads_no_tree() {
    let mut pool = full();
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.write(77, 1000);
    pool.write(78, 1001);
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    let progress = pool.scheme.tend(1 << 20, &mut pool.pages, &mut pool.freed).unwrap();
    // Three nodes, two blocks, and the record.
    assert_eq!((progress.done, progress.left), (3 + 2 + 1, 0));
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 2)]);
    assert_eq!(pool.pages_of(PageKind::TREE), 1 + 8 + 64);
}

/// Pages, and how many looks there were at nodes.
struct Nodes<'a>(&'a MemoryPages, AtomicU64);

impl PageRead for Nodes<'_> {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.1.fetch_add(u64::from(kind == PageKind::TREE), Ordering::Relaxed);
        self.0.read(page, kind)
    }
}

#[test]
fn what_a_snapshot_would_free_is_told_from_lists() {
    let mut pool = full();
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.write(77, 1000);
    pool.write(78, 1001);
    let nodes = Nodes(&pool.pages, AtomicU64::new(0));
    assert_eq!(pool.scheme.freed_by_deleting(&[snapshot], &nodes), Ok(2));
    assert_eq!(nodes.1.into_inner(), 3, "the three that would go, of 73");
}
