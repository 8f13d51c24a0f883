//! The laws for each policy, and what each prefers.

use super::*;
use crate::policy::INDEX;
use spinney_core::{Error, Result, Setting, Settings};

fn build(settings: Settings) -> Result<Box<dyn FreeIndex>> {
    (INDEX.build)(&settings)
}

fn policy(name: &str) -> Box<dyn FreeIndex> {
    build(Settings::new().with("policy", Setting::Word(name.into()))).unwrap()
}

spinney_testkit::index_laws!(dynamic_fit, || policy("df"));
spinney_testkit::index_laws!(first_fit, || policy("ff"));
spinney_testkit::index_laws!(cursor_fit, || policy("cf"));
spinney_testkit::index_laws!(worst_fit, || policy("wf"));
spinney_testkit::index_laws!(new_dynamic_fit, || policy("ndf"));
spinney_testkit::index_laws!(a_walk_of_one_run, || {
    build(
        Settings::new()
            .with("walk_blocks_max", Setting::Integer(0))
            .with("walk_runs_min", Setting::Integer(1)),
    )
    .unwrap()
});
spinney_testkit::index_laws!(a_floor_by_size, || {
    build(Settings::new().with("sized_blocks_min", Setting::Integer(16))).unwrap()
});

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

/// 10,000 blocks of which these runs are free.
fn with(mut index: Box<dyn FreeIndex>, runs: &[(u64, u64)]) -> Box<dyn FreeIndex> {
    index.reset(run(0, 10_000));
    runs.iter().for_each(|(start, blocks)| index.insert(run(*start, *blocks)));
    index
}

fn starts(index: &mut dyn FreeIndex, sizes: &[u64]) -> Vec<u64> {
    sizes.iter().map(|blocks| index.pick(&Want::exactly(*blocks)).expect("there is room").start.0).collect()
}

#[test]
fn dynamic_fit_has_a_cursor_for_each_alignment() {
    let mut index = with(policy("df"), &[(0, 1000), (2000, 1000)]);
    assert_eq!(starts(&mut *index, &[3, 3, 4, 3, 4]), [0, 3, 6, 10, 13]);
    assert_eq!(index.effort().fallbacks, 0);
}

#[test]
fn dynamic_fit_is_best_fit_when_space_is_short() {
    let mut index = with(policy("df"), &[(0, 200), (500, 20), (600, 5)]);
    assert_eq!(starts(&mut *index, &[5]), [600], "225 of 10,000 blocks are less than 4 %");
    index.insert(run(5000, 400));
    assert_eq!(starts(&mut *index, &[3]), [5000], "the cursor of odd sizes stands behind 600+5");
    assert_eq!(index.effort().fallbacks, 1);
}

#[test]
fn dynamic_fit_gives_up_a_long_walk_and_resets_its_cursor() {
    let tuned = Settings::new()
        .with("walk_blocks_max", Setting::Integer(100))
        .with("walk_runs_min", Setting::Integer(2))
        .with("free_percent_min", Setting::Integer(0));
    let mut index = with(build(tuned).unwrap(), &[(0, 2), (80, 2), (200, 2), (300, 50), (900, 40)]);
    assert_eq!(starts(&mut *index, &[3]), [900], "best fit, since 300 is beyond 100 blocks and two runs");
    assert_eq!(starts(&mut *index, &[3]), [903], "the cursor stands behind the last one");
    assert_eq!(index.effort().fallbacks, 1);
}

#[test]
fn below_the_floor_best_fit_sees_a_run_only_when_no_other_is_left() {
    let tuned = Settings::new()
        .with("sized_blocks_min", Setting::Integer(4))
        .with("run_blocks_min", Setting::Integer(1000));
    let mut index = with(build(tuned).unwrap(), &[(10, 2), (50, 3), (100, 6), (200, 5)]);
    assert_eq!(starts(&mut *index, &[2, 4, 2, 3, 1]), [200, 100, 10, 50, 104]);
}

#[test]
fn first_fit_takes_the_lowest_address() {
    let mut index = with(policy("ff"), &[(7, 3), (20, 100), (300, 8)]);
    assert_eq!(starts(&mut *index, &[8, 3, 1]), [20, 7, 28]);
}

#[test]
fn cursor_fit_carves_the_longest_run() {
    let mut index = with(policy("cf"), &[(0, 10), (50, 30), (100, 29)]);
    assert_eq!(starts(&mut *index, &[20, 8, 8, 2, 2]), [50, 70, 100, 108, 110]);
}

#[test]
fn worst_fit_takes_from_the_longest_run_whatever_is_asked_for() {
    let mut index = with(policy("wf"), &[(0, 10), (50, 30), (100, 29)]);
    assert_eq!(starts(&mut *index, &[2, 2, 20, 9]), [50, 100, 52, 102]);
}

#[test]
fn new_dynamic_fit_leaves_room_for_the_next_of_a_size() {
    let mut index = with(policy("ndf"), &[(5, 3), (50, 40), (100, 64), (200, 65)]);
    assert_eq!(starts(&mut *index, &[4, 4, 2]), [100, 104, 50]);
}

#[test]
fn settings_outside_their_range_are_refused() {
    let bad = |name, value| build(Settings::new().with(name, value)).err();
    let rule = |text| Some(Error::BadSetting(text));
    assert_eq!(bad("policy", Setting::Word("bf".into())), rule("policy must be df, ff, cf, wf or ndf"));
    assert_eq!(bad("free_percent_min", Setting::Integer(101)), rule("free_percent_min must be at most 100"));
    assert_eq!(bad("clump_shift", Setting::Integer(31)), rule("clump_shift must be at most 30"));
}
