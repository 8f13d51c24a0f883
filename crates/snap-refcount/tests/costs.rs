//! The cost row of the README, counted in pages touched.

use spinney_core::{DevId, Epoch, Extent, Lba, LbaRange, PageKind, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_refcount::{Keeping, RefCount};
use spinney_testkit::MemoryPages;

/// Fanout 8 and 512 blocks: three levels.
struct Pool {
    scheme: RefCount,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full() -> Pool {
    let mut scheme = RefCount::new(8, false).expect("a fanout");
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
fn a_volume_without_snapshots_has_no_counts() {
    let mut pool = full();
    assert_eq!(pool.pages_of(PageKind::SHARE), 0);
    assert_eq!(pool.pages_of(PageKind::TREE), 1 + 8 + 64);
    assert_eq!(pool.write(77, 1000), 1, "a steady overwrite changes its leaf and nothing else");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)]);
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

#[test]
fn unmapping_holes_under_a_shared_node_touches_nothing() {
    let mut pool = full();
    let hole = LbaRange::new(Lba(64), 3);
    pool.scheme.unmap(pool.volume, hole, &mut pool.pages, &mut pool.freed).unwrap();
    pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.pages.seal();
    pool.scheme.unmap(pool.volume, hole, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!(pool.pages.seal(), 0);
}

#[test]
fn deleting_a_shared_version_leaves_nothing_to_do() {
    let mut pool = full();
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    let progress = pool.scheme.tend(0, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!((progress.left, pool.freed.blocks()), (0, 0));
    pool.scheme.commit(Epoch(1), &mut pool.pages).unwrap();
    assert_eq!(pool.pages_of(PageKind::SHARE), 0, "counts go when the sharing goes");
}

#[test]
fn dropping_a_diverged_snapshot_visits_only_what_was_its_own() {
    let mut pool = full();
    let snapshot = pool.scheme.snapshot(pool.volume, Access::ReadOnly, &mut pool.pages).unwrap();
    pool.write(77, 1000);
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    let progress = pool.scheme.tend(1 << 20, &mut pool.pages, &mut pool.freed).unwrap();
    // Eight slots in each of three nodes, two of which are entered and not let go, and the three nodes.
    assert_eq!((progress.done, progress.left), (8 * 3 - 2 + 3, 0));
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)]);
}

/// Pages that the first writes after each of 60 snapshots change, one write to one of 40 leaves of 506 blocks. Each leaf's blocks lie
/// `apart` blocks from each other.
fn pages_of_first_writes(keeping: Keeping, apart: u64) -> u64 {
    let mut scheme = RefCount::new(506, false).expect("a fanout").keeping(keeping).expect("a way");
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).expect("format");
    let volume = scheme.create(40 * 506, &mut pages).expect("create");
    let mut map = |scheme: &mut RefCount, pages: &mut MemoryPages, at: u64, on: u64| {
        scheme.map(volume, Lba(at), Extent::new(Pba(on), 1), pages, &mut freed).expect("map");
    };
    for at in 0..40 * 506 {
        map(&mut scheme, &mut pages, at, if apart == 1 { at } else { at % 506 * apart + at / 506 });
    }
    let mut changed = 0;
    for round in 0..60 {
        scheme.snapshot(volume, Access::ReadOnly, &mut pages).expect("snapshot");
        scheme.commit(Epoch(round), &mut pages).expect("commit");
        pages.seal();
        map(&mut scheme, &mut pages, round * 17 % 40 * 506 + round, 8_000_000 + round);
        scheme.commit(Epoch(round), &mut pages).expect("commit");
        changed += pages.seal();
    }
    changed
}

#[test]
fn a_log_gathers_scattered_counts_and_ranges_take_up_runs_of_them() {
    let (plain, log) = (Keeping::default(), Keeping { log_changes: 8096, range_steps: 0 });
    let ranges = Keeping { log_changes: 0, range_steps: 1012 };
    // 506 blocks over 16 GiB: a first write raises as many pages of counts, or 16 pages of the log.
    let [old_plain, old_log] = [plain, log].map(|keeping| pages_of_first_writes(keeping, 8_000));
    println!("scattered: {old_plain} pages, {old_log} with a log");
    assert!(old_plain >= 10 * old_log, "{old_plain} and {old_log}");
    let [young_plain, young_ranges] = [plain, ranges].map(|keeping| pages_of_first_writes(keeping, 1));
    println!("in order: {young_plain} pages, {young_ranges} in ranges");
    assert!(young_ranges < young_plain, "{young_plain} and {young_ranges}");
}
