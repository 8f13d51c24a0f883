//! The four policies beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-spacemap` measures 2^20 and 2^24 blocks, in turns; `spinney-peers` has the whole table.

use spinney_alloc_spacemap::{Policy, RangeIndex, Tuning};
use spinney_testkit::aging::{Entrant, Race, TreePair, all_free};

fn main() {
    let range =
        |policy| move |blocks| all_free(RangeIndex::new(Tuning { policy, ..Tuning::default() }), blocks);
    Race::default().print(&[
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("dynamic fit", range(Policy::Dynamic)),
        Entrant::new("first fit", range(Policy::First)),
        Entrant::new("cursor fit", range(Policy::Cursor)),
        Entrant::new("new dynamic fit", range(Policy::NewDynamic)),
    ]);
}
