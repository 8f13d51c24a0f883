//! The scheme laws at small fanouts, and with logs that fold all the time, now and then and never, and ranges that are cut again and again and never.

use spinney_snap::SnapshotScheme;
use spinney_snap_refcount::{Keeping, RefCount};
use spinney_testkit::scheme_laws;

fn make(fanout: u64, in_place: bool) -> Box<dyn SnapshotScheme> {
    Box::new(RefCount::new(fanout, in_place).expect("a fanout that a page holds"))
}

fn kept(fanout: u64, in_place: bool, log_changes: u64, range_steps: u64) -> Box<dyn SnapshotScheme> {
    let scheme = RefCount::new(fanout, in_place).expect("a fanout that a page holds");
    Box::new(scheme.keeping(Keeping { log_changes, range_steps }).expect("a way that there is"))
}

scheme_laws!(fanout_2, || make(2, false));
scheme_laws!(fanout_5_in_place, || make(5, true));
scheme_laws!(whole_pages, || make(506, false));
scheme_laws!(log_of_1_change, || kept(3, false, 1, 0));
scheme_laws!(log_of_20_changes_in_place, || kept(5, true, 20, 0));
scheme_laws!(ranges_of_4_steps, || kept(8, false, 0, 4));
scheme_laws!(ranges_of_whole_pages_with_a_log, || kept(8, false, 8096, 1012));
