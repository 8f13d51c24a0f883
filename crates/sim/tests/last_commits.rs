//! The power goes after every single change of the device in the last two commits of a life: every allocator and every scheme, names too.

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::{Case, Life, Pair, Step, draw};
use std::sync::Arc;

/// Lives of each pair; the second has steps that go by names.
const LIVES: std::ops::Range<u64> = 2..4;
const STEPS: usize = 45;
/// Steps before each of the two commits.
const LAST: usize = 6;

/// The life of a seed up to two commits, with a cut after so many changes from where the first of the two begins to fill.
fn cut_after(seed: u64, changes: u8) -> Vec<Step> {
    let mut steps = draw(seed, STEPS);
    steps.retain(|step| !matches!(step, Step::Crash { .. } | Step::Fail { .. } | Step::Pin | Step::Reopen));
    let rest = steps.split_off(steps.len() - 2 * LAST);
    let (first, second) = rest.split_at(LAST);
    steps.push(Step::Flush);
    steps.push(Step::Crash { after: changes, fates: seed * 256 + u64::from(changes) });
    for last in [first, second] {
        steps.extend(last);
        steps.push(Step::Flush);
    }
    steps
}

/// How many cuts there were.
fn every_cut(pair: &Pair, seed: u64) -> u64 {
    let pair = pair.for_seed(seed);
    for changes in 0..=u8::MAX {
        let steps = cut_after(seed, changes);
        match Life::run(&pair, &steps) {
            Ok(stats) if stats.late_cuts > 0 || stats.steps == 0 => return u64::from(changes),
            Ok(_) => {}
            Err(failure) => {
                let (case, shrunk) = Case { pair: pair.clone(), steps }.shrink(failure.clone());
                panic!("seed {seed}, {changes} changes: {failure}\nshrunk ({shrunk}):\n{}", case.text());
            }
        }
    }
    u64::from(u8::MAX) + 1
}

#[test]
fn a_cut_after_any_change_of_the_device_in_the_last_two_commits_loses_nothing() {
    let registry = Arc::new(Registry::standard());
    let pairs = Pair::sample(&registry, 1);
    let lives: Vec<(&Pair, u64)> =
        pairs.iter().flat_map(|pair| LIVES.map(move |seed| (pair, seed))).collect();
    let cuts: u64 = lives.par_iter().map(|(pair, seed)| every_cut(pair, *seed)).sum();
    println!("{cuts} cuts in {} lives", lives.len());
    assert!(cuts > lives.len() as u64 * 20, "{cuts} cuts in {} lives are too few", lives.len());
}
