//! `spinney-sim [--seeds N] [--from SEED] [--steps N] [--pair ALLOCATOR,SCHEME] [--cases FOLDER] [--json]`: long crash lives.
//!
//! Invariant: all that is printed but for the seconds follows from the arguments and the code. One line a pair and one for all
//! (JSON objects with `--json`); of each pair that failed the first seed, shrunk, is also written as a case.
#![expect(clippy::print_stdout, reason = "a command that reports to its terminal")]

use crate::progress::Progress;
use crate::{Case, Failure, Life, LifeStats, Pair};
use rayon::prelude::*;
use serde_json::{Value, json};
use spinney_registry::Registry;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// How it is called.
pub const HELP: &str = "spinney-sim [--seeds N=10000] [--from SEED=0] [--steps N=60] [--pair ALLOCATOR,SCHEME] [--cases FOLDER] [--json]";
/// One seed of so many is run twice, and both must have asked their devices for the same.
const TWICE_EVERY: u64 = 100;

struct Options {
    seeds: u64,
    from: u64,
    steps: usize,
    pair: Option<String>,
    cases: Option<PathBuf>,
    json: bool,
}

/// Where failing seeds are written if nothing else is said: beside the kept cases, when cargo runs the command.
fn cases_folder() -> Option<PathBuf> {
    std::env::var_os("CARGO_MANIFEST_DIR").map(|folder| PathBuf::from(folder).join("cases"))
}

fn options() -> Option<Options> {
    let (cases, json) = (cases_folder(), false);
    let mut options = Options { seeds: 10_000, from: 0, steps: 60, pair: None, cases, json };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        match name.as_str() {
            "--json" => options.json = true,
            "--seeds" => options.seeds = args.next()?.parse().ok()?,
            "--from" => options.from = args.next()?.parse().ok()?,
            "--steps" => options.steps = args.next()?.parse().ok()?,
            "--pair" => options.pair = Some(args.next()?),
            "--cases" => options.cases = Some(args.next()?.into()),
            _ => return None,
        }
    }
    options.from.checked_add(options.seeds).map(|_| options)
}

/// Run the command. Exit codes: 0 all lives sound, 1 one failed, 2 not understood.
#[must_use]
pub fn run() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    let registry = Arc::new(Registry::standard());
    let named = |pair: &Pair| format!("{},{}", pair.allocator, pair.scheme);
    let wanted = |pair: &Pair| options.pair.as_ref().is_none_or(|name| *name == named(pair));
    let pairs: Vec<Pair> = Pair::all(&registry).into_iter().filter(wanted).collect();
    if pairs.is_empty() {
        let known: Vec<String> = Pair::all(&registry).iter().map(named).collect();
        eprintln!("no such pair; known: {}", known.join(" "));
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let outcomes: Vec<Outcome> = pairs.iter().map(|pair| one(pair, &options)).collect();
    let all = outcomes.into_iter().fold(Outcome::default(), Outcome::and);
    print(&options, "all pairs", &all, None);
    if all.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the lives of a pair, or of all, came to.
#[derive(Clone, Copy, Default)]
struct Outcome {
    lives: u64,
    twice: u64,
    failed: u64,
    sum: LifeStats,
    seconds: f64,
}

impl Outcome {
    fn and(self, other: Outcome) -> Outcome {
        Outcome {
            lives: self.lives + other.lives,
            twice: self.twice + other.twice,
            failed: self.failed + other.failed,
            sum: self.sum.and(other.sum),
            seconds: self.seconds + other.seconds,
        }
    }
}

/// The life of a seed, and some once more.
fn live(pair: &Pair, seed: u64, steps: usize) -> Result<LifeStats, Failure> {
    let first = Life::of_seed(pair, seed, steps);
    if seed.is_multiple_of(TWICE_EVERY) && Life::of_seed(pair, seed, steps) != first {
        let what = "two runs of one life differ".to_owned();
        return Err(Failure { pair: pair.to_string(), step: steps, what });
    }
    first
}

/// All seeds of one pair.
fn one(pair: &Pair, options: &Options) -> Outcome {
    let progress = Progress::new(pair.to_string(), options.seeds);
    let seeds = options.from..options.from + options.seeds;
    let twice = seeds.clone().filter(|seed| seed.is_multiple_of(TWICE_EVERY)).count() as u64;
    let lives: Vec<(u64, Result<LifeStats, Failure>)> = seeds
        .into_par_iter()
        .map(|seed| {
            let life = live(pair, seed, options.steps);
            progress.one_more();
            (seed, life)
        })
        .collect();
    let sum =
        lives.iter().filter_map(|(_, life)| life.clone().ok()).fold(LifeStats::default(), LifeStats::and);
    let failed: Vec<(u64, &Failure)> =
        lives.iter().filter_map(|(seed, life)| Some((*seed, life.as_ref().err()?))).collect();
    let seconds = progress.seconds();
    let outcome = Outcome { lives: options.seeds, twice, failed: failed.len() as u64, sum, seconds };
    let found = failed.first().map(|(seed, failure)| Found::shrunk(pair, *seed, failure, options));
    print(options, &pair.to_string(), &outcome, found.as_ref());
    outcome
}

/// A failing seed.
struct Found {
    seed: u64,
    failure: Failure,
    case: Case,
    shrunk: Failure,
    /// Where it was written, or why not.
    written: String,
}

impl Found {
    fn shrunk(pair: &Pair, seed: u64, failure: &Failure, options: &Options) -> Found {
        let (case, shrunk) = Case::of_seed(pair, seed, options.steps).shrink(failure.clone());
        let written = options.cases.as_ref().map(|folder| case.write(folder, seed, &shrunk));
        let written = match written {
            None => "not written: no folder (--cases)".to_owned(),
            Some(Ok(path)) => path.display().to_string(),
            Some(Err(error)) => format!("not written: {error}"),
        };
        Found { seed, failure: failure.clone(), case, shrunk, written }
    }
}

fn print(options: &Options, name: &str, outcome: &Outcome, found: Option<&Found>) {
    if options.json {
        println!("{}", as_json(options, name, outcome, found));
        return;
    }
    let Outcome { lives, twice, failed, sum, seconds } = outcome;
    println!(
        "{name}: {lives} lives ({twice} twice), {} steps ({} refused), {} cuts ({} inside a commit), {} warm reopens, \
         {} readers, {} failed requests, {} log records ({} replayed), trace {:016x}; {failed} failed, {seconds:.0} s",
        sum.steps,
        sum.refused,
        sum.cuts,
        sum.cuts_in_commit,
        sum.reopened,
        sum.readers,
        sum.failed,
        sum.records,
        sum.replayed,
        sum.trace
    );
    if let Some(Found { seed, failure, case, shrunk, written }) = found {
        println!("seed {seed}: {failure}\nshrunk to {} steps ({shrunk}), case {written}:", case.steps.len());
        println!("{}", case.text());
    }
}

fn as_json(options: &Options, name: &str, outcome: &Outcome, found: Option<&Found>) -> Value {
    let Outcome { lives, twice, failed, sum, seconds } = outcome;
    json!({
        "output_version": { "command": "sim", "vers_major": 1, "vers_minor": 2 },
        "pair": name,
        "seed_first": options.from,
        "steps_each": options.steps,
        "lives": lives,
        "lives_run_twice": twice,
        "steps": sum.steps,
        "steps_refused": sum.refused,
        "cuts": sum.cuts,
        "cuts_with_pending": sum.cuts_with_pending,
        "cuts_in_commit": sum.cuts_in_commit,
        "warm_reopens": sum.reopened,
        "readers": sum.readers,
        "requests_failed": sum.failed,
        "log_records": sum.records,
        "log_records_replayed": sum.replayed,
        "trace": format!("{:016x}", sum.trace),
        "failed": failed,
        "seconds": seconds,
        "finding": found.map(|found| json!({
            "seed": found.seed,
            "what": found.failure.to_string(),
            "shrunk": found.shrunk.to_string(),
            "case": found.case.text(),
            "written": found.written,
        })),
    })
}
