//! Best fit beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-extent` measures 2^20 and 2^24 blocks, in turns; `spinney-peers` has the whole table.

use spinney_alloc_extent::{Tie, TwinIndex};
use spinney_testkit::aging::{Entrant, Race, TreePair, all_free};

fn main() {
    let twin = |tie| move |blocks| all_free(TwinIndex::new(tie), blocks);
    Race::default().print(&[
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("twin", twin(Tie::Lowest)),
    ]);
}
