//! The cost row of the README, counted in pages touched.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Extent, Lba, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Pba, Result};
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
    full_in(DeadList::new(8, false).expect("a fanout"))
}

fn full_in(mut scheme: DeadList) -> Pool {
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

/// Pages to be changed, and how many looks there were at nodes.
struct Changed(MemoryPages, AtomicU64);

impl PageRead for Changed {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.1.fetch_add(u64::from(kind == PageKind::TREE), Ordering::Relaxed);
        self.0.read(page, kind)
    }
}

impl PageTxn for Changed {
    fn alloc(&mut self, kind: PageKind) -> Result<PageNo> {
        self.0.alloc(kind)
    }
    fn edit(&mut self, page: PageNo, kind: PageKind) -> Result<&mut Payload> {
        self.0.edit(page, kind)
    }
    fn free(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        self.0.free(page, kind)
    }
}

impl Pool {
    /// Nodes read by deleting the volume on a copy of its pages, and what that gives back: blocks, nodes.
    fn delete_apart(&mut self) -> (u64, u64, usize) {
        let (mut pages, mut freed) = (Changed(self.pages.clone(), AtomicU64::new(0)), Freed::default());
        self.scheme.delete(self.volume, &mut pages, &mut freed).unwrap();
        assert_eq!(self.scheme.tend(1 << 20, &mut pages, &mut freed).unwrap().left, 0);
        self.scheme.check(&pages.0, &mut |finding| panic!("{finding}")).unwrap();
        let nodes = |pages: &MemoryPages| pages.live().filter(|(_, kind)| *kind == PageKind::TREE).count();
        let gone = nodes(&self.pages) - nodes(&pages.0);
        (pages.1.into_inner(), freed.blocks(), gone)
    }
}

/// A clone that was written in 20 places, each in a leaf of its own, some of them twice.
fn written_clone(scheme: DeadList) -> (Pool, u64) {
    let mut pool = full_in(scheme);
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.volume = pool.scheme.snapshot(snapshot, Access::Writable, &mut pool.pages).unwrap();
    for count in 0..20 {
        pool.write(count * 24, 1000 + count);
    }
    pool.pages.seal();
    let touched = (0..20).map(|count| pool.write(count * 24, 2000 + count)).sum();
    (pool, touched)
}

#[test]
fn a_clone_that_lists_what_it_makes_is_deleted_without_a_look_at_its_nodes() {
    let scheme = || DeadList::new(8, false).expect("a fanout");
    let own_nodes = 20 + 8 + 1;
    // A leaf; with lists the table, too, and the anchor, which counts its keys.
    let [without, with] = [(scheme(), own_nodes, 20), (scheme().with_livelists(), 0, 3 * 20)];
    for (scheme, nodes_read, pages_written) in [without, with] {
        let (mut pool, touched) = written_clone(scheme);
        assert_eq!(touched, pages_written, "20 steady overwrites, one a commit");
        assert_eq!(pool.delete_apart(), (nodes_read, 20, own_nodes as usize));
    }
}

/// A clone that lists, of which a snapshot was taken and deleted; `tend` is called with `budget`, and a block is written between any two calls.
fn after_a_snapshot_of_the_clone(budget: u64) -> Pool {
    let (mut pool, _) = written_clone(DeadList::new(8, false).expect("a fanout").with_livelists());
    let taken = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    for count in 0..5 {
        pool.write(count * 24, 3000 + count);
    }
    pool.scheme.delete(taken, &mut pool.pages, &mut pool.freed).unwrap();
    pool.settle(budget);
    pool
}

impl Pool {
    fn settle(&mut self, budget: u64) {
        for on in 4000.. {
            if self.scheme.tend(budget, &mut self.pages, &mut self.freed).unwrap().left == 0 {
                return;
            }
            self.scheme.check(&self.pages, &mut |finding| panic!("{finding}")).unwrap();
            self.write(24, on);
            assert!(on < 5000, "never done");
        }
    }
}

#[test]
fn lists_of_a_clone_and_its_deleted_snapshot_join_if_that_is_one_step() {
    let mut pool = after_a_snapshot_of_the_clone(20);
    assert_eq!(pool.delete_apart(), (0, 20, 20 + 8 + 1));
    let mut pool = after_a_snapshot_of_the_clone(3);
    assert_eq!(pool.delete_apart(), (20 + 8 + 1, 20, 20 + 8 + 1), "as without lists");
}

#[test]
fn a_clone_that_takes_the_place_of_its_origin_lists_no_more() {
    let (mut pool, _) = written_clone(DeadList::new(8, false).expect("a fanout").with_livelists());
    let mut others = Vec::new();
    pool.scheme.versions(&pool.pages, &mut |version| others.push(version.dev)).unwrap();
    others.retain(|dev| *dev != pool.volume);
    others.iter().for_each(|dev| pool.scheme.delete(*dev, &mut pool.pages, &mut pool.freed).unwrap());
    pool.settle(1);
    pool.scheme.check(&pool.pages, &mut |finding| panic!("{finding}")).unwrap();
    let usage = pool.scheme.usage(pool.volume, &pool.pages).unwrap();
    assert_eq!((usage.exclusive_blocks, usage.shared_blocks), (512, 0));
    assert_eq!(pool.delete_apart(), (1 + 8 + 64, 512, 1 + 8 + 64));
}
