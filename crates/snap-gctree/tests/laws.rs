//! The scheme laws at small fanouts.

use spinney_snap::SnapshotScheme;
use spinney_snap_gctree::{Encoding, GcTree};
use spinney_testkit::scheme_laws;

fn make(encoding: Encoding, fanout: u64) -> Box<dyn SnapshotScheme> {
    Box::new(GcTree::new(encoding, fanout, 12).expect("a fanout that a page holds"))
}

/// Anchors are looked through after every drop.
fn exact(encoding: Encoding, fanout: u64) -> Box<dyn SnapshotScheme> {
    Box::new(GcTree::new(encoding, fanout, 0).expect("a fanout that a page holds"))
}

scheme_laws!(epochs_3, || make(Encoding::Epochs, 3));
scheme_laws!(epochs_3_in_place, || {
    let scheme = GcTree::new(Encoding::Epochs, 3, 12).expect("a fanout that a page holds");
    Box::new(scheme.offering_in_place()) as Box<dyn SnapshotScheme>
});
scheme_laws!(epochs_whole_pages, || make(Encoding::Epochs, 506));
scheme_laws!(bits_3, || make(Encoding::Bits, 3));
scheme_laws!(epochs_4_exact, || exact(Encoding::Epochs, 4));
scheme_laws!(bits_4_exact, || exact(Encoding::Bits, 4));
scheme_laws!(counted_3, || make(Encoding::Counted, 3));
