//! Allocation areas: the laws for each choice and policy, which area is chosen, and what is left of it.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_bitmap::areas::{Choice, Within};
use spinney_alloc_bitmap::{AREAS, AreaIndex, AreaTuning};
use spinney_core::{Error, Extent, Pba, Setting, Settings};

fn areas(choice: Choice, within: Within) -> AreaIndex {
    AreaIndex::new(AreaTuning { area_blocks: 1000, choice, within })
}

spinney_testkit::index_laws!(hbps_in_order, || Box::new(areas(Choice::Hbps, Within::Order)));
spinney_testkit::index_laws!(heap_whole, || Box::new(areas(Choice::Heap, Within::Whole)));
spinney_testkit::index_laws!(random_in_order, || Box::new(areas(Choice::Random(9), Within::Order)));
spinney_testkit::index_laws!(next_first, || Box::new(areas(Choice::Next, Within::First)));
spinney_testkit::index_laws!(defaults, || Box::new(AreaIndex::default()));

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

/// Ten areas of 1,000 blocks from block 50 on, the free ones as given.
fn aged(choice: Choice, within: Within, free: &[Extent]) -> AreaIndex {
    let mut index = areas(choice, within);
    index.reset(run(50, 10_000));
    free.iter().for_each(|run| index.insert(*run));
    index
}

/// Every other block of area 2, all of area 5, a quarter of area 7.
const FREE: [Extent; 2] =
    [Extent { start: Pba(5050), blocks: 1000 }, Extent { start: Pba(7050), blocks: 250 }];

#[test]
fn the_emptiest_area_is_used_up_in_order_then_the_next() {
    for choice in [Choice::Hbps, Choice::Heap] {
        let mut index = aged(choice, Within::Order, &FREE);
        (0..500).for_each(|at| index.insert(run(2050 + 2 * at, 1)));
        let picks: Vec<Extent> = std::iter::from_fn(|| index.pick(&Want::up_to(300))).collect();
        let starts: Vec<u64> = picks.iter().map(|run| run.start.0).collect();
        assert_eq!(starts[..5], [5050, 5350, 5650, 5950, 2050], "{choice:?}");
        assert_eq!((picks[3].blocks, picks[4].blocks), (100, 1), "a run ends with its area, or before");
        assert_eq!(starts[starts.len() - 1], 7050, "{choice:?}: the fullest comes last");
        assert_eq!(index.areas_used(), 3, "{choice:?}");
    }
}

#[test]
fn what_is_freed_behind_the_cursor_counts_when_the_area_is_put_back() {
    let mut index = aged(Choice::Heap, Within::Order, &[run(5050, 1000), run(2050, 400)]);
    let first = index.pick(&Want::exactly(900)).unwrap();
    index.insert(first);
    assert_eq!(index.pick(&Want::up_to(900)), Some(run(5950, 100)), "the area in use is not left for a hole");
    assert_eq!(index.scores()[5], 900);
    assert_eq!(index.pick(&Want::up_to(10)), Some(run(5050, 10)), "900 are more than 400");
}

#[test]
fn in_an_area_a_request_is_split_only_in_order() {
    let free = [run(2050, 300), run(2400, 3), run(2500, 90), run(2600, 100)];
    let picked = |within| {
        let mut index = aged(Choice::Hbps, within, &free);
        [40, 300, 95].map(|blocks| index.pick(&Want::up_to(blocks)).unwrap())
    };
    assert_eq!(picked(Within::Order), [run(2050, 40), run(2090, 260), run(2400, 3)]);
    assert_eq!(
        picked(Within::Whole),
        [run(2050, 40), run(2090, 260), run(2600, 95)],
        "300 is the longest, in part"
    );
}

#[test]
fn what_crosses_areas_is_still_found() {
    let mut index = aged(Choice::Hbps, Within::Order, &[run(1040, 1500)]);
    assert_eq!(index.pick(&Want::exactly(1400)), Some(run(1040, 1400)));
    assert_eq!(index.effort().fallbacks, 1);
}

#[test]
fn scores_are_the_free_blocks_of_each_area() {
    let mut index = aged(Choice::Hbps, Within::Order, &[run(50, 10_000)]);
    index.remove(run(1000, 100));
    assert_eq!(index.scores(), [950, 950, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000]);
    index.insert(run(1010, 80));
    assert_eq!(index.scores()[..2], [990, 990]);
}

#[test]
fn settings_are_read_and_wrong_ones_named() {
    let build = |name: &str, value| (AREAS.build)(&Settings::new().with(name, value));
    for (name, word) in [("choice", "heap"), ("choice", "random"), ("choice", "next"), ("within", "whole")] {
        assert!(build(name, Setting::Word(word.into())).is_ok(), "{name} = {word}");
    }
    let wrong = [
        ("choice", Setting::Word("worst".into())),
        ("within", Setting::Word("last".into())),
        ("area_blocks", Setting::Integer(511)),
        ("area_blocks", Setting::Integer(1 << 32)),
    ];
    for (name, value) in wrong {
        assert!(matches!(build(name, value), Err(Error::BadSetting(text)) if text.contains(name)), "{name}");
    }
}
