//! Two skip lists beside a pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-skiplist` measures 2^20 and 2^24 blocks, in turns; `spinney-peers` has the whole table.

use spinney_alloc_skiplist::{Fit, SkipIndex};
use spinney_testkit::aging::{Entrant, Race, TreePair, all_free};

fn main() {
    Race::default().print(&[
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("pair of skip lists, best fit", |blocks| all_free(SkipIndex::new(Fit::Best), blocks)),
    ]);
}
