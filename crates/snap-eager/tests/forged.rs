//! Pages that a hostile hand made: what they say is possible one by one, and not together.
//!
//! Invariant: the checker sees a flag that lies, and a first level that two versions have. Damage by chance is the laws' business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, Error, Extent, Lba, PageKind, PageNo, PageTxn, Pba, Place};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_eager::Eager;
use spinney_snap_tree::node::{set_slot, slot};
use spinney_snap_tree::{Anchor, Catalogue};
use spinney_testkit::MemoryPages;

/// A volume of 16 blocks and its snapshot, one block overwritten since.
fn diverged() -> (Eager, MemoryPages, [DevId; 2], Catalogue) {
    let (mut scheme, mut pages, mut freed) =
        (Eager::new(4, true).unwrap(), MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(16, &mut pages).unwrap();
    scheme.map(dev, Lba(0), Extent::new(Pba(10), 16), &mut pages, &mut freed).unwrap();
    let snapshot = scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    scheme.map(dev, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    scheme.check(&pages, &mut |found| panic!("{found}")).unwrap();
    (scheme, pages, [dev, snapshot], Catalogue::at(Anchor(PageNo(anchor)), 2))
}

#[test]
fn a_flag_on_a_shared_table_is_found() {
    let (scheme, mut pages, [dev, _], catalogue) = diverged();
    let root = catalogue.get(dev, &pages).unwrap().root.unwrap();
    let bytes = pages.edit(root, PageKind::TREE).unwrap();
    let shared = slot(bytes, 1);
    set_slot(bytes, 1, shared.tagged(1));
    let mut found = Vec::new();
    scheme.check(&pages, &mut |finding| found.push(finding.place)).unwrap();
    assert_eq!(found, [Place::Page(PageNo(shared.pointer().unwrap()))]);
}

#[test]
fn a_first_level_of_two_versions_is_corrupt() {
    let (scheme, mut pages, [dev, snapshot], catalogue) = diverged();
    let mut record = catalogue.get(snapshot, &pages).unwrap();
    record.root = catalogue.get(dev, &pages).unwrap().root;
    catalogue.put(snapshot, &record, &mut pages).unwrap();
    let root = record.root.unwrap();
    let checked = scheme.check(&pages, &mut |_| ());
    assert!(
        matches!(checked, Err(Error::Corrupt { place: Place::Page(page), .. }) if page == root),
        "{checked:?}"
    );
}
