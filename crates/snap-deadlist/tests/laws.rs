//! The scheme laws at small fanouts.

use spinney_snap::SnapshotScheme;
use spinney_snap_deadlist::DeadList;
use spinney_testkit::scheme_laws;

fn scheme(fanout: u64, in_place: bool) -> DeadList {
    DeadList::new(fanout, in_place).expect("a fanout that a page holds")
}

fn make(fanout: u64, in_place: bool) -> Box<dyn SnapshotScheme> {
    Box::new(scheme(fanout, in_place))
}

scheme_laws!(fanout_2, || make(2, false));
scheme_laws!(listing_fanout_5_in_place, || Box::new(scheme(5, true).with_livelists()));
scheme_laws!(whole_pages, || make(506, false));
