//! Seeded crash lives of every pair, and the cases that earlier lives left behind.

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::{Life, LifeStats, Pair, draw, shrink, step};
use spinney_volume::ChecksumKind;
use std::sync::Arc;

const LIVES: u64 = 300;
const STEPS: usize = 60;

fn add(one: LifeStats, other: LifeStats) -> LifeStats {
    LifeStats {
        steps: one.steps + other.steps,
        cuts: one.cuts + other.cuts,
        cuts_with_pending: one.cuts_with_pending + other.cuts_with_pending,
        cuts_in_commit: one.cuts_in_commit + other.cuts_in_commit,
        refused: one.refused + other.refused,
    }
}

#[test]
fn three_hundred_crash_lives_of_every_pair_keep_what_was_flushed() {
    let registry = Arc::new(Registry::standard());
    for pair in Pair::all(&registry) {
        let lives: Result<Vec<_>, _> = (0..LIVES)
            .into_par_iter()
            .map(|seed| Life::of_seed(&pair, seed, STEPS).map_err(|failure| (seed, failure)))
            .collect();
        match lives {
            Ok(lives) => {
                let sum = lives.into_iter().fold(LifeStats::default(), add);
                println!("{} x {}: {sum:?}", pair.allocator, pair.scheme);
                assert!(
                    sum.cuts_with_pending > LIVES / 2,
                    "the lives cut too rarely to show anything: {sum:?}"
                );
                assert!(sum.cuts_in_commit * 4 > sum.cuts, "too few cuts fall inside a commit: {sum:?}");
                assert!(sum.refused > 0, "some lives must run out of space: {sum:?}");
                assert!(sum.steps > LIVES * 20, "most steps must do something: {sum:?}");
            }
            Err((seed, failure)) => {
                let pair = pair.for_seed(seed);
                let (steps, shrunk) = shrink(&pair, &draw(seed, STEPS), failure.clone());
                let lines: Vec<String> = steps.iter().map(ToString::to_string).collect();
                panic!("seed {seed}: {failure}\nshrunk ({shrunk}):\n{}\n{}", pair.line(), lines.join("\n"));
            }
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
        let mut lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let names: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
        let steps: Vec<_> =
            lines.map(|line| step::parse(line).unwrap_or_else(|| panic!("{path:?}: {line}"))).collect();
        let mut pair = Pair::new(&registry, names[1], names[2]);
        pair.metadata_blocks = names[3].parse().unwrap();
        pair.checksums = names.get(4).map_or(ChecksumKind::Xxh3, |name| ChecksumKind::named(name).unwrap());
        Life::run(&pair, &steps).unwrap_or_else(|failure| panic!("{path:?}: {failure}"));
    }
}
