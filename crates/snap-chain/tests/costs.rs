//! The cost row of the README, counted in pages touched and read.

use spinney_core::{DevId, Extent, Lba, LbaRange, PageKind, PageNo, PageRead, PageRef, Payload, Pba, Result};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_chain::Chain;
use spinney_testkit::MemoryPages;
use std::sync::atomic::{AtomicU64, Ordering};

/// Fanout 8 and 512 blocks: three levels.
struct Pool {
    scheme: Chain,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full(indexed: bool) -> Pool {
    let mut scheme = Chain::new(8, indexed, false).expect("a fanout");
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).expect("format");
    let volume = scheme.create(512, &mut pages).expect("create");
    scheme.map(volume, Lba(0), Extent::new(Pba(0), 512), &mut pages, &mut freed).expect("map");
    pages.seal();
    Pool { scheme, pages, freed, volume }
}

/// Pages, and how often one was read.
struct Counted<'a>(&'a MemoryPages, AtomicU64);

impl PageRead for Counted<'_> {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.read(page, kind)
    }
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.show(page, kind, see)
    }
}

impl Pool {
    fn write(&mut self, at: u64, on: u64) -> u64 {
        let on = Extent::new(Pba(on), 1);
        self.scheme.map(self.volume, Lba(at), on, &mut self.pages, &mut self.freed).expect("map");
        self.pages.seal()
    }
    fn snapshot(&mut self) -> DevId {
        self.scheme.snapshot(self.volume, Access::ReadOnly, &mut self.pages).expect("snapshot")
    }
    /// Page reads of one lookup.
    fn reads(&self, dev: DevId, at: u64) -> u64 {
        let pages = Counted(&self.pages, AtomicU64::new(0));
        self.scheme.lookup(dev, LbaRange::new(Lba(at), 1), &pages, &mut |_| ()).expect("lookup");
        pages.1.into_inner()
    }
}

#[test]
fn a_snapshot_touches_three_pages_and_the_first_write_a_path() {
    let mut pool = full(false);
    pool.snapshot();
    assert_eq!(pool.pages.seal(), 3, "the anchor, the records' page, the table");
    assert_eq!(pool.write(77, 1000), 4, "three new nodes and the record");
    assert_eq!(pool.write(77, 1001), 1, "a steady overwrite changes its leaf and nothing else");
    assert_eq!(pool.write(78, 1002), 1, "so does the neighbour's first");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(1000), 1)]);
}

#[test]
fn merging_moves_whole_subtrees_and_no_data() {
    let mut pool = full(false);
    let snapshot = pool.snapshot();
    pool.write(77, 1000);
    pool.write(78, 1001);
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    assert!(pool.freed.runs().is_empty());
    let progress = pool.scheme.tend(1 << 20, &mut pool.pages, &mut pool.freed).unwrap();
    // Of 512 blocks: 7 subtrees of the root and 7 of a node move as they are, 6 blocks of a leaf move, 2 go; 3 nodes, the layer.
    assert_eq!((progress.done, progress.left), (7 + 7 + 6 + 2 + 3 + 1, 0));
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 2)]);
}

#[test]
fn a_lookup_costs_its_depth_unless_there_is_an_index() {
    for (indexed, wanted) in [(false, [6, 9, 27, 99]), (true, [6, 6, 6, 6])] {
        let mut pool = full(indexed);
        let mut depth = 1;
        for (until, wanted) in [1, 2, 8, 32].into_iter().zip(wanted) {
            while depth < until {
                pool.snapshot();
                depth += 1;
            }
            assert_eq!(pool.reads(pool.volume, 300), wanted, "depth {depth}, index: {indexed}");
        }
    }
}

#[test]
fn a_budget_of_one_gets_through_a_tree_that_is_deeper() {
    let mut scheme = Chain::new(2, false, false).expect("a fanout");
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).expect("format");
    let volume = scheme.create(512, &mut pages).expect("create");
    scheme.map(volume, Lba(300), Extent::new(Pba(0), 40), &mut pages, &mut freed).expect("map");
    let snapshot = scheme.snapshot(volume, Access::ReadOnly, &mut pages).expect("snapshot");
    scheme.snapshot(snapshot, Access::Writable, &mut pages).expect("clone");
    scheme.map(volume, Lba(310), Extent::new(Pba(100), 5), &mut pages, &mut freed).expect("map");
    scheme.delete(snapshot, &mut pages, &mut freed).expect("delete");
    let calls =
        (0..2000).take_while(|_| scheme.tend(1, &mut pages, &mut freed).expect("tend").left > 0).count();
    assert!(calls < 200, "{calls} calls");
    assert!(freed.runs().is_empty(), "the clone sees it all");
}

#[test]
fn the_checker_reads_what_there_is_and_no_chain_again_for_each_version() {
    for indexed in [false, true] {
        let reads = |snapshots: u64| {
            let mut pool = full(indexed);
            for count in 0..snapshots {
                pool.write(count * 7 % 512, 1000 + count);
                pool.snapshot();
            }
            let pages = Counted(&pool.pages, AtomicU64::new(0));
            pool.scheme.check(&pages, &mut |finding| panic!("{finding}")).expect("check");
            pages.1.into_inner()
        };
        let (few, many) = (reads(50), reads(200));
        assert!(many < few * 5, "{few} reads for 50 snapshots, {many} for 200 (index: {indexed})");
    }
}
