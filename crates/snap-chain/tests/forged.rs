//! Pages that a hostile hand made: what they say is possible one by one, and not together.
//!
//! Invariant: no walk goes in a circle, and the checker sees what layers and indexes cannot both say. Damage by chance is the laws'
//! business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, Error, Extent, Lba, LbaRange, PageNo, Pba, Place};
use spinney_snap::{Access, Freed, Progress, SnapshotScheme, Work};
use spinney_snap_chain::Chain;
use spinney_snap_tree::{Anchor, Catalogue};
use spinney_testkit::MemoryPages;

/// Own words of a record.
const BACK: usize = 0;
const INDEX: usize = 3;
/// Word of the anchor: what is to be done.
const JOBS: usize = 3;

/// A volume of 8 blocks and its snapshot, one block overwritten since.
fn layered() -> (Chain, MemoryPages, [DevId; 2], Catalogue) {
    let (mut scheme, mut pages, mut freed) =
        (Chain::new(4, true, false).unwrap(), MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    scheme.map(dev, Lba(0), Extent::new(Pba(10), 8), &mut pages, &mut freed).unwrap();
    let snapshot = scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    scheme.map(dev, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    (scheme, pages, [dev, snapshot], Catalogue::at(Anchor(PageNo(anchor)), 4))
}

#[test]
fn layers_behind_each_other_are_corrupt() {
    let (scheme, mut pages, [dev, snapshot], catalogue) = layered();
    scheme.check(&pages, &mut |found| panic!("{found}")).unwrap();
    let mut record = catalogue.get(snapshot, &pages).unwrap();
    record.own[BACK] = dev.0;
    catalogue.put(snapshot, &record, &mut pages).unwrap();
    let looked = scheme.lookup(snapshot, LbaRange::new(Lba(0), 8), &pages, &mut |_| ());
    assert!(matches!(looked, Err(Error::Corrupt { place: Place::Version(at), .. }) if at == snapshot));
    assert!(scheme.check(&pages, &mut |_| ()).is_err());
}

#[test]
fn an_index_that_says_something_else_than_the_layers_is_found() {
    let (scheme, mut pages, [dev, _], catalogue) = layered();
    let mut record = catalogue.get(dev, &pages).unwrap();
    record.own[INDEX] = record.root.unwrap().0;
    catalogue.put(dev, &record, &mut pages).unwrap();
    let mut rules = Vec::new();
    scheme.check(&pages, &mut |found| rules.push(found.rule)).unwrap();
    assert_eq!(rules, ["an index says what the layers say"]);
}

#[test]
fn where_no_job_is_counted_nothing_is_done() {
    let (mut scheme, mut pages, [_, snapshot], _) = layered();
    let mut freed = Freed::default();
    scheme.delete(snapshot, &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(2), &mut pages).unwrap().words("root").unwrap();
    Anchor(PageNo(anchor)).set(JOBS, 0, &mut pages).unwrap();
    pages.seal();
    assert_eq!(scheme.pages_bound(Work::Tend(100), &pages), Ok(0));
    assert_eq!(scheme.tend(100, &mut pages, &mut freed), Ok(Progress::default()));
    assert_eq!(pages.seal(), 0, "more than the bound");
    let mut rules = Vec::new();
    scheme.check(&pages, &mut |found| rules.push(found.rule)).unwrap();
    assert!(rules.contains(&"the number of jobs is that of what is to be done"), "{rules:?}");
}
