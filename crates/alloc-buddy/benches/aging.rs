//! Buddy, slabs and instant fit beside a plain pair of B-trees under the aging program: fill, turn over, then free one and
//! allocate one.
//!
//! `cargo bench -p spinney-alloc-buddy` measures 2^20 and 2^24 blocks, in turns; `spinney-peers` has the whole table.

use spinney_alloc_buddy::{Buddy, BuddyIndex, Pieces, SlabIndex, VmemIndex};
use spinney_testkit::aging::{Entrant, Race, TreePair, all_free};

fn main() {
    let buddy = |pieces| move |blocks| all_free(BuddyIndex::with(Buddy::new(pieces)), blocks);
    Race::default().print(&[
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("buddy, whole pieces", buddy(Pieces::Whole)),
        Entrant::new("buddy, trimmed", buddy(Pieces::Trimmed)),
        Entrant::new("slab", |blocks| all_free(SlabIndex::default(), blocks)),
        Entrant::new("vmem", |blocks| all_free(VmemIndex::default(), blocks)),
    ]);
}
