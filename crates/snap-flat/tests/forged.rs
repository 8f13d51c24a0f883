//! Pages that a hostile hand made: what they say is possible one by one, and not together.
//!
//! Invariant: the answer is `Corrupt` with a place. Damage by chance is the laws' business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, Error, Extent, Lba, LbaRange, PageNo, Pba, Place};
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

/// A version's size is a number on a page: what is asked of all of it must not go from block to block.
#[test]
fn holes_of_any_size_are_one_step() {
    let (mut flat, mut pages, mut freed) = (Flat::new(), MemoryPages::new(), Freed::default());
    flat.format(&mut pages).unwrap();
    let blocks = (1 << 52) - 3;
    let [old, new] = [(); 2].map(|()| flat.create(blocks, &mut pages).unwrap());
    for (dev, at) in [(old, 5), (new, 5), (new, 1 << 40), (new, blocks - 1)] {
        flat.map(dev, Lba(at), Extent::new(Pba(at % 1000 + dev.0), 1), &mut pages, &mut freed).unwrap();
    }
    let whole = LbaRange::new(Lba(0), blocks);
    let mut runs = Vec::new();
    flat.lookup(new, whole, &pages, &mut |run| runs.push((run.at.0, run.blocks, run.on.is_some()))).unwrap();
    let gap = (1 << 40) - 6;
    let wanted = [
        (0, 5, false),
        (5, 1, true),
        (6, gap, false),
        (1 << 40, 1, true),
        ((1 << 40) + 1, blocks - (1 << 40) - 2, false),
        (blocks - 1, 1, true),
    ];
    assert_eq!(runs, wanted);
    let mut deltas = Vec::new();
    flat.diff(old, new, whole, &pages, &mut |delta| deltas.push((delta.at.0, delta.blocks))).unwrap();
    assert_eq!(deltas, [(5, 1), (1 << 40, 1), (blocks - 1, 1)]);
}
