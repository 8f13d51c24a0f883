//! The roaring index: the laws for both walks, runs over the edge of containers and parts, memory that follows what is free.
#![cfg(feature = "roaring")]

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_bitmap::{RoaringIndex, Walk};
use spinney_core::{Extent, Pba};

spinney_testkit::index_laws!(first_fit, || Box::new(RoaringIndex::new(Walk::First)));
spinney_testkit::index_laws!(next_fit, || Box::new(RoaringIndex::new(Walk::Next)));

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

#[test]
fn a_run_over_the_edge_of_two_parts_is_one_run() {
    let universe = run(7, 1 << 33);
    let mut index = RoaringIndex::default();
    index.reset(universe);
    let across = run(7 + (1 << 32) - 70_000, 140_000);
    index.insert(run(across.start.0, 70_000));
    index.insert(run(7 + (1 << 32), 70_000));
    assert_eq!((index.free_runs(), index.is_free(across)), (1, true));
    assert_eq!(index.pick(&Want::exactly(140_000)), Some(across));
}

#[test]
fn memory_follows_the_runs_and_not_the_blocks() {
    let universe = run(0, 1 << 20);
    let mut index = RoaringIndex::default();
    index.reset(universe);
    index.insert(universe);
    let pairs = |index: &mut RoaringIndex| {
        for _ in 0..1000 {
            let picked = index.pick(&Want::up_to(3)).unwrap();
            index.insert(picked);
        }
    };
    pairs(&mut index);
    let whole = index.memory_bytes();
    (0..1 << 18).for_each(|at| index.remove(run(at * 4, 1)));
    pairs(&mut index);
    let holes = index.memory_bytes();
    let bits = holes as f64 * 8.0 / f64::from(1 << 20);
    assert!(
        whole < 2000 && (1.0..1.12).contains(&bits),
        "{whole} bytes whole, {bits} bits a block in pieces"
    );
}
