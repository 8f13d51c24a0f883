//! Superblock writes that a cut shears inside their sector, and what a planted fault that needs a cut does without one.
//!
//! Invariant: sheared lives have no failing requests, and lives without a cut flush before they reopen. Knows no allocator or scheme.

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::planted::{FAULTS, Fault};
use spinney_sim::{Failure, Geometry, Life, LifeStats, Pair, Step, draw};
use std::sync::Arc;

const STEPS: usize = 60;

/// Every third pair of a sample, for time's sake: each test has a turn of its own.
fn pairs(turn: usize) -> Vec<Pair> {
    Pair::sample(&Arc::new(Registry::standard()), turn).into_iter().step_by(3).collect()
}

fn single_slot() -> &'static Fault {
    FAULTS.iter().find(|fault| fault.name == "one-superblock-slot").expect("a planted fault of this name")
}

/// The lives of these seeds together, or the first that fails.
fn live(pair: &Pair, seeds: u64) -> Result<LifeStats, (u64, Failure)> {
    let life = |seed| Life::of_seed(pair, seed, STEPS).map_err(|failure| (seed, failure));
    let lives: Vec<_> = (0..seeds).into_par_iter().map(life).collect();
    lives.into_iter().try_fold(LifeStats::default(), |sum, life| Ok(sum.and(life?)))
}

#[test]
fn two_slots_survive_every_superblock_shorn_inside_its_sector() {
    for pair in pairs(0) {
        let pair = pair.on(Geometry { shears: 1, ..Geometry::default() });
        let sum = live(&pair, 80).unwrap_or_else(|(seed, failure)| panic!("seed {seed}: {failure}"));
        assert!(sum.shears > 20, "{pair}: too few superblocks were shorn: {sum:?}");
    }
}

#[test]
fn one_slot_does_not_survive_a_superblock_shorn_inside_its_sector() {
    for mut pair in pairs(1) {
        (single_slot().plant)(&mut pair);
        let (seed, failure) = live(&pair, 200).expect_err("one slot is enough");
        assert!(failure.what.contains("open after a cut: "), "seed {seed}: {failure}");
        assert!(failure.what.contains("superblock"), "seed {seed}: {failure}");
    }
}

/// The fault is the missing slot and nothing else.
#[test]
fn one_slot_survives_cuts_and_errors_that_leave_sectors_whole() {
    for mut pair in pairs(2) {
        (single_slot().plant)(&mut pair);
        pair.geometry.shears = 0;
        let sum = live(&pair, 40).unwrap_or_else(|(seed, failure)| panic!("seed {seed}: {failure}"));
        assert!(sum.cuts_in_commit > 20 && sum.reopened > 20 && sum.shears == 0, "{pair}: {sum:?}");
    }
}

/// A seed's steps without cuts, errors and readers, each reopening after a flush, and some at the end.
fn without_cuts(seed: u64) -> Vec<Step> {
    let mut steps = Vec::new();
    for step in draw(seed, STEPS) {
        match step {
            // A reader looks at the last commit, as opening after a cut does.
            Step::Crash { .. } | Step::Fail { .. } | Step::Pin | Step::Unpin => {}
            Step::Reopen => steps.extend([Step::Flush, Step::Reopen]),
            other => steps.push(other),
        }
    }
    let write = |at| Step::Write { of: 0, at, blocks: 3 };
    steps.extend([Step::Flush, write(1), Step::Flush, Step::Reopen, Step::Audit]);
    steps.extend([write(2), Step::Flush, Step::Reopen, Step::Reopen, Step::Audit]);
    steps
}

/// The first of a few lives without a cut that fails in this pair.
fn fails_without_a_cut(fault: &Fault, mut pair: Pair) -> Option<String> {
    (fault.plant)(&mut pair);
    let life = |seed| Life::run(&pair.for_seed(seed), &without_cuts(seed)).err().map(|what| (seed, what));
    let first = (0..8).into_par_iter().find_map_first(life);
    first.map(|(seed, what)| format!("{}, seed {seed}: {what}", fault.name))
}

#[test]
fn a_planted_fault_that_needs_a_cut_passes_lives_without_one() {
    let planted: Vec<&Fault> = FAULTS.iter().filter(|fault| fault.needs_cut).collect();
    assert!(planted.len() >= 6, "{} faults need a cut", planted.len());
    let of_turn = |(turn, fault): (usize, &&'static Fault)| {
        let fault = *fault;
        pairs(turn).into_iter().map(move |pair| (fault, pair))
    };
    let each = planted.iter().enumerate().flat_map(of_turn);
    let failed: Vec<_> = each.filter_map(|(fault, pair)| fails_without_a_cut(fault, pair)).collect();
    assert!(failed.is_empty(), "caught for another reason than a cut: {failed:#?}");
}

#[test]
fn lives_without_a_cut_see_a_device_that_drops_writes() {
    let fault = FAULTS.iter().find(|fault| fault.name == "device-drops-writes").expect("a planted fault");
    for pair in pairs(3) {
        assert!(fails_without_a_cut(fault, pair.clone()).is_some(), "{pair}");
    }
}
