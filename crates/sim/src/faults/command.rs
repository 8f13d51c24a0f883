//! `spinney-sim --faults [--seeds N] [--from SEED] [--kills N] [--pair ALLOCATOR,SCHEME]`, and the writer that the kills start.
//!
//! Invariant: the process ends in failure if any trial or kill does. A face only: `full` and `kill` do the work.
#![expect(clippy::print_stdout, reason = "a tool that reports to its terminal")]

use super::{full, kill};
use crate::Pair;
use spinney_registry::Registry;
use std::process::ExitCode;
use std::sync::Arc;

/// How it is called.
pub const HELP: &str =
    "spinney-sim --faults [--seeds N=2] [--from SEED=0] [--kills N=2000] [--pair ALLOCATOR,SCHEME]";

struct Options {
    seeds: u64,
    from: u64,
    kills: u64,
    pair: Option<String>,
}

fn words() -> Vec<String> {
    std::env::args().skip(1).collect()
}

/// Whether the command line is one of these.
#[must_use]
pub fn is_asked() -> bool {
    words().first().is_some_and(|word| word == kill::WRITER || word == "--faults")
}

fn options(words: &[String]) -> Option<Options> {
    let mut options = Options { seeds: 2, from: 0, kills: 2000, pair: None };
    for pair in words.chunks(2) {
        let [name, value] = pair else { return None };
        match name.as_str() {
            "--seeds" => options.seeds = value.parse().ok()?,
            "--from" => options.from = value.parse().ok()?,
            "--kills" => options.kills = value.parse().ok()?,
            "--pair" => options.pair = Some(value.clone()),
            _ => return None,
        }
    }
    Some(options)
}

/// Do what is asked.
#[must_use]
pub fn run() -> ExitCode {
    let words = words();
    let done = match words.split_first() {
        Some((first, rest)) if first == kill::WRITER => kill::writer(rest).map(|()| 0),
        Some((_, rest)) => match options(rest) {
            Some(options) => all(&options),
            None => {
                eprintln!("{HELP}");
                return ExitCode::from(2);
            }
        },
        None => Ok(0),
    };
    match done {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(what) => {
            eprintln!("{what}");
            ExitCode::FAILURE
        }
    }
}

/// The kills and the fault matrix; the number that failed.
fn all(options: &Options) -> Result<usize, String> {
    let wanted = |pair: &Pair| {
        options.pair.as_ref().is_none_or(|name| *name == format!("{},{}", pair.allocator, pair.scheme))
    };
    let pairs: Vec<Pair> = Pair::all(&Arc::new(Registry::standard())).into_iter().filter(wanted).collect();
    if pairs.is_empty() {
        return Err("no such pair; `spinney list allocators` and `spinney list schemes` name them".into());
    }
    let extent = full::Extent { seeds: options.from..options.from + options.seeds, kills: options.kills };
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let folder = std::env::temp_dir().join(format!("spinney-sim-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|error| error.to_string())?;
    let mut say = |line: String| println!("{line}");
    let killed = full::kills(&program, &folder, &pairs, &extent, &mut say);
    std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
    Ok(killed + full::matrix(&pairs, &extent, &mut say)?)
}
