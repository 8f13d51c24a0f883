//! The scheme laws at a small fanout.

use spinney_snap::SnapshotScheme;
use spinney_snap_snapmap::SnapMap;
use spinney_testkit::scheme_laws;

fn make(fanout: u64) -> Box<dyn SnapshotScheme> {
    Box::new(SnapMap::new(fanout).expect("a fanout that a page holds"))
}

scheme_laws!(fanout_3, || make(3));
