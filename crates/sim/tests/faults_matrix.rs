//! Every kind of fault against the table of what it may cost.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rayon::prelude::*;
use spinney_device::Repeat;
use spinney_registry::Registry;
use spinney_sim::Pair;
use spinney_sim::faults::matrix::{Bench, Outcome};
use spinney_sim::faults::script::OPTIONS;
use spinney_sim::faults::table::{ROWS, Row};
use spinney_volume::{ChecksumKind, PoolOptions};
use std::sync::Arc;

/// The pair whose requests are all struck.
fn one() -> Pair {
    Pair::all(&Arc::new(Registry::standard())).swap_remove(1)
}

fn bench(pair: &Pair, seed: u64, options: PoolOptions) -> Bench {
    Bench::with([&pair.allocator, &pair.scheme], seed, options).unwrap()
}

fn row(name: &str) -> &'static Row {
    ROWS.iter().find(|row| row.name == name).unwrap()
}

/// At request 0, 1, 2, ... until a run meets no fault.
fn at_every_request(bench: &Bench, row: &Row, repeat: Repeat) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for first in (0u64..).step_by(32) {
        let trials = (first..first + 32).into_par_iter().map(|n| bench.trial(row, n, repeat).unwrap());
        let trials: Vec<Outcome> = trials.collect();
        let over = trials.iter().any(|outcome| outcome.strikes == 0);
        outcomes.extend(trials.into_iter().filter(|outcome| outcome.strikes > 0));
        if over {
            break;
        }
    }
    outcomes
}

#[test]
fn each_fault_at_every_request_costs_what_the_table_says() {
    let bench = bench(&one(), 1, OPTIONS);
    for row in ROWS {
        for repeat in [Repeat::Once, Repeat::Forever] {
            let outcomes = at_every_request(&bench, row, repeat);
            let told = outcomes.iter().filter(|outcome| outcome.told).count();
            println!("{} {repeat:?}: {} struck, {told} told", row.name, outcomes.len());
            assert!(outcomes.len() as u64 * 4 > bench.requests, "{}: it hardly ever struck", row.name);
            assert!(row.during.is_empty() == (told == 0), "{}: told {told} times", row.name);
        }
    }
}

#[test]
fn each_fault_in_every_allocator_and_scheme_costs_what_the_table_says() {
    for (number, pair) in (0..).zip(Pair::sample(&Arc::new(Registry::standard()), 5)) {
        let bench = bench(&pair, 100 + number, OPTIONS);
        for (start, row) in (number..).zip(ROWS) {
            let trials: Vec<u64> = (start % 13..bench.requests).step_by(13).collect();
            trials.into_par_iter().for_each(|n| {
                bench.trial(row, n, Repeat::Once).unwrap();
                bench.trial(row, n, Repeat::Chance { one_in: 10, seed: n }).unwrap();
            });
        }
    }
}

/// How many trials of a row go wrong with these options.
fn wrong(row: &Row, options: PoolOptions) -> Vec<String> {
    let bench = bench(&one(), 1, options);
    (0..bench.requests).into_par_iter().filter_map(|n| bench.trial(row, n, Repeat::Once).err()).collect()
}

/// The harness must be able to see a wrong byte.
#[test]
fn without_data_checksums_wrong_bytes_are_seen() {
    let options = PoolOptions { checksums: ChecksumKind::None, ..OPTIONS };
    for name in ["flip-in-flight-read", "lost-write", "misdirected-write", "stale-read"] {
        let wrong = wrong(row(name), options);
        assert!(wrong.iter().any(|what| what.contains("WRONG BYTES")), "{name}: {} wrong", wrong.len());
    }
}

/// And a commit that is gone.
#[test]
fn without_reading_superblocks_back_a_lost_commit_is_seen() {
    let options = PoolOptions { verify_superblock: false, ..OPTIONS };
    let wrong = wrong(row("lost-write"), options);
    assert!(wrong.iter().any(|what| what.contains("gone without a word")), "{wrong:?}");
}
