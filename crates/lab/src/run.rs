//! A whole experiment: what is done is skipped, the rest runs in parallel, then everything is put together.
//!
//! Invariant: threads decide when a case runs, never what its rows are. Wall-clock times go to `timed.csv` and nowhere else;
//! cases whose times are to be compared (`[run] timed = true`) run alone.

use crate::case::{Backing, CaseError, Timed, is_full, run_case};
use crate::config::{ConfigError, format_bytes};
use crate::estimate::{memory_available_bytes, memory_bytes};
use crate::experiment::Experiment;
use crate::plan::{Case, plan, plan_with_sources};
use crate::provenance;
use crate::report;
use crate::results::Results;
use crate::table::{Table, print_number};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use spinney_core::BLOCK_BYTES;
use spinney_registry::Registry;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// How to run.
#[derive(Clone, Debug, Default)]
pub struct RunOptions {
    /// Threads; 0 is one for each core.
    pub jobs: usize,
    /// Replaces every seed of the config.
    pub seed: Option<u64>,
    /// Results folder; the default is `results/NAME`.
    pub out: Option<PathBuf>,
    /// Run cases that are done again.
    pub force: bool,
    /// What holds the modelled devices' bytes.
    pub backing: Backing,
    /// Set from outside to stop: cases under way are given up, done ones are kept.
    pub stop: Option<&'static AtomicBool>,
}

/// How it went.
#[derive(Debug)]
pub struct RunSummary {
    /// Where the results are.
    pub folder: PathBuf,
    /// Cases of the plan.
    pub cases: usize,
    /// Cases that were done before.
    pub skipped: usize,
    /// Cases that are void, with the reason.
    pub failed: Vec<(String, String)>,
    /// Whether a case is void because its pool was found damaged.
    pub damaged: bool,
    /// Whether a case is void because a pool or a disk was too small for it.
    pub out_of_space: bool,
    /// Whether it was stopped before the end.
    pub stopped: bool,
    /// The report and its tables.
    pub report: Option<report::Rendered>,
}

/// Why nothing was run.
#[derive(Debug)]
pub enum RunError {
    /// The config is wrong.
    Config(ConfigError),
    /// Files could not be read or written.
    Io(io::Error),
    /// Another run holds the results folder.
    Busy(PathBuf),
    /// The cases need more memory than there is.
    TooLarge {
        /// What they need.
        needed_bytes: u64,
        /// What there is.
        available_bytes: u64,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Config(error) => write!(f, "{error}"),
            RunError::Io(error) => write!(f, "results folder: {error}"),
            RunError::Busy(folder) => write!(
                f,
                "another run holds {}; wait for it, or choose another folder with --out",
                folder.display()
            ),
            RunError::TooLarge { needed_bytes, available_bytes } => write!(
                f,
                "the cases that run at once may need {} of memory, and {} is available; give fewer --jobs, or \
                 --backing DIR to hold the devices in files",
                format_bytes(*needed_bytes),
                format_bytes(*available_bytes)
            ),
        }
    }
}

impl std::error::Error for RunError {}

impl RunError {
    /// Whether memory or a disk is too small.
    #[must_use]
    pub fn is_out_of_space(&self) -> bool {
        matches!(self, RunError::TooLarge { .. }) || matches!(self, RunError::Io(error) if is_full(error))
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> RunError {
        RunError::Io(error)
    }
}

impl From<ConfigError> for RunError {
    fn from(error: ConfigError) -> RunError {
        RunError::Config(error)
    }
}

/// Run an experiment. Void cases are in the summary, not an error: the others count.
pub fn run(
    experiment: &Experiment,
    registry: &Registry,
    options: &RunOptions,
) -> Result<RunSummary, RunError> {
    let mut experiment = experiment.clone();
    if let Some(seed) = options.seed {
        experiment.fix_seed(seed);
    }
    let (cases, sources) = plan_with_sources(&experiment, registry)?;
    check_memory(&cases, options)?;
    let folder = options.out.clone().unwrap_or_else(|| PathBuf::from("results").join(&experiment.name));
    let results = Results::open(&folder)?;
    let Some(_held) = results.lock()? else { return Err(RunError::Busy(folder)) };
    let todo: Vec<&Case> = cases.iter().filter(|case| options.force || !results.has(case)).collect();
    let skipped = cases.len() - todo.len();
    let jobs = if experiment.timed { 1 } else { options.jobs };
    let outcomes = run_all(&todo, registry, options, jobs, &results)?;
    write_times(&results, &outcomes, experiment.timed || options.jobs == 1)?;
    let stopped = options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
    let failed: Vec<(String, String)> = outcomes.iter().filter_map(Outcome::failure).collect();
    let damaged = outcomes.iter().any(Outcome::damaged);
    let out_of_space = outcomes.iter().any(Outcome::out_of_space);
    let mut summary = RunSummary {
        folder,
        cases: cases.len(),
        skipped,
        failed,
        damaged,
        out_of_space,
        stopped,
        report: None,
    };
    let done: Vec<&Case> = cases.iter().filter(|case| results.has(case)).collect();
    if stopped || done.is_empty() {
        return Ok(summary);
    }
    let tables = results.assemble(&done)?;
    provenance::write(&results, &experiment, &sources, &cases, options.seed, &summary.failed)?;
    summary.report = Some(report::render(&experiment, &cases, &tables, &summary.failed, &results)?);
    Ok(summary)
}

/// Draw the report of a results folder again, from its rows and its copy of the config: what the config became since does
/// not go with these rows.
pub fn replot(folder: &Path, registry: &Registry) -> Result<report::Rendered, RunError> {
    let origin = provenance::read(folder)?;
    let mut experiment = Experiment::load_copy(&origin.copy, &origin.config)?;
    experiment.name = origin.name.unwrap_or(experiment.name);
    if let Some(seed) = origin.seed {
        experiment.fix_seed(seed);
    }
    let cases = plan(&experiment, registry)?;
    if let Some((path, _)) = experiment.sources.0.first_mut() {
        *path = origin.config; // the page names the config that was run
    }
    let results = Results::open(folder)?;
    let Some(_held) = results.lock()? else { return Err(RunError::Busy(folder.to_owned())) };
    Ok(report::render(&experiment, &cases, &results.tables()?, &origin.failed, &results)?)
}

/// Refuse what this machine cannot hold, before it swaps itself to death.
fn check_memory(cases: &[Case], options: &RunOptions) -> Result<(), RunError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = if options.jobs == 0 { cores } else { options.jobs }.min(cases.len());
    let each = cases.iter().map(|case| match options.backing {
        Backing::Memory => memory_bytes(case),
        Backing::File(_) => case.options.cache_pages as u64 * BLOCK_BYTES as u64,
    });
    let needed_bytes = each.max().unwrap_or(0).saturating_mul(jobs as u64);
    match memory_available_bytes() {
        Some(available_bytes) if needed_bytes > available_bytes => {
            Err(RunError::TooLarge { needed_bytes, available_bytes })
        }
        _ => Ok(()),
    }
}

/// What came of one case.
struct Outcome {
    hash: String,
    name: String,
    seconds: f64,
    end: Result<Timed, CaseError>,
}

impl Outcome {
    /// Name and reason of a void case; one that was stopped is not void.
    fn failure(&self) -> Option<(String, String)> {
        match &self.end {
            Ok(_) | Err(CaseError::Stopped) => None,
            Err(error) => Some((self.name.clone(), error.to_string())),
        }
    }

    /// Whether a check, or a read, found damage.
    fn damaged(&self) -> bool {
        use spinney_core::Error::Corrupt;
        matches!(&self.end, Err(CaseError::Unsound(_) | CaseError::Pool(_, Corrupt { .. })))
    }

    fn out_of_space(&self) -> bool {
        self.end.as_ref().is_err_and(CaseError::is_out_of_space)
    }
}

fn run_all(
    todo: &[&Case],
    registry: &Registry,
    options: &RunOptions,
    jobs: usize,
    results: &Results,
) -> Result<Vec<Outcome>, RunError> {
    let useful = jobs.min(todo.len().max(1)); // 0 stays 0: one for each core
    let threads = rayon::ThreadPoolBuilder::new().num_threads(useful).build().map_err(io::Error::other)?;
    let bar = progress_bar(todo.len() as u64);
    let outcomes = threads
        .install(|| todo.par_iter().map(|case| run_one(case, registry, options, results, &bar)).collect());
    bar.finish_and_clear();
    Ok(outcomes)
}

const STEPS: u64 = 1000;

fn progress_bar(cases: u64) -> ProgressBar {
    let bar = ProgressBar::new(cases * STEPS);
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} gone, about {eta} left  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn run_one(
    case: &Case,
    registry: &Registry,
    options: &RunOptions,
    results: &Results,
    bar: &ProgressBar,
) -> Outcome {
    let started = Instant::now();
    let stop = || options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
    let shown = AtomicU64::new(0);
    let step = |to: u64| bar.inc(to.saturating_sub(shown.swap(to, Ordering::Relaxed)));
    let progress = |share: f64| step((share * STEPS as f64) as u64);
    bar.set_message(case.name());
    let end = if stop() {
        Err(CaseError::Stopped)
    } else {
        let kept = CaseError::Results;
        results
            .forget(case)
            .map_err(kept)
            .and_then(|()| run_case(case, registry, &options.backing, &progress, &stop))
            .and_then(|output| results.keep(case, &output).map(|()| output.timed).map_err(kept))
    };
    step(STEPS);
    Outcome { hash: case.hash.clone(), name: case.name(), seconds: started.elapsed().as_secs_f64(), end }
}

/// Wall-clock seconds, apart from everything else, with the machine that they were taken on; those of earlier runs stay.
fn write_times(results: &Results, outcomes: &[Outcome], alone: bool) -> Result<(), RunError> {
    let path = results.folder().join("timed.csv");
    let columns = [
        "case",
        "wall_seconds",
        "allocation_ns_p50",
        "allocation_ns_p99",
        "allocation_ns_max",
        "open_ms",
        "usage_ms_max",
        "version_ms_max",
        "alone",
        "machine",
    ];
    if outcomes.iter().all(|outcome| outcome.end.is_err()) {
        return Ok(());
    }
    let mut table =
        Table::read(&path).ok().filter(|old| old.columns == columns).unwrap_or_else(|| Table::new(columns));
    let machine = machine();
    for (outcome, timed) in outcomes.iter().filter_map(|outcome| Some((outcome, outcome.end.as_ref().ok()?)))
    {
        table.rows.retain(|row| row[0] != outcome.hash);
        let [p50, p99, max] = timed.allocation_ns;
        let [usage, version] = timed.ask_ms;
        let numbers = [outcome.seconds, p50, p99, max, timed.open_ms, usage, version].map(print_number);
        let about = [alone.to_string(), machine.clone()];
        table.push([outcome.hash.clone()].into_iter().chain(numbers).chain(about).collect());
    }
    let bytes = table.to_csv().map_err(io::Error::other)?;
    Ok(results.write("timed.csv", &bytes)?)
}

/// Processor, cores and kernel, as far as the system tells.
fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (processor, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
    let model = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    format!("{model}, {cores} cores, {} {}", std::env::consts::OS, kernel.trim())
}
