//! Pages that a hostile hand made: what they say is possible one by one, and not together.
//!
//! Invariant: nothing is thrown away where keys and their number disagree, no walk goes in a circle, and the checker sees both. Damage
//! by chance is the laws' business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, Error, Extent, Lba, LbaRange, PageNo, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme};
use spinney_snap_keyver::KeyVersions;
use spinney_snap_tree::{Anchor, Catalogue, Record};
use spinney_testkit::MemoryPages;

/// The nodes: the first of them is above the other two.
type Nodes = Catalogue<6>;
const ABOVE: DevId = DevId(1);
const SNAPSHOT: DevId = DevId(2);

/// A volume of 8 blocks and its snapshot, one block overwritten since.
fn diverged() -> (KeyVersions, MemoryPages, [DevId; 2], Nodes) {
    let (mut scheme, mut pages, mut freed) = (KeyVersions::new(false), MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).unwrap();
    let dev = scheme.create(8, &mut pages).unwrap();
    scheme.map(dev, Lba(0), Extent::new(Pba(10), 8), &mut pages, &mut freed).unwrap();
    let snapshot = scheme.snapshot(dev, Access::ReadOnly, &mut pages).unwrap();
    scheme.map(dev, Lba(3), Extent::new(Pba(30), 1), &mut pages, &mut freed).unwrap();
    let [_, anchor, _] = scheme.commit(Epoch(1), &mut pages).unwrap().words("root").unwrap();
    scheme.check(&pages, &mut |found| panic!("{found}")).unwrap();
    (scheme, pages, [dev, snapshot], Nodes::at(Anchor(PageNo(anchor)), 8))
}

#[test]
fn a_node_whose_keys_are_miscounted_is_found_and_not_thrown_away() {
    let (mut scheme, mut pages, [_, snapshot], nodes) = diverged();
    let record = nodes.get(SNAPSHOT, &pages).unwrap();
    nodes.put(SNAPSHOT, &Record { referenced_blocks: 1, ..record }, &mut pages).unwrap();
    let mut rules = Vec::new();
    scheme.check(&pages, &mut |found| rules.push(found.rule)).unwrap();
    assert_eq!(rules, ["a node counts its keys"]);
    let mut freed = Freed::default();
    scheme.delete(snapshot, &mut pages, &mut freed).unwrap();
    let tended = scheme.tend(1000, &mut pages, &mut freed);
    assert!(matches!(tended, Err(Error::Corrupt { .. })), "{tended:?}");
}

#[test]
fn a_node_above_itself_is_corrupt() {
    let (scheme, mut pages, [dev, _], nodes) = diverged();
    let record = nodes.get(ABOVE, &pages).unwrap();
    nodes.put(ABOVE, &Record { parent: Some(ABOVE), ..record }, &mut pages).unwrap();
    let mut rules = Vec::new();
    scheme.check(&pages, &mut |found| rules.push(found.rule)).unwrap();
    assert!(rules.contains(&"snapshot nodes are trees, and jumps go up"), "{rules:?}");
    let _ = scheme.lookup(dev, LbaRange::new(Lba(0), 8), &pages, &mut |_| ());
}
