//! What each choice of groups prefers, and what a border may not change.
//!
//! Invariant of the tests: the index inside is first fit, so where a run was taken tells which group was asked first.

use spinney_alloc::groups::entry::{ALL, MEAN_RUN, SIZE_CLASS};
use spinney_alloc::groups::order::Cut;
use spinney_alloc::{FreeIndex, Grouped, GroupsEntry, Want};
use spinney_core::{Extent, Flow, Pba, Setting, Settings};
use spinney_testkit::FirstFit;

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

/// Ten groups of 100 blocks from block 1,000 on, all free.
fn grouped(entry: &GroupsEntry, settings: &[(&str, Setting)]) -> Grouped {
    let settings = settings.iter().fold(Settings::new(), |all, (name, value)| all.with(name, value.clone()));
    let settings = settings.with("group_blocks", Setting::Integer(100));
    let choice = (entry.build)(&settings).expect("sound settings");
    let mut index = Grouped::new(choice, Box::new(|| Box::new(FirstFit::default())));
    index.reset(run(1000, 1000));
    index.insert(run(1000, 1000));
    index
}

fn named(name: &str) -> Grouped {
    grouped(ALL.iter().find(|entry| entry.name == name).expect("a row"), &[])
}

/// The group that a request is served from.
fn group(index: &mut Grouped, want: &Want) -> u64 {
    let run = index.pick(want).expect("there is room");
    (run.start.0 - 1000) / 100
}

fn stream(stream: u32) -> Want {
    Want { stream, ..Want::exactly(60) }
}

#[test]
fn first_takes_the_first_group_that_holds_the_request() {
    let mut index = named("first");
    let groups: Vec<u64> = (0..4).map(|_| group(&mut index, &Want::exactly(60))).collect();
    assert_eq!(groups, [0, 1, 2, 3]);
    assert_eq!(group(&mut index, &Want::exactly(40)), 0, "what is left of the first still serves");
}

#[test]
fn a_rotor_gives_each_stream_a_group_and_then_the_next_one() {
    let mut index = named("rotor");
    assert_eq!(group(&mut index, &stream(3)), 3);
    assert_eq!(group(&mut index, &stream(7)), 7);
    assert_eq!(group(&mut index, &stream(13)), 4, "stream 13 has group 3 too, which is too full");
}

#[test]
fn near_takes_the_group_of_the_wish_and_without_one_that_of_the_stream() {
    let mut index = named("near");
    assert_eq!(group(&mut index, &stream(2).near(Pba(1555))), 5);
    assert_eq!(group(&mut index, &stream(2)), 2);
    assert_eq!(group(&mut index, &stream(2).near(Pba(7))), 3, "a wish outside is none");
}

#[test]
fn most_free_spreads_requests_evenly() {
    let mut index = named("most-free");
    let mut seen: Vec<u64> = (0..10).map(|_| group(&mut index, &Want::exactly(10))).collect();
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    index.insert(run(1700, 10));
    assert_eq!(group(&mut index, &Want::exactly(10)), 7);
}

fn classes(forget: bool) -> Grouped {
    let settings = [
        ("small_blocks_max", Setting::Integer(4)),
        ("medium_blocks_max", Setting::Integer(20)),
        ("forget", Setting::Switch(forget)),
    ];
    grouped(&SIZE_CLASS, &settings)
}

#[test]
fn a_group_takes_the_class_of_its_first_request() {
    let mut index = classes(true);
    let groups: Vec<u64> =
        [1, 10, 50, 2, 20, 21].map(|blocks| group(&mut index, &Want::exactly(blocks))).into();
    assert_eq!(groups, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn classes_are_shared_only_when_no_group_is_empty() {
    let mut index = classes(true);
    for expected in 0..10 {
        assert_eq!(group(&mut index, &Want::exactly(60)), expected, "each group takes one");
    }
    assert_eq!(group(&mut index, &Want::exactly(4)), 0, "now a small one goes where large ones are");
}

#[test]
fn an_emptied_group_forgets_its_class_unless_told_not_to() {
    for (forget, expected) in [(true, 0), (false, 1)] {
        let mut index = classes(forget);
        let small = index.pick(&Want::exactly(4)).expect("room");
        index.insert(small);
        assert_eq!(group(&mut index, &Want::exactly(60)), expected, "forget = {forget}");
    }
}

fn means(word: &str) -> Grouped {
    grouped(&MEAN_RUN, &[("means", Setting::Word(word.into())), ("goal", Setting::Switch(false))])
}

#[test]
fn by_buckets_one_group_is_used_up_and_by_exact_means_all_are_touched() {
    let groups = |word| {
        let mut index = means(word);
        let mut seen: Vec<u64> = (0..10).map(|_| group(&mut index, &Want::exactly(3))).collect();
        seen.dedup();
        seen
    };
    assert_eq!(groups("buckets"), [0]);
    assert_eq!(groups("exact"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn by_buckets_the_shortest_mean_that_holds_the_request_is_preferred() {
    let mut index = means("buckets");
    for start in (1500..1600).step_by(10) {
        index.remove(run(start, 2)); // group 5: ten runs of 8
    }
    assert_eq!(group(&mut index, &Want::exactly(8)), 5);
    assert_eq!(group(&mut index, &Want::exactly(9)), 0);
    let mut goal = grouped(&MEAN_RUN, &[]);
    assert_eq!(group(&mut goal, &Want::exactly(8).near(Pba(1300))), 3, "the goal comes first");
}

#[test]
fn a_run_across_borders_is_one_run_and_serves_what_no_group_can() {
    for entry in ALL {
        let mut index = grouped(&entry, &[]);
        index.remove(run(1000, 150));
        index.remove(run(1400, 600));
        let mut runs = Vec::new();
        index.visit(run(0, 5000), &mut |run| {
            runs.push(run);
            Flow::Continue
        });
        assert_eq!(
            (runs, index.free_runs(), index.free_blocks()),
            (vec![run(1150, 250)], 1, 250),
            "{}",
            entry.name
        );
        assert_eq!(index.pick(&Want::exactly(251)), None);
        assert_eq!(index.pick(&Want { align: 100, ..Want::exactly(200) }), Some(run(1200, 200)));
        assert_eq!((index.free_runs(), index.free_blocks()), (1, 50));
    }
}

#[test]
fn a_request_that_no_group_holds_whole_is_cut_up_before_a_border_is_crossed() {
    let mut index = named("first");
    assert_eq!(index.pick(&Want::up_to(250)), Some(run(1000, 100)));
    assert_eq!(index.effort().fallbacks, 0);
    assert_eq!(index.pick(&Want { blocks_min: 150, ..Want::up_to(250) }), Some(run(1100, 250)));
    assert_eq!(index.effort().fallbacks, 1);
}

#[test]
fn groups_are_cut_by_the_rules_of_their_systems() {
    let (mib, gib, tib) = (256, 1 << 18, 1 << 28);
    let cut = |cut: Cut, blocks: u64| blocks.div_ceil(cut.group_blocks(blocks));
    let xfs = [16 * mib, 64 * mib, 128 * mib, gib, 4 * tib, 16 * tib].map(|blocks| cut(Cut::Xfs, blocks));
    assert_eq!(xfs, [1, 2, 4, 4, 4, 16]);
    assert_eq!([5 * gib, 10 * gib, tib].map(|blocks| cut(Cut::Btrfs, blocks)), [10, 10, 1024]);
    assert_eq!([gib, 100 * mib].map(|blocks| cut(Cut::Ext4, blocks)), [8, 1]);
}

#[test]
fn no_number_makes_more_groups_than_there_may_be() {
    let settings = Settings::new().with("group_blocks", Setting::Integer(1));
    let make = || Box::new(spinney_testkit::FirstFit::default()) as Box<dyn FreeIndex>;
    let mut index = Grouped::new((SIZE_CLASS.build)(&settings).expect("sound"), Box::new(make));
    index.reset(run(0, 1 << 20));
    assert_eq!(index.groups().len(), 1 << 14);
}
