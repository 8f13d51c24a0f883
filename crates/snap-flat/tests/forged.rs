//! Pages that a hostile hand made: what they say is possible one by one, and not together.
//!
//! Invariant: the answer is `Corrupt` with a place. Damage by chance is the laws' business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, Error, Extent, Lba, PageNo, Pba, Place};
use spinney_snap::{Freed, SnapshotScheme};
use spinney_snap_flat::Flat;
use spinney_snap_tree::{Anchor, Catalogue};
use spinney_testkit::MemoryPages;

/// Two versions of one block each, the anchor and the catalogue.
fn two_versions() -> (Flat, MemoryPages, [DevId; 2], Anchor, Catalogue) {
    let (mut flat, mut pages, mut freed) = (Flat::new(), MemoryPages::new(), Freed::default());
    flat.format(&mut pages).unwrap();
    let devs = [(); 2].map(|()| flat.create(1000, &mut pages).unwrap());
    for (dev, at) in devs.into_iter().zip(1..) {
        flat.map(dev, Lba(700), Extent::new(Pba(at), 1), &mut pages, &mut freed).unwrap();
    }
    let [_, anchor, _] = flat.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    let anchor = Anchor(PageNo(anchor));
    (flat, pages, devs, anchor, Catalogue::at(anchor, 1))
}

#[test]
fn two_versions_with_one_map_are_corrupt() {
    let (flat, mut pages, [one, other], _, catalogue) = two_versions();
    flat.check(&pages, &mut |found| panic!("{found}")).unwrap();
    let shared = catalogue.get(one, &pages).unwrap();
    catalogue.put(other, &shared, &mut pages).unwrap();
    let place = Place::Page(shared.root.unwrap());
    let at = |walked: spinney_core::Result<()>| match walked {
        Err(Error::Corrupt { place, .. }) => place,
        other => panic!("{other:?}"),
    };
    assert_eq!(at(flat.visit_pages(&pages, &mut |_| ())), place);
    assert_eq!(at(flat.visit_blocks(&pages, &mut |_| ())), place);
    assert_eq!(at(flat.check(&pages, &mut |_| ())), place);
}

#[test]
fn an_id_that_is_in_use_is_not_issued_again() {
    let (mut flat, mut pages, [one, _], anchor, _) = two_versions();
    anchor.set(0, one.0, &mut pages).unwrap();
    let created = flat.create(10, &mut pages);
    assert!(matches!(created, Err(Error::Corrupt { place: Place::Page(page), .. }) if page == anchor.0));
    assert_eq!(flat.version(one, &pages).unwrap().blocks, 1000);
}
