//! `spinney-sim --exhaustive LENGTH [--more N] [--pair ALLOCATOR,SCHEME] [--json]`: the searches as a command; and
//! `spinney-sim --record CASE LOG`: the writes of a case for tools that read dm-log-writes logs.
//!
//! Invariant: standard output has one line a pair (a JSON object each with `--json`), in the registry's order; progress and estimate go
//! to standard error.
#![expect(clippy::print_stdout, reason = "a command that reports to its terminal")]

use super::case::Case;
use super::search::{Counts, Finding, Plan, Search};
use crate::{Geometry, Pair};
use spinney_device::write_log;
use spinney_registry::Registry;
use std::io::BufWriter;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How it is called.
pub const HELP: &str = "spinney-sim --exhaustive LENGTH [--more N=32] [--scarce BLOCKS] [--on GEOMETRY] [--pair ALLOCATOR,SCHEME]
    [--json]
spinney-sim --record CASE LOG

Carries out every sequence of up to LENGTH operations on a small pool, cuts the power at every flush in every way that the bounds
list, and judges what is found; N operations follow each recovery. With `--scarce` the metadata area
has so many blocks more than the fewest that do; `--on` takes the words of a case's first line, as in
--on \"metadata=144 data=64 cache=1 fanout=2\". `--record` carries out a case of
cases/states without its cuts, and writes the history of its device in the layout of Linux' dm-log-writes.";
/// Longer sequences would not end: 25 operations make 9.8 million sequences of 5.
const LENGTH_MAX: u32 = 5;
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

struct Options {
    plan: Plan,
    pair: Option<String>,
    scarce: Option<u64>,
    json: bool,
}

fn options() -> Option<Options> {
    let mut options = Options { plan: Plan::new(0, 32), pair: None, scarce: None, json: false };
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        match name.as_str() {
            "--exhaustive" => options.plan.length = args.next()?.parse().ok()?,
            "--more" => options.plan.more = args.next()?.parse().ok()?,
            "--on" => options.plan.geometry = Geometry::parse(args.next()?.split_whitespace())?,
            "--scarce" => options.scarce = Some(args.next()?.parse().ok()?),
            "--pair" => options.pair = Some(args.next()?),
            "--json" => options.json = true,
            _ => return None,
        }
    }
    (1..=LENGTH_MAX).contains(&options.plan.length).then_some(options)
}

/// Whether the arguments are for this command.
#[must_use]
pub fn is_asked() -> bool {
    std::env::args().any(|word| word == "--exhaustive" || word == "--record")
}

/// Write the history of a case as a log. Errors: what went wrong, with the file.
fn record(case: &str, log: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(case).map_err(|error| format!("{case}: {error}"))?;
    let read = Case::parse(&text).map_err(|what| format!("{case}: {what}"))?;
    let pair = read.sound_pair(&Arc::new(Registry::standard())).map_err(|what| format!("{case}: {what}"))?;
    let epochs = read.record(&pair)?;
    let file = std::fs::File::create(log).map_err(|error| format!("{log}: {error}"))?;
    write_log(&epochs, &mut BufWriter::new(file)).map_err(|error| format!("{log}: {error}"))
}

/// Run the command. Exit codes: 0 nothing found, 1 something found or failed, 2 not understood.
#[must_use]
pub fn run() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [name, case, log] = &words[..]
        && name == "--record"
    {
        return match record(case, log) {
            Ok(()) => ExitCode::SUCCESS,
            Err(what) => {
                eprintln!("{what}");
                ExitCode::FAILURE
            }
        };
    }
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
    let sound = pairs.iter().filter(|pair| one(pair, &options)).count();
    if sound == pairs.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Search one pair and report; whether nothing was found.
fn one(pair: &Pair, options: &Options) -> bool {
    let started = Instant::now();
    let plan = options.scarce.map_or(options.plan, |more| options.plan.scarce(pair, more));
    let search = match Search::new(pair, plan) {
        Ok(search) => search,
        Err(what) => {
            println!("{} x {}: {what}", pair.allocator, pair.scheme);
            return false;
        }
    };
    let finding = (1..=plan.length).find_map(|length| {
        let progress = Progress::new(pair, length);
        search.sequences(length, &|| progress.one_more())
    });
    let seconds = started.elapsed().as_secs_f64();
    match options.json {
        true => println!("{}", json(pair, plan, search.counts(), finding.as_ref(), seconds)),
        false => println!("{}", text(pair, plan, search.counts(), finding.as_ref(), seconds)),
    }
    finding.is_none()
}

fn text(pair: &Pair, plan: Plan, counts: Counts, finding: Option<&Finding>, seconds: f64) -> String {
    let Counts { sequences, idle, refused, points, raw, images, distinct } = counts;
    let mut text = format!(
        "{} x {}: {sequences} sequences of up to {} operations ({idle} idle ones left out, {refused} with a \
         refusal), {points} crash points, \
         {raw:?} cuts by depth, {images:?} images, {distinct:?} distinct states, {seconds:.0} s",
        pair.allocator, pair.scheme, plan.length
    );
    if let Some(Finding { case, what }) = finding {
        text.push_str(&format!("\nfound: {what}\n{case}"));
    }
    text
}

fn json(
    pair: &Pair,
    plan: Plan,
    counts: Counts,
    finding: Option<&Finding>,
    seconds: f64,
) -> serde_json::Value {
    serde_json::json!({
        "output_version": { "command": "sim --exhaustive", "vers_major": 1, "vers_minor": 0 },
        "allocator": pair.allocator,
        "scheme": pair.scheme,
        "length": plan.length,
        "operations_after_recovery": plan.more,
        "geometry": plan.geometry.to_string(),
        "sequences": counts.sequences,
        "sequences_idle": counts.idle,
        "sequences_refused": counts.refused,
        "crash_points": counts.points,
        "cuts_by_depth": counts.raw,
        "images_by_depth": counts.images,
        "distinct_states_by_depth": counts.distinct,
        "seconds": seconds,
        "finding": finding.map(|Finding { case, what }| serde_json::json!({ "what": what, "case": case.to_string() })),
    })
}

/// How far the sequences of one length are.
struct Progress {
    name: String,
    total: u64,
    done: AtomicU64,
    started: Instant,
    told: Mutex<Instant>,
}

impl Progress {
    fn new(pair: &Pair, length: u32) -> Progress {
        let name = format!("{} x {}, length {length}", pair.allocator, pair.scheme);
        let now = Instant::now();
        let total = Search::count(length);
        Progress { name, total, done: AtomicU64::new(0), started: now, told: Mutex::new(now) }
    }

    fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(mut told) = self.told.try_lock() else { return };
        if told.elapsed() < PROGRESS_EVERY {
            return;
        }
        *told = Instant::now();
        let seconds = self.started.elapsed().as_secs_f64();
        let left = seconds / done as f64 * (self.total - done) as f64;
        eprintln!(
            "{}: {done} of {} sequences, {seconds:.0} s, about {left:.0} s left",
            self.name, self.total
        );
    }
}
