//! The bitmap beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-bitmap` measures 2^20 and 2^24 blocks, in turns; `spinney-peers` has the whole table.
//! The floor changes a random word for each call.

use spinney_alloc_bitmap::areas::Within;
use spinney_alloc_bitmap::{AreaIndex, AreaTuning, BitmapIndex, BlueStoreIndex, CursorIndex, Fit};
use spinney_testkit::aging::{Entrant, Floor, Race, TreePair, all_free};

fn main() {
    let bitmap = |fit, groups| move |blocks| all_free(BitmapIndex::new(fit, groups, 4096), blocks);
    Race::default().print(&[
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("bitmap, best", bitmap(Fit::Best, 8)),
        Entrant::new("bitmap, best of 64 groups", bitmap(Fit::Best, 64)),
        Entrant::new("bitmap, first", bitmap(Fit::First, 8)),
        Entrant::new("bitmap, near", bitmap(Fit::Near, 8)),
        Entrant::new("areas, whole", |blocks| {
            all_free(AreaIndex::new(AreaTuning { within: Within::Whole, ..AreaTuning::default() }), blocks)
        }),
        Entrant::new("cursor", |blocks| all_free(CursorIndex::default(), blocks)),
        Entrant::new("BlueStore's bitmap", |blocks| all_free(BlueStoreIndex::default(), blocks)),
        Entrant::new("floor", Floor::new).floor(),
    ]);
}
