//! Pages that a hostile hand made: what they say is possible one by one, and not together.
//!
//! Invariant: the checker sees a dead list that is not what the trees say. Damage by chance is the laws' business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{Extent, Lba, PageKind, PageNo, Pba};
use spinney_pages::TypedMap;
use spinney_snap::{Access, Freed, Progress, SnapshotScheme, Work};
use spinney_snap_deadlist::DeadList;
use spinney_snap_tree::{Anchor, Catalogue};
use spinney_testkit::MemoryPages;

/// A volume of 8 blocks and its snapshot, one block overwritten since.
fn diverged() -> (DeadList, MemoryPages, Anchor) {
    let (mut scheme, mut pages, mut freed) =
        (DeadList::new(4, false).unwrap(), MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    scheme.map(dev, Lba(0), Extent::new(Pba(10), 8), &mut pages, &mut freed).unwrap();
    scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    scheme.map(dev, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(spinney_core::Epoch(1), &mut pages).unwrap().words("root").unwrap();
    (scheme, pages, Anchor(PageNo(anchor)))
}

fn findings(scheme: &DeadList, pages: &MemoryPages) -> Vec<String> {
    let mut found = Vec::new();
    scheme.check(pages, &mut |finding| found.push(finding.to_string())).unwrap();
    found
}

#[test]
fn a_dead_entry_too_few_or_too_many_is_found() {
    let (scheme, mut pages, anchor) = diverged();
    assert_eq!(findings(&scheme, &pages), Vec::<String>::new());
    let table: TypedMap<(u64, u64), ()> =
        TypedMap::at(PageNo(anchor.get(2, &pages).unwrap()), PageKind::SHARE);
    // The volume is version 1, its snapshot 2, and the volume's lists are number 2: block 13, born in epoch 1.
    let dead = (2 << 62 | 2 << 1, 1 << 40 | 14);
    assert!(table.remove(&dead, &mut pages).unwrap(), "the block that was overwritten is on the list");
    assert!(findings(&scheme, &pages).iter().any(|found| found.contains("dead lists are")));
    table.put(&dead, &(), &mut pages).unwrap();
    table.put(&(dead.0, dead.1 + 1), &(), &mut pages).unwrap();
    assert!(findings(&scheme, &pages).iter().any(|found| found.contains("dead lists are")));
}

/// What is taken from the volume's list is put on that of a version further up, which is the same one.
#[test]
fn a_list_of_two_versions_does_not_keep_background_work_going_for_ever() {
    let (mut scheme, mut pages, mut freed) =
        (DeadList::new(4, false).unwrap(), MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    scheme.map(dev, Lba(0), Extent::new(Pba(10), 8), &mut pages, &mut freed).unwrap();
    let mut take = || scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    let [_, upper, lower] = [take(), take(), take()];
    scheme.map(dev, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    scheme.delete(upper, &mut pages, &mut freed).unwrap();
    scheme.delete(lower, &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(spinney_core::Epoch(1), &mut pages).unwrap().words("root").unwrap();
    let anchor = Anchor(PageNo(anchor));
    let table: TypedMap<(u64, u64), ()> =
        TypedMap::at(PageNo(anchor.get(2, &pages).unwrap()), PageKind::SHARE);
    assert!(table.remove(&(1 << 62, upper.0), &mut pages).unwrap(), "the upper one is not looked at first");
    let catalogue = <Catalogue>::at(anchor, 5);
    let mut record = catalogue.get(upper, &pages).unwrap();
    record.own[2] = catalogue.get(dev, &pages).unwrap().own[2];
    catalogue.put(upper, &record, &mut pages).unwrap();
    let ends =
        (0..100).any(|_| !matches!(scheme.tend(50, &mut pages, &mut freed), Ok(work) if work.done > 0));
    assert!(ends, "5,000 units for a volume of 8 blocks, and no end");
}

#[test]
fn a_live_entry_too_few_or_too_many_is_found() {
    let mut scheme = DeadList::new(4, false).unwrap().with_livelists();
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    let snapshot = scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    let clone = scheme.snapshot(snapshot, Access::Writable, &mut pages).unwrap();
    scheme.map(clone, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    assert_eq!(findings(&scheme, &pages), Vec::<String>::new());
    let [_, anchor, _] = scheme.commit(spinney_core::Epoch(1), &mut pages).unwrap().words("root").unwrap();
    let table: TypedMap<(u64, u64), ()> =
        TypedMap::at(PageNo(Anchor(PageNo(anchor)).get(2, &pages).unwrap()), PageKind::SHARE);
    // The clone is version 3, and its lists are number 3: block 30, born in epoch 2.
    let live = (3 << 62 | 3 << 1, 2 << 40 | 31);
    assert!(table.remove(&live, &mut pages).unwrap(), "the block that was written is on the list");
    let rule = "live lists are what a version made and holds";
    assert!(findings(&scheme, &pages).iter().any(|found| found.contains(rule)));
    table.put(&live, &(), &mut pages).unwrap();
    table.put(&(live.0, live.1 + 1), &(), &mut pages).unwrap();
    assert!(findings(&scheme, &pages).iter().any(|found| found.contains(rule)));
}

#[test]
fn where_no_job_is_counted_nothing_is_done() {
    let (mut scheme, mut pages, anchor) = diverged();
    let mut freed = Freed::default();
    scheme.delete(spinney_core::DevId(2), &mut pages, &mut freed).unwrap();
    anchor.set(4, 0, &mut pages).unwrap(); // the number of jobs
    pages.seal();
    assert_eq!(scheme.pages_bound(Work::Tend(100), &pages), Ok(0));
    assert_eq!(scheme.tend(100, &mut pages, &mut freed), Ok(Progress::default()));
    assert_eq!(pages.seal(), 0, "more than the bound");
}
