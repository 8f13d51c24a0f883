//! A planted fault that the histories must see: a snapshot that does not stamp the version it is taken from.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_core::{Epoch, PageNo, PageTxn, Result};
use spinney_snap::SnapshotScheme;
use spinney_snap_time::Time;
use spinney_snap_tree::{Anchor, Catalogue};
use spinney_testkit::meddled::{Call, Meddled, Meddler};
use spinney_testkit::scheme_laws::random_histories_agree_with_a_map_of_maps as histories;
use std::panic::catch_unwind;

/// The word of the anchor where the catalogue begins, and the own word of a record that is its stamp.
const CATALOGUE: usize = 2;
const STAMP: usize = 1;

fn forgets_the_stamp(call: Call, scheme: &mut dyn SnapshotScheme, pages: &mut dyn PageTxn) -> Result<()> {
    let Call::Snapshot(of, _) = call else { return Ok(()) };
    let [_, anchor, _] = scheme.commit(Epoch(1), pages)?.words("root")?;
    let catalogue = <Catalogue>::at(Anchor(PageNo(anchor)), CATALOGUE);
    let mut record = catalogue.get(of, pages)?;
    record.own[STAMP] = 0;
    catalogue.put(of, &record, pages)
}

fn passes(meddler: Meddler) -> bool {
    let make = || -> Box<dyn SnapshotScheme> {
        Box::new(Meddled { inner: Box::new(Time::new(3, true).unwrap()), meddler })
    };
    catch_unwind(|| histories(&make)).is_ok()
}

#[test]
fn a_snapshot_that_does_not_stamp_its_origin_is_caught() {
    assert!(!passes(forgets_the_stamp));
}
