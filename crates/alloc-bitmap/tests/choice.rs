//! What this index promises beyond the laws: which run it takes, what it costs, how it is configured.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_bitmap::{AreaIndex, BitmapIndex, BlueStoreIndex, CursorIndex, Fit, INDEX};
use spinney_core::{Error, Extent, Pba, Setting, Settings};

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn with(fit: Fit, universe: Extent, free: &[Extent]) -> BitmapIndex {
    let mut index = BitmapIndex::new(fit, 8, 4096);
    index.reset(universe);
    free.iter().for_each(|run| index.insert(*run));
    index
}

#[test]
fn a_file_that_grows_stays_in_one_piece() {
    let universe = run(0, 100_000);
    let mut index = with(Fit::Best, universe, &[universe]);
    let mut end = index.pick(&Want::exactly(10)).unwrap().end();
    for _ in 0..100 {
        let next = index.pick(&Want::up_to(30).near(end)).unwrap();
        assert_eq!((next.start, next.blocks), (end, 30));
        end = next.end();
    }
}

#[test]
fn a_wish_that_cannot_be_met_exactly_is_met_close_by() {
    let index = with(Fit::Best, run(0, 1 << 20), &[run(100, 50), run(500_000, 50), run(900_000, 50)]);
    for near in [499_000, 499_990, 500_010] {
        let picked = index.clone().pick(&Want::exactly(45).near(Pba(near)));
        assert_eq!(picked, Some(run(500_000, 45)), "near {near}");
    }
}

#[test]
fn with_no_near_blocks_a_wish_changes_nothing() {
    let universe = run(0, 1 << 20);
    let mut index = BitmapIndex::new(Fit::Best, 8, 0);
    index.reset(universe);
    [run(100, 45), run(500_000, 60)].iter().for_each(|run| index.insert(*run));
    assert_eq!(index.pick(&Want::exactly(45).near(Pba(500_000))), Some(run(100, 45)));
}

#[test]
fn a_run_of_exactly_the_size_is_preferred_and_long_runs_stay_whole() {
    let runs = [run(0, 5000), run(6000, 100), run(7000, 37), run(8000, 38), run(9000, 400)];
    let mut index = with(Fit::Best, run(0, 10_000), &runs);
    for (blocks, place) in [(37, 7000), (38, 8000), (100, 6000), (390, 9000), (11, 0)] {
        assert_eq!(index.pick(&Want::exactly(blocks)), Some(run(place, blocks)), "{blocks} blocks");
    }
}

#[test]
fn first_fit_takes_the_lowest_address() {
    let mut index =
        with(Fit::First, run(0, 10_000), &[run(10, 3), run(700, 20), run(3000, 5), run(6000, 4000)]);
    for (blocks, place) in [(3, 10), (4, 700), (20, 6000), (16, 704), (5, 3000)] {
        assert_eq!(index.pick(&Want::exactly(blocks)), Some(run(place, blocks)), "{blocks} blocks");
    }
}

#[test]
fn under_next_fit_each_stream_goes_on_where_it_was() {
    let mut index = with(Fit::Next, run(0, 10_000), &[run(0, 100), run(5000, 100)]);
    let want = |stream, blocks| Want { stream, ..Want::exactly(blocks) };
    assert_eq!(index.pick(&want(0, 60)), Some(run(0, 60)));
    assert_eq!(index.pick(&want(1, 50)), Some(run(5000, 50)), "stream 1 found no room at its start");
    assert_eq!(index.pick(&want(0, 10)), Some(run(60, 10)));
    assert_eq!(index.pick(&want(1, 10)), Some(run(5050, 10)));
    assert_eq!(index.pick(&want(1, 35)), Some(run(5060, 35)));
    assert_eq!(index.pick(&want(1, 30)), Some(run(70, 30)), "and then from the start again");
}

#[test]
fn near_the_goal_is_before_it_or_behind_it() {
    let free = [run(10_000, 50), run(500_000, 50), run(900_000, 5000)];
    let index = with(Fit::Near, run(0, 1 << 20), &free);
    let goals =
        [(499_000, 500_000), (500_020, 500_010), (600_000, 500_010), (800_000, 900_000), (901_000, 901_000)];
    for (goal, place) in goals {
        let picked = index.clone().pick(&Want::exactly(40).near(Pba(goal)));
        assert_eq!(picked, Some(run(place, 40)), "near {goal}");
    }
}

#[test]
fn without_a_wish_the_goal_is_the_streams_last_place() {
    let mut index = with(Fit::Near, run(0, 1 << 20), &[run(100, 50), run(500_000, 500)]);
    assert_eq!(index.pick(&Want::exactly(30).near(Pba(500_100))), Some(run(500_100, 30)));
    assert_eq!(index.pick(&Want::exactly(30)), Some(run(500_130, 30)));
    assert_eq!(index.pick(&Want { stream: 1, ..Want::exactly(30) }), Some(run(100, 30)));
}

#[test]
fn a_bit_a_block_and_seven_in_a_hundred_more() {
    for power in [20, 21, 22, 24] {
        let universe = run(0, 1 << power);
        let index = with(Fit::Best, universe, &[universe]);
        let bits = index.memory_bytes() as f64 * 8.0 / universe.blocks as f64;
        assert!(bits <= 1.07, "{bits} bits a block at 2^{power}");
    }
}

#[test]
fn a_refusal_costs_no_scan() {
    let universe = run(0, 1 << 20);
    let mut index = with(Fit::Best, universe, &[]);
    (0..1 << 12).for_each(|at| index.insert(run(at * 256, 202)));
    assert_eq!(index.pick(&Want::exactly(203)), None);
    let before = index.effort().steps;
    for blocks in [203, 204, 300, 513] {
        assert_eq!(index.pick(&Want::exactly(blocks)), None, "{blocks} blocks");
    }
    let steps = index.effort().steps - before;
    assert!(steps < 100, "{steps} words looked at for four refusals");
}

#[test]
fn a_run_of_many_leaves_is_measured_by_leaves() {
    let universe = run(0, 1 << 24);
    let mut index = with(Fit::Best, universe, &[universe]);
    let before = index.effort().steps;
    assert_eq!(index.pick(&Want::exactly(1 << 23)), Some(run(0, 1 << 23)));
    let taken = (1 << 23) / 64; // words to clear, and their leaves to look at again
    let steps = index.effort().steps - before;
    assert!(steps < 4 * taken, "{steps} words looked at");
}

#[test]
fn settings_choose_the_fit_and_a_wrong_one_is_named() {
    let build = |fit: &str| (INDEX.build)(&Settings::new().with("fit", Setting::Word(fit.into())));
    for fit in ["best", "first", "next", "near"] {
        let mut index = build(fit).unwrap_or_else(|error| panic!("{fit}: {error}"));
        index.reset(run(0, 100));
        index.insert(run(0, 100));
        assert_eq!(index.pick(&Want::exactly(7)), Some(run(0, 7)), "{fit}");
    }
    assert!(matches!(build("worst"), Err(Error::BadSetting(text)) if text.contains("fit")));
}

/// 2^32 blocks (16 TiB) in under 600 MiB are 1.17 bits a block.
#[test]
fn every_index_of_bits_takes_less_than_1_17_bits_a_block() {
    let universe = run(0, 1 << 26);
    let mut indexes: Vec<Box<dyn FreeIndex>> = vec![
        Box::new(BitmapIndex::default()),
        Box::new(AreaIndex::default()),
        Box::new(CursorIndex::default()),
        Box::new(BlueStoreIndex::default()),
    ];
    for (number, index) in indexes.iter_mut().enumerate() {
        index.reset(universe);
        index.insert(universe);
        let bits = index.memory_bytes() as f64 * 8.0 / universe.blocks as f64;
        assert!(bits < 1.08, "index {number}: {bits} bits a block");
    }
}
