//! The cost row of the README, counted in pages touched.

use spinney_core::{DevId, Extent, Lba, PageKind, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_eager::Eager;
use spinney_testkit::MemoryPages;

/// Fanout 8 and 512 blocks: three levels, of which two are the first level.
struct Pool {
    scheme: Eager,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full() -> Pool {
    let mut scheme = Eager::new(8, false).expect("a fanout");
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
    fn snapshot(&mut self) -> DevId {
        self.scheme.snapshot(self.volume, Access::ReadOnly, &mut self.pages).expect("snapshot")
    }
    fn pages_of(&self, wanted: PageKind) -> usize {
        self.pages.live().filter(|(_, kind)| *kind == wanted).count()
    }
}

#[test]
fn a_volume_without_snapshots_has_no_counts() {
    let mut pool = full();
    assert_eq!(pool.pages_of(PageKind::SHARE), 0);
    assert_eq!(pool.write(77, 1000), 1, "a steady overwrite changes its table and nothing else");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)]);
}

#[test]
fn a_snapshot_pays_for_all_and_the_writes_after_it_for_a_table() {
    let mut pool = full();
    pool.snapshot();
    // The first level twice and the tables, for their flags; two pages of counts with one above each; the anchor, the record.
    assert_eq!(pool.pages.seal(), 9 + 9 + 64 + 4 + 2);
    assert_eq!(pool.write(77, 1000), 4, "a table and its slot, two counts");
    assert_eq!(pool.write(77, 1001), 1);
    assert_eq!(pool.write(78, 1002), 2, "the neighbour's count");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(1000), 1)]);
    pool.snapshot();
    assert_eq!(pool.pages.seal(), 1 + 1 + 9 + 2 + 2, "flags that are clear already are not cleared again");
}

#[test]
fn a_delete_counts_everything_down() {
    let mut pool = full();
    let snapshot = pool.snapshot();
    pool.write(77, 1000);
    pool.scheme.delete(snapshot, &mut pool.pages, &mut pool.freed).unwrap();
    let progress = pool.scheme.tend(1 << 20, &mut pool.pages, &mut pool.freed).unwrap();
    assert_eq!((progress.done, progress.left), (512 + 64 + 9, 0));
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 1)]);
    pool.scheme.commit(spinney_core::Epoch(1), &mut pool.pages).unwrap();
    assert_eq!(pool.pages_of(PageKind::SHARE), 0, "nothing is shared any more");
}
