//! Long crash lives: `spinney-sim [--seeds N] [--from SEED] [--steps N] [--pair ALLOCATOR,SCHEME]`.
//!
//! Invariant: prints the first seed and the shrunk steps of every failure, as text that `crates/sim/cases/` takes.
#![expect(clippy::print_stdout, reason = "a tool that reports to its terminal")]

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::{Case, Life, LifeStats, Pair};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

const HELP: &str = "spinney-sim [--seeds N=10000] [--from SEED=0] [--steps N=60] [--pair ALLOCATOR,SCHEME]
spinney-sim --exhaustive LENGTH [--more N=32] [--scarce BLOCKS] [--on GEOMETRY] [--pair ALLOCATOR,SCHEME] [--json]
spinney-sim --record CASE LOG
spinney-sim --faults [--seeds N=2] [--from SEED=0] [--kills N=2000] [--pair ALLOCATOR,SCHEME]";

struct Options {
    seeds: u64,
    from: u64,
    steps: usize,
    pair: Option<String>,
}

fn options() -> Option<Options> {
    let mut options = Options { seeds: 10_000, from: 0, steps: 60, pair: None };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next()?;
        match name.as_str() {
            "--seeds" => options.seeds = value.parse().ok()?,
            "--from" => options.from = value.parse().ok()?,
            "--steps" => options.steps = value.parse().ok()?,
            "--pair" => options.pair = Some(value),
            _ => return None,
        }
    }
    Some(options)
}

fn main() -> ExitCode {
    if spinney_sim::faults::command::is_asked() {
        return spinney_sim::faults::command::run();
    }
    if std::env::args().any(|word| word == "--help" || word == "-h") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    if spinney_sim::enumerate::command::is_asked() {
        return spinney_sim::enumerate::command::run();
    }
    let Some(options) = options() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    let registry = Arc::new(Registry::standard());
    let wanted = |pair: &Pair| {
        options.pair.as_ref().is_none_or(|name| *name == format!("{},{}", pair.allocator, pair.scheme))
    };
    let pairs: Vec<Pair> = Pair::all(&registry).into_iter().filter(wanted).collect();
    if pairs.is_empty() {
        eprintln!(
            "no such pair; known: {}, each with {}",
            registry.allocator_names().join(" "),
            registry.schemes.iter().map(|s| s.name).collect::<Vec<_>>().join(" ")
        );
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let failures: usize = pairs.iter().map(|pair| run(pair, &options)).sum();
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All seeds of one pair; the number that failed.
fn run(pair: &Pair, options: &Options) -> usize {
    let started = Instant::now();
    let seeds = options.from..options.from + options.seeds;
    let lives: Vec<_> =
        seeds.into_par_iter().map(|seed| (seed, Life::of_seed(pair, seed, options.steps))).collect();
    let failed: Vec<_> = lives.iter().filter_map(|(seed, life)| Some((*seed, life.clone().err()?))).collect();
    let sound = lives.iter().filter_map(|(_, life)| life.clone().ok());
    let sum = sound.fold(LifeStats::default(), LifeStats::and);
    println!(
        "{pair}: {} lives, {sum:?}, {} failed, {:.0} s",
        lives.len(),
        failed.len(),
        started.elapsed().as_secs_f64()
    );
    if let Some((seed, failure)) = failed.first() {
        println!("seed {seed}: {failure}");
        let (case, failure) = Case::of_seed(pair, *seed, options.steps).shrink(failure.clone());
        println!("shrunk to {} steps ({failure}):\n{}", case.steps.len(), case.text());
    }
    failed.len()
}
