//! Long lineages: what a version costs that has thousands above it, and the last epoch of all.
//!
//! Invariant: costs are counted in pages looked at, not timed.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{
    DevId, Epoch, Error, Extent, Lba, LbaRange, PageKind, PageNo, PageRead, PageRef, Payload, Pba, Result,
};
use spinney_snap::{Access, Freed, SnapshotScheme, Work};
use spinney_snap_deadlist::DeadList;
use spinney_snap_tree::Anchor;
use spinney_testkit::MemoryPages;
use std::sync::atomic::{AtomicU64, Ordering};

/// Word of the anchor: the epoch.
const EPOCH: usize = 1;

/// Pages, and how often one was looked at.
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

/// A volume with one block.
fn small() -> (DeadList, MemoryPages, DevId) {
    let (mut scheme, mut pages) = (DeadList::new(4, false).unwrap(), MemoryPages::new());
    scheme.format(&mut pages).unwrap();
    let volume = scheme.create(8, &mut pages).unwrap();
    let on = Extent::new(Pba(7), 1);
    scheme.map(volume, Lba(0), on, &mut pages, &mut Freed::default()).unwrap();
    (scheme, pages, volume)
}

/// Fails if what `ask` looks at grows faster than the number of versions that `take` makes of a volume.
fn follows_the_number(
    take: impl Fn(&mut DeadList, &mut MemoryPages, DevId, u64),
    ask: impl Fn(&DeadList, &Counted<'_>),
) {
    let looks = |versions| {
        let (mut scheme, mut pages, volume) = small();
        take(&mut scheme, &mut pages, volume, versions);
        let counted = Counted(&pages, AtomicU64::new(0));
        ask(&scheme, &counted);
        counted.1.into_inner()
    };
    let (few, many) = (looks(100), looks(400));
    assert!(many < few * 6, "{few} looks for 100 versions, {many} for 400");
}

#[test]
fn the_bound_of_tending_deleted_snapshots_follows_their_number() {
    let delete_all = |scheme: &mut DeadList, pages: &mut MemoryPages, volume, versions| {
        let take = |_| scheme.snapshot(volume, Access::ReadOnly, pages).unwrap();
        let taken: Vec<DevId> = (0..versions).map(take).collect();
        taken.into_iter().for_each(|dev| scheme.delete(dev, pages, &mut Freed::default()).unwrap());
    };
    follows_the_number(delete_all, |scheme, pages| {
        scheme.pages_bound(Work::Tend(1 << 12), pages).unwrap();
    });
}

#[test]
fn a_walk_over_all_blocks_follows_the_number_of_clones() {
    let clone = |scheme: &mut DeadList, pages: &mut MemoryPages, volume, versions| {
        for _ in 0..versions {
            scheme.snapshot(volume, Access::Writable, pages).unwrap();
        }
    };
    follows_the_number(clone, |scheme, pages| scheme.visit_blocks(pages, &mut |_| ()).unwrap());
}

/// What is on one list, of as many versions up as there are entries.
#[test]
fn a_walk_over_all_blocks_follows_the_number_of_dead_entries() {
    let overwrite = |scheme: &mut DeadList, pages: &mut MemoryPages, _: DevId, versions| {
        let volume = scheme.create(versions, pages).unwrap();
        let write = |scheme: &mut DeadList, pages: &mut MemoryPages, on| {
            let on = Extent::new(Pba(on), versions);
            scheme.map(volume, Lba(0), on, pages, &mut Freed::default()).unwrap();
        };
        write(scheme, pages, 1000);
        scheme.snapshot(volume, Access::Writable, pages).unwrap();
        for _ in 0..versions {
            scheme.snapshot(volume, Access::ReadOnly, pages).unwrap();
        }
        write(scheme, pages, 2000);
    };
    follows_the_number(overwrite, |scheme, pages| scheme.visit_blocks(pages, &mut |_| ()).unwrap());
}

#[test]
fn a_volume_that_was_cloned_thousands_of_times_is_checked() {
    let (mut scheme, mut pages, volume) = small();
    for _ in 0..5_000 {
        scheme.snapshot(volume, Access::Writable, &mut pages).unwrap();
    }
    scheme.check(&pages, &mut |finding| panic!("{finding}")).unwrap();
}

#[test]
fn after_the_last_epoch_a_snapshot_is_refused_and_changes_nothing() {
    let (mut scheme, mut pages, volume) = small();
    let snapshot = scheme.snapshot(volume, Access::ReadOnly, &mut pages).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    Anchor(PageNo(anchor)).set(EPOCH, (1 << 24) - 1, &mut pages).unwrap();
    pages.seal();
    let refused = |done: Result<DevId>| assert!(matches!(done, Err(Error::Unsupported(_))), "{done:?}");
    refused(scheme.snapshot(volume, Access::ReadOnly, &mut pages));
    refused(scheme.snapshot(volume, Access::Writable, &mut pages));
    refused(scheme.snapshot(snapshot, Access::ReadOnly, &mut pages));
    assert_eq!(pages.seal(), 0, "a refusal touched a page");
    let bound = scheme.pages_bound(Work::Snapshot(volume), &pages);
    assert!(matches!(bound, Err(Error::Unsupported(_))), "told before anything is begun: {bound:?}");
    scheme.snapshot(snapshot, Access::Writable, &mut pages).unwrap();
    let range = LbaRange::new(Lba(0), 1);
    scheme.unmap(volume, range, &mut pages, &mut Freed::default()).unwrap();
    scheme.check(&pages, &mut |finding| panic!("{finding}")).unwrap();
}

/// A let-go climbs past hidden versions that have one below them without a change of any list.
#[test]
fn a_write_below_many_deleted_snapshots_needs_no_more_pages() {
    let bound = |snapshots: u64| {
        let (mut scheme, mut pages, mut freed) =
            (DeadList::new(64, false).unwrap(), MemoryPages::new(), Freed::default());
        scheme.format(&mut pages).unwrap();
        let volume = scheme.create(20_000, &mut pages).unwrap();
        scheme.map(volume, Lba(0), Extent::new(Pba(0), 20_000), &mut pages, &mut freed).unwrap();
        let take = |_| scheme.snapshot(volume, Access::ReadOnly, &mut pages).unwrap();
        let taken: Vec<DevId> = (0..snapshots).map(take).collect();
        scheme.map(volume, Lba(0), Extent::new(Pba(30_000), 10_000), &mut pages, &mut freed).unwrap();
        taken.into_iter().for_each(|dev| scheme.delete(dev, &mut pages, &mut freed).unwrap());
        scheme.pages_bound(Work::Map(volume, LbaRange::new(Lba(15_000), 1)), &pages).unwrap()
    };
    let (few, many) = (bound(3), bound(300));
    assert!(many < few * 2, "{few} pages with 3 deleted, {many} with 300");
}
