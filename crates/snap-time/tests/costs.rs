//! The cost row of the README, counted in pages touched.

use spinney_core::{DevId, Extent, Lba, LbaRange, PageKind, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme, Step, WritePlan};
use spinney_snap_time::Time;
use spinney_testkit::MemoryPages;

/// Fanout 8 and 512 blocks: three levels.
struct Pool {
    scheme: Time,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full() -> Pool {
    let mut scheme = Time::new(8, true).expect("a fanout");
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
fn a_snapshot_is_a_record_and_a_count() {
    let mut pool = full();
    pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    // The anchor, the record's page, and the first page of counts with the page above it.
    assert_eq!(pool.pages.seal(), 4);
    assert_eq!(pool.pages_of(PageKind::TREE), 1 + 8 + 64);
}

#[test]
fn the_first_write_after_a_snapshot_copies_one_path_and_the_second_none() {
    let mut pool = full();
    pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.pages.seal();
    // Three nodes, the record, a page of node counts, a page of block counts with the one above it, the anchor.
    assert_eq!(pool.write(77, 1000), 8);
    assert_eq!(pool.pages_of(PageKind::TREE), 3 + 1 + 8 + 64);
    assert_eq!(pool.write(77, 1001), 1);
    assert_eq!(pool.write(78, 1002), 2, "the neighbour was counted: its leaf and its count");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(1000), 1)]);
}

/// How many blocks a plan for the whole volume offers to overwrite.
fn offered(scheme: &dyn SnapshotScheme, pages: &MemoryPages, volume: DevId) -> u64 {
    let mut plan = WritePlan::default();
    scheme.plan_write(volume, LbaRange::new(Lba(0), 512), pages, &mut plan).expect("plan");
    let steps = plan.0.iter().filter(|step| matches!(step, Step::Overwrite { .. }));
    steps.map(Step::blocks).sum()
}

/// S28: dm-thin goes on copying after the snapshot is gone.
#[test]
fn what_is_older_than_a_snapshot_is_not_written_in_place_even_when_that_is_gone() {
    let mut pool = full();
    assert_eq!(offered(&pool.scheme, &pool.pages, pool.volume), 512);
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!(offered(&pool.scheme, &pool.pages, pool.volume), 0);
    pool.write(77, 1000);
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)], "its count says that it has one owner");
    assert_eq!(offered(&pool.scheme, &pool.pages, pool.volume), 1, "what was written since is its own");
}
