//! A hybrid with a cap of 1,000 runs in a space that falls to pieces: where the runs are, what it takes, what a large request finds.
//!
//! `cargo run --release -p spinney-alloc-hybrid --example spill`

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_hybrid::{Avl, CappedIndex};
use spinney_core::{Extent, Pba};

fn main() {
    let mut index = CappedIndex::new(Avl::default(), 1_000);
    index.reset(Extent::new(Pba(0), 1 << 20));
    index.insert(Extent::new(Pba(0), 1 << 20));
    // Every third block is taken in ever more of the space; 100 runs of 500 blocks stay whole.
    for part in 0..10u64 {
        let (from, to) = (part * 100_000, (part + 1) * 100_000);
        let whole = |at: u64| at % 10_000 < 500;
        (from..to).step_by(3).filter(|at| !whole(*at)).for_each(|at| index.remove(Extent::new(Pba(at), 1)));
        let (tree, bitmap) = index.runs_by_place();
        println_row(part, tree, bitmap, index.memory_bytes());
        assert!(tree <= 1_000);
    }
    let large = index.pick(&Want::exactly(500)).map(|run| run.blocks);
    let small = index.pick(&Want::up_to(2)).map(|run| run.blocks);
    assert_eq!((large, small), (Some(500), Some(2)), "the long runs are still known by their length");
}

#[expect(clippy::print_stdout, reason = "an example that shows something")]
fn println_row(part: u64, tree: u64, bitmap: u64, bytes: u64) {
    println!("{part}0 % in pieces: {tree} runs in the tree, {bitmap} in the bitmap, {} KiB", bytes >> 10);
}
