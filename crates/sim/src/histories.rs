//! `spinney-sim --histories [N=20000] [--scheme NAME] [--from SEED] [--json]`: histories of each scheme alone, on pages in memory.
//!
//! Invariant: a history is its seed and its scheme. No allocator, pool or device takes part: those are the lives' business. Names no
//! scheme.
#![expect(clippy::print_stdout, reason = "a command that reports to its terminal")]

use crate::progress::Progress;
use rayon::prelude::*;
use serde_json::json;
use spinney_core::{Fallback, Setting, Settings};
use spinney_registry::Registry;
use spinney_snap::{SchemeEntry, SnapshotScheme};
use spinney_testkit::history::{self, Tally};
use std::process::ExitCode;

/// How it is called.
pub const HELP: &str = "spinney-sim --histories [N=20000] [--scheme NAME] [--from SEED=0] [--json]";
const NAME: &str = "--histories";
/// Slots of an index node: few, so that interior levels matter.
const FANOUTS: [u64; 6] = [2, 3, 4, 4, 5, 8];

/// Sizes of what keeps counts, where there is that: small, so that it is full again and again, and as by itself.
const COUNT_SIZES: [(&str, [u64; 4]); 2] =
    [("log_changes", [1, 5, 40, 8096]), ("range_steps", [2, 5, 40, 1012])];

/// The settings of a seed: a small fanout, pages and logs of counts of some size, and each switch as a bit of the seed says.
fn settings(entry: &SchemeEntry, seed: u64) -> Settings {
    let mut settings = Settings::new();
    for (bit, parameter) in (0..).zip(entry.parameters) {
        settings = match parameter.default {
            Fallback::Integer(_) if parameter.name == "fanout" => {
                let fanout = FANOUTS[(seed / 7 % FANOUTS.len() as u64) as usize];
                settings.with(parameter.name, Setting::Integer(fanout))
            }
            Fallback::Integer(1..) => match COUNT_SIZES.iter().find(|(name, _)| *name == parameter.name) {
                Some((name, sizes)) => {
                    settings.with(name, Setting::Integer(sizes[(seed / 3 % sizes.len() as u64) as usize]))
                }
                None => settings,
            },
            Fallback::Switch(_) => settings.with(parameter.name, Setting::Switch(seed >> bit & 1 == 1)),
            _ => settings,
        };
    }
    settings
}

/// The history of a seed. Errors: what was wrong.
pub fn one(entry: &SchemeEntry, seed: u64) -> Result<Tally, String> {
    let settings = settings(entry, seed);
    let make = || -> Box<dyn SnapshotScheme> { (entry.build)(&settings).expect("settings that fit") };
    history::run(&make, seed).map_err(|what| format!("{} ({settings:?}): {what}", entry.name))
}

/// The histories of these seeds together, and what was wrong with the first that failed.
#[must_use]
pub fn all(entry: &SchemeEntry, seeds: std::ops::Range<u64>) -> (Tally, u64, Option<String>) {
    let progress = Progress::new(entry.name.to_owned(), seeds.end - seeds.start);
    let ended = seeds.into_par_iter().map(|seed| {
        let ended = one(entry, seed);
        progress.one_more();
        match ended {
            Ok(tally) => (tally, 0, None),
            Err(what) => (Tally::default(), 1, Some((seed, what))),
        }
    });
    let none = || (Tally::default(), 0, None);
    let (tally, failed, first) = ended.reduce(none, |one, other| {
        let first = match (one.2, other.2) {
            (Some(first), Some(second)) => Some(if first < second { first } else { second }),
            (first, second) => first.or(second),
        };
        (one.0.and(other.0), one.1 + other.1, first)
    });
    (tally, failed, first.map(|(_, what)| what))
}

struct Options {
    count: u64,
    from: u64,
    scheme: Option<String>,
    json: bool,
}

/// Whether this command is the one that was asked for.
#[must_use]
pub fn is_asked() -> bool {
    std::env::args().any(|word| word == NAME)
}

fn options() -> Option<Options> {
    let mut options = Options { count: 20_000, from: 0, scheme: None, json: false };
    let mut args = std::env::args().skip(1).peekable();
    while let Some(name) = args.next() {
        match name.as_str() {
            NAME => {
                if let Some(count) = args.next_if(|word| !word.starts_with("--")) {
                    options.count = count.parse().ok()?;
                }
            }
            "--from" => options.from = args.next()?.parse().ok()?,
            "--scheme" => options.scheme = Some(args.next()?),
            "--json" => options.json = true,
            _ => return None,
        }
    }
    options.from.checked_add(options.count).map(|_| options)
}

/// Run the command. Exit codes: 0 all histories sound, 1 one failed, 2 not understood.
#[must_use]
pub fn run() -> ExitCode {
    let Some(options) = options() else {
        eprintln!("{HELP}");
        return ExitCode::from(2);
    };
    let registry = Registry::standard();
    let wanted = |entry: &&SchemeEntry| options.scheme.as_ref().is_none_or(|name| entry.name == name);
    let entries: Vec<&SchemeEntry> = registry.schemes.iter().filter(wanted).collect();
    if entries.is_empty() {
        eprintln!("no such scheme");
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let mut sound = true;
    for entry in entries {
        let (tally, failed, first) = all(entry, options.from..options.from + options.count);
        sound &= failed == 0;
        print(&options, entry.name, &tally, failed, first.as_deref());
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(options: &Options, scheme: &str, tally: &Tally, failed: u64, first: Option<&str>) {
    let Tally { histories, operations, crashes, sets, idle_moments, high_moments, .. } = *tally;
    let mean = 100.0 * tally.garbage_blocks as f64 / tally.live_blocks.max(1) as f64;
    let worst = tally.garbage_permille_max as f64 / 10.0;
    if options.json {
        let line = json!({
            "output_version": { "command": "sim --histories", "vers_major": 1, "vers_minor": 0 },
            "scheme": scheme,
            "seed_first": options.from,
            "histories": histories,
            "failed": failed,
            "operations": operations,
            "crashes": crashes,
            "sets_deleted": sets,
            "idle_moments": idle_moments,
            "idle_moments_above_15_percent": high_moments,
            "garbage_percent_mean": mean,
            "garbage_percent_max": worst,
            "finding": first,
        });
        println!("{line}");
        return;
    }
    println!(
        "{scheme}: {histories} histories, {operations} operations, {crashes} crashes, {sets} sets deleted; garbage at {idle_moments} \
         idle moments: {mean:.2} % of live, at most {worst:.1} %, {high_moments} above 15 %; {failed} failed"
    );
    first.iter().for_each(|what| println!("{what}"));
}
