//! Seeded crash lives of every allocator and every scheme, and the cases that earlier lives left behind. Every pair is for `cargo xtask sim`.

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::{Case, Life, LifeStats, Pair};
use std::sync::Arc;

const LIVES: u64 = 300;
const STEPS: usize = 60;

#[test]
fn three_hundred_crash_lives_of_every_allocator_and_scheme_keep_what_was_flushed() {
    let registry = Arc::new(Registry::standard());
    for pair in Pair::for_lives(&registry) {
        let lives: Result<Vec<_>, _> = (0..LIVES)
            .into_par_iter()
            .map(|seed| Life::of_seed(&pair, seed, STEPS).map_err(|failure| (seed, failure)))
            .collect();
        match lives {
            Ok(lives) => {
                let sum = lives.into_iter().fold(LifeStats::default(), LifeStats::and);
                println!("{pair}: {sum:?}");
                assert!(
                    sum.cuts_with_pending > LIVES / 2,
                    "the lives cut too rarely to show anything: {sum:?}"
                );
                assert!(sum.cuts_in_commit * 4 > sum.cuts, "too few cuts fall inside a commit: {sum:?}");
                assert!(sum.readers > LIVES / 2, "too few readers: {sum:?}");
                assert!(sum.records > 0, "no flush was a record in a log: {sum:?}");
                assert!(sum.replayed > 0, "no record was replayed: {sum:?}");
                assert!(sum.refused > 0, "some lives must run out of space: {sum:?}");
                assert!(sum.steps > LIVES * 20, "most steps must do something: {sum:?}");
            }
            Err((seed, failure)) => {
                let (case, shrunk) = Case::of_seed(&pair, seed, STEPS).shrink(failure.clone());
                panic!("seed {seed}: {failure}\nshrunk ({shrunk}):\n{}", case.text());
            }
        }
    }
}

#[test]
fn a_life_asks_its_device_for_the_same_each_time() {
    let registry = Arc::new(Registry::standard());
    for pair in Pair::sample(&registry, 0) {
        for seed in 0..10 {
            let (one, other) = (Life::of_seed(&pair, seed, STEPS), Life::of_seed(&pair, seed, STEPS));
            assert_eq!(one, other, "seed {seed} of {pair}");
            assert_ne!(one.unwrap().trace, 0, "seed {seed} of {pair}");
        }
    }
}

#[test]
fn every_kept_case_passes() {
    let registry = Arc::new(Registry::standard());
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    for path in cases.into_iter().filter(|path| path.extension().is_some_and(|end| end == "txt")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let case = Case::parse(&registry, &text).unwrap_or_else(|what| panic!("{path:?}: {what}"));
        Life::run(&case.pair, &case.steps).unwrap_or_else(|failure| panic!("{path:?}: {failure}"));
    }
}
