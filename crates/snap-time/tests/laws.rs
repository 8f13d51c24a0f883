//! The scheme laws at small fanouts.

use spinney_snap::SnapshotScheme;
use spinney_snap_time::Time;
use spinney_testkit::scheme_laws;

fn make(fanout: u64, in_place: bool) -> Box<dyn SnapshotScheme> {
    Box::new(Time::new(fanout, in_place).expect("a fanout that a page holds"))
}

scheme_laws!(fanout_2, || make(2, false));
scheme_laws!(fanout_5_in_place, || make(5, true));
scheme_laws!(whole_pages, || make(506, false));
