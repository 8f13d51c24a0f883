//! What each of the family chooses, what spills over and comes back, and what it all takes.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_hybrid::{
    Avl, AvlIndex, AvlTuning, Btree2, Btree2Index, Btree2Tuning, CappedIndex, OnMiss, Policy, StupidIndex,
};
use spinney_core::{Extent, Pba};
use spinney_testkit::Dice;

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn with<I: FreeIndex>(mut index: I, free: &[(u64, u64)]) -> I {
    index.reset(run(0, 1 << 20));
    free.iter().for_each(|(start, blocks)| index.insert(run(*start, *blocks)));
    index
}

fn picks(index: &mut dyn FreeIndex, sizes: &[u64]) -> Vec<(u64, u64)> {
    let mut pick = |blocks: &u64| {
        index.pick(&Want::up_to(*blocks)).map(|run| (run.start.0, run.blocks)).expect("blocks are free")
    };
    sizes.iter().map(&mut pick).collect()
}

#[test]
fn avl_goes_on_from_a_cursor_for_each_alignment_and_around_the_end() {
    let mut index = with(AvlIndex::default(), &[(0, 100), (1000, 60_000)]);
    assert_eq!(picks(&mut index, &[8, 8, 64, 8, 64]), [(0, 8), (8, 8), (16, 64), (80, 8), (1000, 64)]);
    let mut index = with(AvlIndex::default(), &[(0, 50_000), (60_000, 40)]);
    assert_eq!(picks(&mut index, &[1; 3]), [(0, 1), (1, 1), (2, 1)]);
    index.remove(run(3, 49_990));
    index.insert(run(3, 1));
    index.insert(run(200, 49_000));
    assert_eq!(picks(&mut index, &[49_000, 1]), [(200, 49_000), (3, 1)]);
}

#[test]
fn avl_is_best_fit_when_little_or_only_short_runs_are_free() {
    let mut index = with(AvlIndex::default(), &[(0, 31), (100, 9)]);
    assert_eq!(picks(&mut index, &[8]), [(100, 8)]);
    let mut index = with(AvlIndex::default(), &[(0, 41_000), (50_000, 9)]);
    assert_eq!(picks(&mut index, &[8]), [(50_000, 8)], "under 4 % of 2^20");
}

/// R07: the cursor that stays repeats its walk; the one that moves on gets somewhere.
#[test]
fn a_walk_in_vain_moves_the_cursor_unless_it_is_told_to_stay() {
    let steps = |on_miss| {
        let tuning =
            AvlTuning { on_miss, free_percent_min: 0, walk_blocks_max: 1 << 20, ..AvlTuning::default() };
        let mut index = with(CappedIndex::new(Avl::new(tuning), u64::MAX), &[]);
        (0..5000).for_each(|at| index.insert(run(at * 100, 3)));
        index.insert(run(600_000, 400_000));
        let misses = (0..200).filter(|_| {
            let before = index.effort().fallbacks;
            index.pick(&Want::exactly(40)).unwrap();
            index.effort().fallbacks > before
        });
        misses.count()
    };
    assert_eq!(steps(OnMiss::Stay), 200);
    assert!(steps(OnMiss::Advance) < 60, "{} of 200", steps(OnMiss::Advance));
}

fn btree2(weight_factor: f64, recent: bool) -> Btree2Index {
    CappedIndex::new(Btree2::new(Btree2Tuning { weight_factor, recent }), u64::MAX)
}

#[test]
fn btree2_takes_the_best_of_its_bucket_or_else_the_longest_there() {
    let free = [(0, 12), (100, 9), (200, 14), (1000, 5000)];
    assert_eq!(picks(&mut with(btree2(2.0, false), &free), &[10, 13]), [(0, 10), (200, 13)]);
    assert_eq!(
        picks(&mut with(btree2(2.0, false), &free), &[16]),
        [(200, 14)],
        "no 16, so the longest of 9 to 16"
    );
}

#[test]
fn btree2_goes_toward_a_mebibyte_before_it_weighs_the_sides() {
    let free = [(0, 3), (100, 200), (1000, 5000)];
    assert_eq!(picks(&mut with(btree2(2.0, false), &free), &[16]), [(100, 16)]);
}

#[test]
fn btree2_cuts_the_heavier_side() {
    let free = [(0, 60), (200, 60), (1000, 257)];
    assert_eq!(picks(&mut with(btree2(2.0, false), &free), &[128]), [(1000, 128)], "2 x 257 against 120");
    assert_eq!(picks(&mut with(btree2(0.4, false), &free), &[128]), [(0, 60)], "103 against 120");
}

#[test]
fn btree2_hands_out_a_chunk_that_was_freed_lately_though_it_has_merged() {
    let mut index = with(btree2(2.0, true), &[(0, 8), (100, 8)]);
    index.insert(run(108, 4));
    assert_eq!(index.free_runs(), 2);
    assert_eq!(picks(&mut index, &[4, 4]), [(108, 4), (0, 4)]);
    let mut index = with(btree2(2.0, true), &[(0, 4)]);
    index.remove(run(2, 1));
    assert_eq!(picks(&mut index, &[4]), [(0, 2)], "part of the chunk is gone");
}

#[test]
fn stupid_searches_its_bin_from_the_hint_then_longer_ones_then_what_lies_before() {
    let free = [(0, 9), (1000, 15), (2000, 20), (3000, 12)];
    let at = |hint, blocks| {
        let found = with(StupidIndex::default(), &free).pick(&Want::up_to(blocks).near(Pba(hint))).unwrap();
        (found.start.0, found.blocks)
    };
    assert_eq!(at(500, 9), (1000, 9));
    assert_eq!(at(500, 13), (1000, 13));
    assert_eq!(at(1500, 13), (2000, 13), "a longer bin behind the hint comes before its own bin ahead of it");
    assert_eq!(at(2500, 13), (1000, 13), "around the end");
    assert_eq!(at(2500, 40), (3000, 12), "downward behind the hint, whatever is shorter");
    assert_eq!(at(2500, 16), (2000, 16));
}

#[test]
fn stupid_goes_on_behind_its_last_piece() {
    let mut index = with(StupidIndex::default(), &[(0, 600), (5000, 600)]);
    assert_eq!(picks(&mut index, &[8, 512, 8]), [(0, 8), (8, 512), (520, 8)]);
}

fn hybrid<P: Policy + Default>(cap_runs: u64) -> CappedIndex<P> {
    CappedIndex::new(P::default(), cap_runs)
}

#[test]
fn over_the_cap_the_shortest_spill_over_and_a_free_claims_them_back() {
    let mut index = with(hybrid::<Avl>(2), &[(0, 5), (10, 7), (20, 3), (30, 4)]);
    assert_eq!(index.runs_by_place(), (2, 2));
    assert_eq!((index.free_runs(), index.free_blocks()), (4, 19));
    index.insert(run(23, 7)); // joins 3 and 4, both spilled, to one of 14
    assert_eq!(index.runs_by_place(), (2, 1));
    assert_eq!(index.pick(&Want::exactly(14)), Some(run(20, 14)));
    assert_eq!(index.runs_by_place(), (1, 1), "what has spilled stays until a free touches it");
}

#[test]
fn what_is_shorter_than_the_whole_tree_is_served_from_the_bitmap() {
    let mut index = with(hybrid::<Avl>(1), &[(0, 400), (1000, 6), (2000, 9)]);
    assert_eq!(picks(&mut index, &[4, 4, 4]), [(1000, 4), (1004, 2), (2000, 4)]);
    assert_eq!(picks(&mut index, &[400, 4]), [(0, 400), (2004, 4)]);
}

#[test]
fn what_only_the_bitmap_holds_is_found_there() {
    let mut index = with(hybrid::<Avl>(1), &[(0, 60), (1000, 40), (2000, 50)]);
    index.remove(run(0, 55));
    assert_eq!(index.pick(&Want::exactly(45)), Some(run(2000, 45)));
    assert_eq!(index.pick(&Want { align: 16, ..Want::exactly(30) }), Some(run(1008, 30)));
}

/// A cap changes what is chosen, never what is free.
#[test]
fn a_life_under_any_cap_ends_with_one_run() {
    for cap_runs in [0, 1, 7, 100] {
        let mut dice = Dice::new("a_life_under_any_cap", cap_runs);
        let mut index = with(hybrid::<Btree2>(cap_runs), &[(0, 1 << 16)]);
        let mut held = Vec::new();
        for _ in 0..3000 {
            match index.pick(&Want::up_to(dice.log_uniform(200))) {
                Some(run) if dice.one_in(3) || index.free_blocks() > 1 << 13 => held.push(run),
                Some(run) => index.insert(run),
                None => {}
            }
            if index.free_blocks() < 1 << 12 {
                let at = dice.below(held.len() as u64) as usize;
                index.insert(held.swap_remove(at));
            }
            assert!(index.runs_by_place().0 <= cap_runs, "cap {cap_runs}");
        }
        held.into_iter().for_each(|run| index.insert(run));
        assert_eq!((index.free_runs(), index.free_blocks()), (1, 1 << 16), "cap {cap_runs}");
    }
}

/// 2^32 blocks (16 TiB) in under 600 MiB: bits, and a tree at its cap of 838,860 runs.
#[test]
fn memory_is_bounded_by_the_cap_and_a_bit_a_block() {
    let mib = |index: &dyn FreeIndex| index.memory_bytes() >> 20;
    let mut index = hybrid::<Avl>(838_860);
    index.reset(run(0, 1 << 32));
    (0..838_861).for_each(|at| index.insert(run(at * 5000, 1 + at % 4000)));
    assert_eq!(index.runs_by_place(), (838_860, 1));
    assert!(mib(&index) < 600, "hybrid: {} MiB", mib(&index));
    let mut index = StupidIndex::default();
    index.reset(run(0, 1 << 32));
    assert!(mib(&index) < 600, "stupid: {} MiB", mib(&index));
}
