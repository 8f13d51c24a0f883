//! The long run: every fault at every request of every pair, and thousands of kills.
//!
//! Invariant: the first failure of each part is printed with pair, seed and fault, which repeat it.

use super::kill::{Planted, Told, kill_once};
use super::matrix::{Bench, Outcome};
use super::table::{After, ROWS, Row};
use crate::Pair;
use rayon::prelude::*;
use spinney_device::Repeat;
use std::path::Path;

/// How much.
#[derive(Clone, Debug)]
pub struct Extent {
    /// Histories of each pair.
    pub seeds: std::ops::Range<u64>,
    /// Kills.
    pub kills: u64,
}

const REPEATS: [&str; 3] = ["once", "from then on", "one in ten"];

fn repeat(number: usize, n: u64) -> Repeat {
    [Repeat::Once, Repeat::Forever, Repeat::Chance { one_in: 10, seed: n }][number]
}

/// All trials of a row in one history; `say` gets one line. The number that failed.
fn row_of(bench: &Bench, row: &Row, head: &str, say: &mut dyn FnMut(String)) -> usize {
    let trials: Vec<(usize, u64)> =
        (0..REPEATS.len()).flat_map(|number| (0..bench.requests).map(move |n| (number, n))).collect();
    let outcomes: Vec<Result<Outcome, String>> =
        trials.par_iter().map(|(number, n)| bench.trial(row, *n, repeat(*number, *n))).collect();
    let sound: Vec<&Outcome> = outcomes.iter().flatten().collect();
    let count = |rule: fn(&Outcome) -> bool| sound.iter().filter(|outcome| rule(outcome)).count();
    let failed = outcomes.len() - sound.len();
    say(format!(
        "{head} {}: {} runs, {} struck, {} told, {} lost something, {failed} failed",
        row.name,
        outcomes.len(),
        count(|outcome| outcome.strikes > 0),
        count(|outcome| outcome.told),
        count(|outcome| outcome.after == After::Told)
    ));
    if let Some(first) = outcomes.into_iter().find_map(Result::err) {
        say(first);
    }
    failed
}

/// Every row at every request of these histories of every pair. The number of trials that failed.
pub fn matrix(pairs: &[Pair], extent: &Extent, say: &mut dyn FnMut(String)) -> Result<usize, String> {
    let mut failed = 0;
    for pair in pairs {
        for seed in extent.seeds.clone() {
            let bench = Bench::new([&pair.allocator, &pair.scheme], seed)?;
            let head = format!("{} x {}, seed {seed}:", pair.allocator, pair.scheme);
            failed += ROWS.iter().map(|row| row_of(&bench, row, &head, say)).sum::<usize>();
        }
    }
    Ok(failed)
}

/// Kills, round the pairs; `program` becomes the writer. The number that failed.
pub fn kills(
    program: &Path,
    folder: &Path,
    pairs: &[Pair],
    extent: &Extent,
    say: &mut dyn FnMut(String),
) -> usize {
    let kill = |seed: u64| {
        let pair = &pairs[seed as usize % pairs.len()];
        kill_once(program, folder, [&pair.allocator, &pair.scheme], seed, Planted::Nothing)
    };
    let first = extent.seeds.start;
    let outcomes: Vec<Result<Told, String>> =
        (first..first + extent.kills).into_par_iter().map(kill).collect();
    let told: Vec<&Told> = outcomes.iter().flatten().collect();
    let (failed, in_flush) =
        (outcomes.len() - told.len(), told.iter().filter(|told| told.in_flush()).count());
    say(format!("{} kills, {in_flush} inside a flush, {failed} failed", outcomes.len()));
    if let Some(first) = outcomes.into_iter().find_map(Result::err) {
        say(first);
    }
    failed
}
