//! The cost row of the README, counted in pages touched.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, Extent, Lba, LbaRange, PageKind, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_betree::{Betree, Settings};
use spinney_testkit::MemoryPages;

/// Leaves of 66 slots, 8 children, 28 messages: two levels of inner nodes.
const BLOCKS: u64 = 4096;

struct Pool {
    scheme: Betree,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
    next: u64,
}

/// A full volume, laid out in order from block 0 on; all messages landed.
fn full(hidden_percent: u64) -> Pool {
    let mut scheme = Betree::new(Settings { fanout: 66, goto_max: 4, hidden_percent }).unwrap();
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let volume = scheme.create(BLOCKS, &mut pages).unwrap();
    scheme.map(volume, Lba(0), Extent::new(Pba(0), BLOCKS), &mut pages, &mut freed).unwrap();
    pages.seal();
    Pool { scheme, pages, freed, volume, next: 1 << 20 }
}

impl Pool {
    /// Write one block. Pages touched.
    fn write(&mut self, dev: DevId, at: u64) -> u64 {
        self.next += 2;
        let on = Extent::new(Pba(self.next), 1);
        self.scheme.map(dev, Lba(at), on, &mut self.pages, &mut self.freed).unwrap();
        self.pages.seal()
    }
    /// As many blocks far apart; an epoch. Pages touched.
    fn scatter(&mut self, dev: DevId, writes: u64, from: u64) -> u64 {
        for write in 0..writes {
            self.next += 2;
            let (at, on) = ((from + write * 997) % BLOCKS, Extent::new(Pba(self.next), 1));
            self.scheme.map(dev, Lba(at), on, &mut self.pages, &mut self.freed).unwrap();
        }
        self.scheme.commit(Epoch(1), &mut self.pages).unwrap();
        self.pages.seal()
    }
    fn clone_of(&mut self, dev: DevId) -> DevId {
        let clone = self.scheme.snapshot(dev, Access::Writable, &mut self.pages).unwrap();
        self.pages.seal();
        clone
    }
    fn pages_of(&self, wanted: PageKind) -> usize {
        self.pages.live().filter(|(_, kind)| *kind == wanted).count()
    }
}

#[test]
fn a_clone_is_a_record_and_a_count_and_its_first_write_a_node() {
    let mut pool = full(10);
    let nodes = pool.pages_of(PageKind::TREE);
    let clone = pool.scheme.snapshot(pool.volume, Access::Writable, &mut pool.pages).unwrap();
    // The anchor, the record's page, and the first page of counts with the page above it.
    assert_eq!(pool.pages.seal(), 4);
    assert_eq!(pool.write(clone, 77), 3, "a node, the record, the anchor");
    assert_eq!(pool.pages_of(PageKind::TREE), nodes + 1);
    assert_eq!(pool.write(clone, 2000), 2, "the node, the anchor");
    assert!(pool.freed.runs().is_empty());
}

#[test]
fn a_small_batch_after_a_clone_copies_no_leaf() {
    let mut pool = full(10);
    let leaves_and_all = pool.pages_of(PageKind::TREE);
    let mut dev = pool.volume;
    for round in 0..3 {
        dev = pool.clone_of(dev);
        assert_eq!(pool.scatter(dev, 4, round * 31), 3, "a node, the record, the anchor");
    }
    assert_eq!(pool.pages_of(PageKind::TREE), leaves_and_all + 3);
}

#[test]
fn what_is_hidden_comes_back_once_it_is_too_much() {
    let mut pool = full(1);
    let volume = pool.volume;
    pool.scatter(volume, 14, 5);
    let idle = pool.scheme.tend(0, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!((idle.left, pool.freed.blocks()), (0, 0), "14 of 4,110 are not one in a hundred");
    for round in 0..40 {
        let clone = pool.clone_of(volume);
        pool.scatter(clone, 3, round * 31);
    }
    while pool.scheme.tend(7, &mut pool.pages, &mut pool.freed).unwrap().left > 0 {}
    let mut held = 0;
    pool.scheme.visit_blocks(&pool.pages, &mut |run| held += run.blocks).unwrap();
    let mapped = BLOCKS + 14 + 40 * 3;
    assert!(held <= mapped * 102 / 100, "{held} of {mapped}");
    pool.scheme.check(&pool.pages, &mut |found| panic!("{found}")).unwrap();
}

#[test]
fn unmapping_holes_touches_nothing() {
    let mut pool = full(10);
    let hole = LbaRange::new(Lba(64), 3);
    pool.scheme.unmap(pool.volume, hole, &mut pool.pages, &mut pool.freed).unwrap();
    pool.clone_of(pool.volume);
    pool.scheme.unmap(pool.volume, hole, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!(pool.pages.seal(), 0);
}
