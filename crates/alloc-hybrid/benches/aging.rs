//! BlueStore's family beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-hybrid` measures 2^20 and 2^24 blocks, in turns; `spinney-peers` has the whole table.

use spinney_alloc_hybrid::{Avl, AvlIndex, Btree2, Btree2Index, CappedIndex, StupidIndex};
use spinney_testkit::aging::{Entrant, Race, TreePair, all_free};

fn main() {
    // A sixteenth of the runs that first fit leaves at 80 %: most of the hybrids' life is in the bitmap.
    let cap = |blocks: u64| blocks / 4096;
    Race::default().print(&[
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("avl", |blocks| all_free(AvlIndex::default(), blocks)),
        Entrant::new("btree2", |blocks| all_free(Btree2Index::default(), blocks)),
        Entrant::new("stupid", |blocks| all_free(StupidIndex::default(), blocks)),
        Entrant::new("hybrid, avl", move |blocks| {
            all_free(CappedIndex::new(Avl::default(), cap(blocks)), blocks)
        }),
        Entrant::new("hybrid, btree2", move |blocks| {
            all_free(CappedIndex::new(Btree2::default(), cap(blocks)), blocks)
        }),
    ]);
}
