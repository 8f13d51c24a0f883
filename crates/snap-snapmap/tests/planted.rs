//! Planted faults that the histories must see: bits that are lost, and bits that stay.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{DevId, Epoch, PageKind, PageNo, PageTxn, Result};
use spinney_snap::SnapshotScheme;
use spinney_snap_snapmap::SnapMap;
use spinney_snap_tree::{Anchor, Catalogue, Sparse};
use spinney_testkit::meddled::{Call, Meddled, Meddler};
use spinney_testkit::scheme_laws::random_histories_agree_with_a_map_of_maps as histories;
use std::panic::catch_unwind;

/// The word of the anchor where the catalogue begins.
const CATALOGUE: usize = 2;

/// Change the first page of bits of a version's map.
fn with_bits(
    dev: DevId,
    scheme: &mut dyn SnapshotScheme,
    pages: &mut dyn PageTxn,
    change: fn(&mut [u8]),
) -> Result<()> {
    let [_, anchor, _] = scheme.commit(Epoch(1), pages)?.words("root")?;
    let record = <Catalogue>::at(Anchor(PageNo(anchor)), CATALOGUE).get(dev, pages)?;
    let map = Sparse { anchor: Anchor(PageNo(record.own[0])), word: 0, kind: PageKind::SHARE };
    match map.read(0, pages)? {
        Some(_) => map.edit(0, pages).map(|bytes| change(&mut bytes[8..])),
        None => Ok(()),
    }
}

/// A snapshot begins without the bits of the first blocks.
fn snapshot_loses_bits(call: Call, scheme: &mut dyn SnapshotScheme, pages: &mut dyn PageTxn) -> Result<()> {
    let Call::Snapshot(_, dev) = call else { return Ok(()) };
    with_bits(dev, scheme, pages, |bits| bits[..64].fill(0))
}

/// A version's map keeps what it had: the first blocks are in it for ever.
fn bits_stay(call: Call, scheme: &mut dyn SnapshotScheme, pages: &mut dyn PageTxn) -> Result<()> {
    let Call::Change(dev) = call else { return Ok(()) };
    with_bits(dev, scheme, pages, |bits| bits[..64].fill(u8::MAX))
}

fn passes(meddler: Meddler) -> bool {
    let make = || -> Box<dyn SnapshotScheme> {
        Box::new(Meddled { inner: Box::new(SnapMap::new(3).unwrap()), meddler })
    };
    catch_unwind(|| histories(&make)).is_ok()
}

#[test]
fn a_snapshot_that_loses_bits_is_caught() {
    assert!(!passes(snapshot_loses_bits));
}

#[test]
fn bits_that_stay_are_caught() {
    assert!(!passes(bits_stay));
}
