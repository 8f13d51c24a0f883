//! Times that a hostile hand set: the checker sees that they lie.

use spinney_core::{Epoch, Error, Extent, Lba, PageNo, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme, Work};
use spinney_snap_time::Time;
use spinney_snap_tree::{Anchor, Catalogue};
use spinney_testkit::MemoryPages;

/// The word of the pool's time.
const TIME: usize = 18;

#[test]
fn a_time_that_calls_shared_blocks_unshared_is_found() {
    let (mut scheme, mut pages, mut freed) =
        (Time::new(4, true).unwrap(), MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    scheme.map(dev, Lba(0), Extent::new(Pba(10), 8), &mut pages, &mut freed).unwrap();
    let snapshot = scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    scheme.map(dev, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    let anchor = Anchor(PageNo(anchor));
    let findings = |pages: &MemoryPages| {
        let mut found = Vec::new();
        scheme.check(pages, &mut |finding| found.push(finding.to_string())).unwrap();
        found.join("\n")
    };
    assert_eq!(findings(&pages), "");

    let mut forged = pages.clone();
    let catalogue = <Catalogue>::at(anchor, 2);
    let mut record = catalogue.get(dev, &forged).unwrap();
    record.own[1] = 0;
    catalogue.put(dev, &record, &mut forged).unwrap();
    assert!(findings(&forged).contains("has one owner"), "a version that forgot its snapshot {snapshot:?}");

    anchor.set(TIME, 0, &mut pages).unwrap();
    assert!(findings(&pages).contains("mapped after now"));
}

#[test]
fn after_the_last_time_a_snapshot_is_refused_before_it_is_begun() {
    let (mut scheme, mut pages) = (Time::new(4, true).unwrap(), MemoryPages::new());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    Anchor(PageNo(anchor)).set(TIME, (1 << 24) - 1, &mut pages).unwrap();
    pages.seal();
    let bound = scheme.pages_bound(Work::Snapshot(dev), &pages);
    assert!(matches!(bound, Err(Error::Unsupported(_))), "{bound:?}");
    let done = scheme.snapshot(dev, Access::ReadOnly, &mut pages);
    assert!(matches!(done, Err(Error::Unsupported(_))), "{done:?}");
    assert_eq!(pages.seal(), 0, "a refusal touched a page");
}
