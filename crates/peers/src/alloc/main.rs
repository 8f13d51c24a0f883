//! Allocators' indexes side by side under the aging program: spinney's, plain structures of the standard library, crates.
//!
//! Invariant: all get the same program; a ratio is to the pair of B-trees of the same run, in turns with it. Heap bytes are counted
//! alike for all, by a counting allocator. Knows no candidate.

#[cfg(feature = "alloc")]
mod crates;
mod field;
mod load;
mod plain;
mod record;
mod threads;
mod whole;

use clap::{Args, Parser};
use record::Record;
use spinney_alloc::FreeIndex;
use spinney_alloc_bitmap::BitmapIndex;
use spinney_alloc_extent::TwinIndex;
use spinney_alloc_spacemap::RangeIndex;
use spinney_registry::Registry;
use spinney_testkit::aging::{Patience, Race};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{self, Write, stdout};
use std::path::PathBuf;
use std::time::Duration;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn heap_bytes() -> u64 {
    let stats = HEAP.stats();
    // A reallocation counts its growth as allocated and its shrinking as deallocated.
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated) as u64
}

/// Allocators under the aging program, and what a million free runs cost.
#[derive(Parser)]
enum Command {
    /// Free and allocate in an aged space: a row for each candidate, space and level.
    Race(RaceOptions),
    /// Commit and load many free runs.
    Load(LoadOptions),
    /// So many threads at once on one sharded space of ours, each count in turn.
    Threads {
        /// Counts of threads.
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        threads: Vec<u32>,
        #[command(flatten)]
        work: Work,
    },
    /// The table of a race's file, or of a load's.
    Table {
        /// Made by `race --csv` or `load --csv`.
        file: PathBuf,
        /// It is a load's.
        #[arg(long)]
        load: bool,
    },
    /// Names of all candidates.
    List,
}

#[derive(Args)]
struct Work {
    /// Blocks of the space, as powers of two.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 24])]
    powers: Vec<u32>,
    /// Levels, in percent, rising.
    #[arg(long, value_delimiter = ',', default_values_t = [50, 80, 95, 99])]
    percents: Vec<u64>,
    /// Turns that each gets at a level; figures are medians over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Pairs of a turn.
    #[arg(long, default_value_t = 100_000)]
    pairs: usize,
}

#[derive(Args)]
struct RaceOptions {
    #[command(flatten)]
    work: Work,
    /// Only entrants whose name contains one of these (the pair of B-trees always runs).
    #[arg(long, value_delimiter = ';')]
    only: Vec<String>,
    /// Only entrants whose name is one of `--only`.
    #[arg(long)]
    exact: bool,
    /// Seconds of a core that a candidate may take to come to a level.
    #[arg(long, default_value_t = 20)]
    limit_s: u64,
    /// Rest after so many seconds of work, for those who share the machine.
    #[arg(long)]
    work_s: Option<u64>,
    /// Seconds of a rest.
    #[arg(long, default_value_t = 0)]
    rest_s: u64,
    /// Spaces up to this power are run once more under a referee.
    #[arg(long, default_value_t = 24)]
    referee_power_max: u32,
    /// Seed of the program.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Append rows to this file, and leave out whom it has at a size.
    #[arg(long)]
    csv: Option<PathBuf>,
    /// With a file: so many candidates run beside the pair of B-trees at once.
    #[arg(long, default_value_t = 1)]
    together: usize,
}

#[derive(Args)]
struct LoadOptions {
    /// Free runs.
    #[arg(long, default_value_t = 1_000_000)]
    runs: u64,
    /// Append rows to this file, and leave out what it has.
    #[arg(long)]
    csv: PathBuf,
}

/// A row for each space and level: pairs a second of each count of threads, the median of the rounds, all in turns.
fn race_threads<I: FreeIndex>(work: &Work, counts: &[u32], name: &str, make: fn() -> I) -> io::Result<()> {
    let spaces = work.powers.iter().flat_map(|power| work.percents.iter().map(move |level| (power, level)));
    for (power, percent) in spaces {
        let mut rates = vec![Vec::new(); counts.len()];
        for _ in 0..work.rounds {
            for (rates, threads) in rates.iter_mut().zip(counts) {
                rates.push(threads::pairs_a_second(make, *power, *percent, *threads, work.pairs as u64));
            }
        }
        write!(stdout(), "{name}, 2^{power}, {percent} %, M pairs/s:")?;
        for (rates, threads) in rates.iter_mut().zip(counts) {
            rates.sort_unstable_by(f64::total_cmp);
            write!(stdout(), " {:.2} with {threads};", rates[rates.len() / 2] / 1e6)?;
        }
        writeln!(stdout())?;
    }
    Ok(())
}

/// Run `race` over those of the field that `only` names, each row to `each`.
fn run(
    race: &Race,
    only: &[String],
    exact: bool,
    mut each: impl FnMut(&Record) -> io::Result<()>,
) -> io::Result<()> {
    writeln!(stdout(), "{}", Race::head())?;
    let mut written = Ok(());
    race.run(&field::entrants(only, exact), &mut |row| {
        if written.is_ok() {
            written = writeln!(stdout(), "{row}").and_then(|()| each(&Record::from(row)));
        }
    });
    written
}

fn race(options: &RaceOptions) -> io::Result<()> {
    let work = &options.work;
    let patience = Patience {
        limit: Duration::from_secs(options.limit_s),
        work: options.work_s.map_or(Duration::MAX, Duration::from_secs),
        rest: Duration::from_secs(options.rest_s),
    };
    let race = Race {
        powers: work.powers.clone(),
        percents: work.percents.clone(),
        rounds: work.rounds,
        pairs: work.pairs,
        patience,
        referee_power_max: options.referee_power_max,
        seed: options.seed,
        heap_bytes: Some(heap_bytes),
    };
    let Some(path) = &options.csv else { return run(&race, &options.only, options.exact, |_| Ok(())) };
    for power in &work.powers {
        let race = Race { powers: vec![*power], ..race.clone() };
        let done = record::read::<Record>(path)?;
        let here = |name: &String| done.iter().any(|row| row.candidate == *name && row.blocks_log2 == *power);
        let mut names: Vec<String> =
            field::entrants(&options.only, options.exact).into_iter().map(|e| e.name).collect();
        names.retain(|name| !here(name));
        for some in names.chunks(options.together) {
            let wanted = |row: &Record| some.contains(&row.candidate);
            run(&race, some, true, |row| if wanted(row) { record::append(path, row) } else { Ok(()) })?;
        }
    }
    Ok(())
}

fn load(options: &LoadOptions) -> io::Result<()> {
    let done: Vec<load::Loaded> = record::read(&options.csv)?;
    for name in Registry::standard().allocator_names() {
        if done.iter().any(|row| row.allocator == name) {
            continue;
        }
        let row = load::measure(name, options.runs)
            .map_err(|error| io::Error::other(format!("{name}: {error}")))?;
        record::append(&options.csv, &row)?;
        writeln!(stdout(), "{name}: load {:.1} ms", row.load_ms)?;
    }
    Ok(())
}

/// Crates build bitmaps of 32 MiB on the stack.
const STACK_BYTES: usize = 1 << 28;

fn main() -> io::Result<()> {
    let runner = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run_command)?;
    runner.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn run_command() -> io::Result<()> {
    match Command::parse() {
        Command::Race(options) => race(&options),
        Command::Load(options) => load(&options),
        Command::Threads { threads, work } => {
            race_threads(&work, &threads, "bitmap", BitmapIndex::default)?;
            race_threads(&work, &threads, "twin", TwinIndex::default)?;
            race_threads(&work, &threads, "range (dynamic fit)", RangeIndex::default)
        }
        Command::Table { file, load: true } => {
            write!(stdout(), "{}", record::load_table(&record::read(&file)?))
        }
        Command::Table { file, load: false } => write!(stdout(), "{}", record::table(&record::read(&file)?)),
        Command::List => {
            field::entrants(&[], false).iter().try_for_each(|entrant| writeln!(stdout(), "{}", entrant.name))
        }
    }
}
