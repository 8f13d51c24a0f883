//! The cost row of the README, counted in pages touched.

use spinney_core::{DevId, Extent, Lba, PageKind, PageNo, PageRead, PageRef, Pba, Result};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_snapmap::SnapMap;
use spinney_testkit::MemoryPages;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fanout 8 and 512 blocks: three levels.
struct Pool {
    scheme: SnapMap,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full() -> Pool {
    let mut scheme = SnapMap::new(8).expect("a fanout");
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
fn a_write_changes_two_bits_and_no_count() {
    let mut pool = full();
    assert_eq!(pool.pages_of(PageKind::SHARE), 2, "a page of bits and the one above it");
    assert_eq!(pool.write(77, 1000), 2, "the leaf and the bits");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)]);
}

#[test]
fn a_snapshot_copies_the_pages_of_bits() {
    let mut pool = full();
    pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    // The anchor, the record's page; the map's own page, its bits, the page above; a page of counts, the page above.
    assert_eq!(pool.pages.seal(), 7);
    // Three nodes, the record, the counts of nodes; the bits.
    assert_eq!(pool.write(77, 1000), 6);
    assert!(pool.freed.runs().is_empty(), "the snapshot's map has the block");
    assert_eq!(pool.write(77, 1001), 2);
}

#[test]
fn a_delete_finds_its_blocks_without_the_tree() {
    let mut pool = full();
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.write(77, 1000);
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    let progress = pool.scheme.tend(2, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)], "one block and one page of bits");
    assert_eq!((progress.done, progress.left), (2, 1), "its nodes are still there");
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
fn what_a_snapshot_would_free_is_told_from_bits() {
    let mut pool = full();
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.write(77, 1000);
    pool.write(78, 1001);
    let nodes = Nodes(&pool.pages, AtomicU64::new(0));
    assert_eq!(pool.scheme.freed_by_deleting(&[snapshot], &nodes), Ok(2));
    assert_eq!(nodes.1.into_inner(), 0);
}
