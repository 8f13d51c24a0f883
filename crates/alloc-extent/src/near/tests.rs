//! The laws, which run is nearest, and how far each walk goes for it.
//!
//! Invariant of the tests: where two ways of walking are compared, both are given the same runs and the same wish.

use super::*;
use spinney_core::{Setting, Settings};

fn build(walk: &str) -> Result<Box<dyn FreeIndex>> {
    (NEAR.build)(
        &Settings::new().with("walk", Setting::Word(walk.into())).with("leaf_runs", Setting::Integer(4)),
    )
}
spinney_testkit::index_laws!(both, || build("both").unwrap());
spinney_testkit::index_laws!(address, || build("address").unwrap());
spinney_testkit::index_laws!(floor, || Box::new(NearIndex::default().with_sized_blocks_min(8)));

const WALKS: [Walk; 2] = [Walk::Both, Walk::Address { leaf_runs: 4 }];

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn with(walk: Walk, runs: impl IntoIterator<Item = Extent>) -> NearIndex {
    let mut index = NearIndex::new(walk);
    index.reset(run(0, 1 << 22));
    runs.into_iter().for_each(|run| index.insert(run));
    index
}

#[test]
fn the_nearest_run_that_holds_the_request_is_taken() {
    let runs = [run(0, 9), run(100, 8), run(140, 2), run(160, 7), run(170, 8), run(300, 500)];
    for walk in WALKS {
        let pick = |want: Want| with(walk, runs).pick(&want);
        assert_eq!(pick(Want::exactly(8).near(Pba(141))), Some(run(170, 8)));
        assert_eq!(pick(Want::exactly(8).near(Pba(130))), Some(run(100, 8)));
        assert_eq!(
            pick(Want::exactly(9).near(Pba(141))),
            Some(run(0, 9)),
            "141 to the left, 159 to the right"
        );
        assert_eq!(pick(Want::exactly(2).near(Pba(150))), Some(run(140, 2)));
        assert_eq!(pick(Want::exactly(8).near(Pba(1 << 40))), Some(run(300, 8)));
    }
}

#[test]
fn inside_a_run_the_place_itself_is_taken_or_else_its_end() {
    for walk in WALKS {
        let pick = |near| with(walk, [run(100, 50)]).pick(&Want::exactly(8).near(Pba(near)));
        assert_eq!(pick(120), Some(run(120, 8)));
        assert_eq!(pick(147), Some(run(142, 8)));
        let aligned = Want { align: 16, ..Want::exactly(8).near(Pba(147)) };
        assert_eq!(with(walk, [run(100, 50)]).pick(&aligned), Some(run(128, 8)));
    }
}

#[test]
fn before_the_place_data_takes_the_start_of_a_run_and_metadata_its_end() {
    for walk in WALKS {
        let want = Want::exactly(8).near(Pba(500));
        assert_eq!(with(walk, [run(100, 50)]).pick(&want), Some(run(100, 8)));
        let want = Want { class: Class::Metadata, ..want };
        assert_eq!(with(walk, [run(100, 50)]).pick(&want), Some(run(142, 8)));
    }
}

#[test]
fn without_a_wish_it_is_best_fit() {
    let mut index = with(Walk::Both, [run(0, 9), run(100, 8), run(140, 500)]);
    assert_eq!(index.pick(&Want::exactly(8)), Some(run(100, 8)));
    assert_eq!(
        index.pick(&Want::up_to(600).near(Pba(0))),
        Some(run(140, 500)),
        "nothing holds it: the longest"
    );
}

/// 100,000 runs of one block around the place, runs of 16 blocks far from it.
fn crowded(walk: Walk, long_runs: u64) -> NearIndex {
    let short = (0..100_000).map(|at| run(1_000_000 + 2 * at, 1));
    with(walk, short.chain((0..long_runs).map(|at| run(20 * at, 16))))
}

#[test]
fn among_short_runs_a_walk_by_address_alone_is_long() {
    let steps = |mut index: NearIndex| {
        let before = index.effort().steps;
        assert!(index.pick(&Want::exactly(16).near(Pba(1_100_000))).is_some());
        index.effort().steps - before
    };
    assert!(steps(crowded(WALKS[1], 100)) > 50_000);
    assert!(steps(crowded(WALKS[1], 4)) < 20, "four runs are the last leaf");
    assert!(steps(crowded(Walk::Both, 100)) < 20);
    let far = crowded(Walk::Both, 100).pick(&Want::exactly(16).near(Pba(1_100_000)));
    assert_eq!(far, crowded(WALKS[1], 100).pick(&Want::exactly(16).near(Pba(1_100_000))), "the same place");
}

#[test]
fn a_walk_of_another_name_is_refused() {
    assert_eq!(build("size").err(), Some(Error::BadSetting("walk must be both or address")));
}
