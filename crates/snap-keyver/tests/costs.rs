//! The cost row of the README, counted in pages touched and read.

use spinney_core::{DevId, Extent, Lba, LbaRange, PageKind, PageNo, PageRead, PageRef, Payload, Pba, Result};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_keyver::KeyVersions;
use spinney_testkit::MemoryPages;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys on two levels of the tree.
const BLOCKS: u64 = 512;

struct Pool {
    scheme: KeyVersions,
    pages: MemoryPages,
    freed: Freed,
    volume: DevId,
}

/// A full volume, laid out in order from block 0 on.
fn full() -> Pool {
    let mut scheme = KeyVersions::new(false);
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).expect("format");
    let volume = scheme.create(BLOCKS, &mut pages).expect("create");
    scheme.map(volume, Lba(0), Extent::new(Pba(0), BLOCKS), &mut pages, &mut freed).expect("map");
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
fn a_snapshot_touches_no_key_and_a_write_after_it_puts_one() {
    let mut pool = full();
    pool.snapshot();
    assert_eq!(pool.pages.seal(), 3, "the anchor, the versions' page, the nodes' page");
    assert_eq!(pool.write(77, 1000), 7, "a full leaf shares out its keys, and how many the node has");
    assert_eq!(pool.write(78, 1002), 2, "the leaf has room, and how many the node has");
    assert_eq!(pool.write(77, 1001), 1, "a steady overwrite changes its key and nothing else");
    assert_eq!(pool.freed.runs(), [Extent::new(Pba(1000), 1)]);
}

#[test]
fn a_delete_passes_all_keys_of_the_inode_and_several_deletes_pass_them_once() {
    for snapshots in [1, 3] {
        let mut pool = full();
        let taken: Vec<DevId> = (0..snapshots).map(|_| pool.snapshot()).collect();
        pool.write(77, 1000);
        pool.write(78, 1001);
        for dev in taken {
            pool.scheme.delete(dev, &mut pool.pages, &mut pool.freed).unwrap();
        }
        let progress = pool.scheme.tend(1 << 20, &mut pool.pages, &mut pool.freed).unwrap();
        // What the front node says moves down to the volume's and is passed again there; two blocks go.
        assert_eq!((progress.done, progress.left), (BLOCKS + (BLOCKS - 2) + 2 + snapshots, 0));
        assert_eq!(pool.freed.runs(), [Extent::new(Pba(77), 2)]);
    }
}

#[test]
fn a_lookup_passes_the_keys_of_its_block_and_jumps_up_long_lines() {
    // Nothing was overwritten: one key, and so many snapshots between it and the volume.
    let mut pool = full();
    let (mut depth, mut reads) = (1, Vec::new());
    for until in [1, 7, 50, 500] {
        while depth < until {
            pool.snapshot();
            depth += 1;
        }
        reads.push(pool.reads(pool.volume, 300));
    }
    assert_eq!(reads, [5, 14, 17, 29]);
    // One block overwritten after each snapshot: keys with numbers above its own a version does not pass, but the oldest passes all
    // of them when it got a new number, because something was taken from it. They are on few pages.
    let mut pool = full();
    let oldest = pool.snapshot();
    for on in 0..100 {
        pool.write(300, 1000 + on);
        pool.snapshot();
    }
    let before = [oldest, pool.volume].map(|dev| pool.reads(dev, 300));
    pool.scheme.snapshot(oldest, Access::ReadOnly, &mut pool.pages).unwrap();
    assert_eq!((before, pool.reads(oldest, 300)), ([11, 8], 15));
}
