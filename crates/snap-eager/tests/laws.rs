//! The scheme laws at small fanouts.

use spinney_snap::SnapshotScheme;
use spinney_snap_eager::Eager;
use spinney_testkit::scheme_laws;

fn make(fanout: u64, in_place: bool) -> Box<dyn SnapshotScheme> {
    Box::new(Eager::new(fanout, in_place).expect("a fanout that a page holds"))
}

scheme_laws!(fanout_3, || make(3, false));
scheme_laws!(whole_pages_in_place, || make(506, true));
