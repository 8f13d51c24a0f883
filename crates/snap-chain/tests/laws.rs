//! The scheme laws at small fanouts.

use spinney_snap::SnapshotScheme;
use spinney_snap_chain::Chain;
use spinney_testkit::scheme_laws;

fn make(fanout: u64, indexed: bool, in_place: bool) -> Box<dyn SnapshotScheme> {
    Box::new(Chain::new(fanout, indexed, in_place).expect("a fanout that a page holds"))
}

scheme_laws!(fanout_2, || make(2, false, false));
scheme_laws!(indexed_4_in_place, || make(4, true, true));
