//! The scheme laws: small nodes with and without GOTOs, and whole pages; exact, and with hidden blocks.

use spinney_snap::SnapshotScheme;
use spinney_snap_betree::{Betree, Settings};
use spinney_testkit::scheme_laws;

fn make(fanout: u64, goto_max: u64, hidden_percent: u64) -> Box<dyn SnapshotScheme> {
    Box::new(Betree::new(Settings { fanout, goto_max, hidden_percent }).expect("settings"))
}

scheme_laws!(small_and_exact, || make(6, 3, 0));
scheme_laws!(without_gotos, || make(12, 0, 100));
scheme_laws!(whole_pages, || make(506, 4, 10));
