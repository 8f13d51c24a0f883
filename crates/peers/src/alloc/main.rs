//! Allocators' indexes side by side under the aging program: spinney's, plain structures of the standard library, crates.
//!
//! Invariant: the first entrant is the pair of B-trees with best fit, which all ratios are to; all get the same program in
//! one run. Heap bytes are counted alike for all, by a counting allocator. Knows no form and no pages.

#[cfg(feature = "alloc")]
mod crates;
mod plain;
mod threads;

use clap::Parser;
use spinney_alloc::FreeIndex;
use spinney_alloc_bitmap::areas::Within;
use spinney_alloc_bitmap::{AreaIndex, AreaTuning, BitmapIndex, BlueStoreIndex, CursorIndex, Fit};
use spinney_alloc_buddy::{Buddy, BuddyIndex, Pieces, SlabIndex, VmemIndex};
use spinney_alloc_extent::{Tie, TwinIndex};
use spinney_alloc_spacemap::{Policy, RangeIndex, Tuning};
use spinney_testkit::aging::{Entrant, Floor, Race, TreePair, all_free};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::io::{Write, stdout};
use std::time::Duration;

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn heap_bytes() -> u64 {
    let stats = HEAP.stats();
    // A reallocation counts its growth as allocated and its shrinking as deallocated.
    stats.bytes_allocated.wrapping_sub(stats.bytes_deallocated) as u64
}

/// Indexes under aging: a table, or JSON lines.
#[derive(Parser)]
struct Options {
    /// Blocks of the space, as powers of two.
    #[arg(long, value_delimiter = ',', default_values_t = [20, 24])]
    powers: Vec<u32>,
    /// Levels, in percent, rising.
    #[arg(long, value_delimiter = ',', default_values_t = [50, 80, 95])]
    percents: Vec<u64>,
    /// Only entrants whose name contains one of these (the pair of B-trees always runs).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Turns that each gets at a level; figures are medians over them.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Pairs of a turn.
    #[arg(long, default_value_t = 100_000)]
    pairs: usize,
    /// Seconds that a candidate may take to come to a level.
    #[arg(long, default_value_t = 20)]
    limit_s: u64,
    /// Spaces up to this power are run once more under a referee.
    #[arg(long, default_value_t = 24)]
    referee_power_max: u32,
    /// Seed of the program.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// JSON lines instead of a table.
    #[arg(long)]
    json: bool,
    /// Instead of the race: so many threads at once on one sharded space of ours, each count in turn.
    #[arg(long, value_delimiter = ',')]
    threads: Vec<u32>,
}

fn range(policy: Policy) -> impl Fn(u64) -> RangeIndex {
    move |blocks| all_free(RangeIndex::new(Tuning { policy, ..Tuning::default() }), blocks)
}

fn entrants(only: &[String]) -> Vec<Entrant> {
    let bitmap = |fit| move |blocks| all_free(BitmapIndex::new(fit, 8, 4096), blocks);
    let mut all = vec![
        Entrant::new("pair of B-trees, best fit", TreePair::new),
        Entrant::new("spinney extent (twin)", |blocks| all_free(TwinIndex::new(Tie::Lowest), blocks)),
        Entrant::new("spinney space map (dynamic fit)", range(Policy::Dynamic)),
        Entrant::new("spinney space map (first fit)", range(Policy::First)),
        Entrant::new("spinney bitmap", bitmap(Fit::Best)),
        Entrant::new("spinney bitmap (near)", bitmap(Fit::Near)),
        Entrant::new("spinney areas (hbps, whole)", |blocks| {
            all_free(AreaIndex::new(AreaTuning { within: Within::Whole, ..AreaTuning::default() }), blocks)
        }),
        Entrant::new("spinney cursor", |blocks| all_free(CursorIndex::default(), blocks)),
        Entrant::new("spinney bluestore-bitmap", |blocks| all_free(BlueStoreIndex::default(), blocks)),
        Entrant::new("spinney buddy (trimmed)", |blocks| {
            all_free(BuddyIndex::with(Buddy::new(Pieces::Trimmed)), blocks)
        }),
        Entrant::new("spinney slab", |blocks| all_free(SlabIndex::default(), blocks)),
        Entrant::new("spinney vmem", |blocks| all_free(VmemIndex::default(), blocks)),
        Entrant::new("floor of a bitmap", Floor::new).floor(),
        Entrant::new("pair of B-trees, dynamic fit", plain::DynamicPair::new),
        Entrant::new("one B-tree, first fit", plain::OneTree::first_fit),
        Entrant::new("one B-tree, next fit", plain::OneTree::next_fit),
        Entrant::new("plain bitmap, next fit", plain::PlainBitmap::new),
    ];
    #[cfg(feature = "alloc")]
    all.extend(crates::entrants());
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| name.contains(part.as_str()));
    let mut first = true;
    all.retain(|entrant| std::mem::take(&mut first) || wanted(&entrant.name));
    all
}

/// A row for each space and level: pairs a second of each count of threads, the median of the rounds, all in turns.
fn race_threads<I: FreeIndex>(options: &Options, name: &str, make: fn() -> I) -> std::io::Result<()> {
    let spaces =
        options.powers.iter().flat_map(|power| options.percents.iter().map(move |level| (power, level)));
    for (power, percent) in spaces {
        let mut rates = vec![Vec::new(); options.threads.len()];
        for _ in 0..options.rounds {
            for (rates, threads) in rates.iter_mut().zip(&options.threads) {
                rates.push(threads::pairs_a_second(make, *power, *percent, *threads, options.pairs as u64));
            }
        }
        write!(stdout(), "{name}, 2^{power}, {percent} %, M pairs/s:")?;
        for (rates, threads) in rates.iter_mut().zip(&options.threads) {
            rates.sort_unstable_by(f64::total_cmp);
            write!(stdout(), " {:.2} with {threads};", rates[rates.len() / 2] / 1e6)?;
        }
        writeln!(stdout())?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    let options = Options::parse();
    if !options.threads.is_empty() {
        race_threads(&options, "spinney bitmap", BitmapIndex::default)?;
        race_threads(&options, "spinney extent (twin)", TwinIndex::default)?;
        return race_threads(&options, "spinney space map (dynamic fit)", RangeIndex::default);
    }
    let race = Race {
        powers: options.powers,
        percents: options.percents,
        rounds: options.rounds,
        pairs: options.pairs,
        limit: Duration::from_secs(options.limit_s),
        referee_power_max: options.referee_power_max,
        seed: options.seed,
        heap_bytes: Some(heap_bytes),
    };
    if !options.json {
        writeln!(stdout(), "{}", Race::head())?;
    }
    let mut written = Ok(());
    race.run(&entrants(&options.only), &mut |row| {
        let line = if options.json { row.json() } else { row.to_string() };
        if written.is_ok() {
            written = writeln!(stdout(), "{line}");
        }
    });
    written
}
