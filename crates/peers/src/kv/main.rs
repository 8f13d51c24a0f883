//! Ordered stores side by side: spinney's map on its page store, redb, LMDB and fjall, under durable batches of random puts.
//!
//! Invariant: each store runs in a process of its own, gets the same keys in the same order, and has made a batch durable when
//! the next one starts. It knows how to drive a store and what the system counted, nothing of how a store works.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints its measurements")]

mod counters;
mod error;
#[cfg(feature = "fjall")]
mod fjall;
mod keys;
mod limits;
#[cfg(feature = "lmdb")]
mod lmdb;
mod measure;
#[cfg(feature = "redb")]
mod redb;
mod report;
mod spinney;
mod store;

use clap::Parser;
use error::Outcome;
use measure::Plan;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

/// Durable batches of random puts, then gets and scans, for each store in turn.
#[derive(Parser)]
struct Arguments {
    /// A folder on the file system to measure; each store gets a fresh folder in it, removed afterwards.
    folder: PathBuf,
    /// Entries put, of 8 + 16 bytes each.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Entries in one durable batch.
    #[arg(long, default_value_t = 10_000)]
    batch: u64,
    /// Random gets measured.
    #[arg(long, default_value_t = 1_000_000)]
    gets: u64,
    /// Which stores, in which order; all that were compiled in if absent.
    #[arg(long, value_delimiter = ',')]
    stores: Vec<String>,
    /// Runs of the whole list.
    #[arg(long, default_value_t = 1)]
    rounds: u32,
    /// Memory that a store may use as its cache, where it can be told.
    #[arg(long, default_value_t = 1024)]
    cache_mib: u64,
    /// Measure one store in this process and print one line of JSON: what the run does for each.
    #[arg(long, hide = true)]
    one: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match &arguments.one {
        Some(name) => one(name, &arguments),
        None => all(&arguments),
    };
    outcome.map_or_else(
        |error| {
            eprintln!("kv: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn plan(arguments: &Arguments) -> Plan {
    Plan {
        folder: arguments.folder.clone(),
        entries: arguments.entries,
        batch: arguments.batch.max(1),
        gets: arguments.gets,
        cache_bytes: arguments.cache_mib << 20,
    }
}

fn one(name: &str, arguments: &Arguments) -> Outcome<()> {
    println!("{}", serde_json::to_string(&measure::measure(name, &plan(arguments))?)?);
    Ok(())
}

fn all(arguments: &Arguments) -> Outcome<()> {
    let stores = match arguments.stores.is_empty() {
        true => store::NAMES.iter().map(|name| (*name).to_owned()).collect(),
        false => arguments.stores.clone(),
    };
    let mut rows = Vec::new();
    for _ in 0..arguments.rounds {
        for name in &stores {
            rows.push(child(name, arguments)?);
        }
    }
    println!("{}", report::table(&rows));
    Ok(())
}

/// One store in a process of its own, in a fresh folder.
fn child(name: &str, arguments: &Arguments) -> Outcome<measure::Row> {
    let folder = arguments.folder.join(format!("kv-{name}"));
    std::fs::create_dir_all(&arguments.folder)?;
    std::fs::create_dir(&folder)
        .map_err(|error| format!("{}: {error}; remove it if a run was broken off", folder.display()))?;
    eprintln!("kv: {name} ...");
    let output = Command::new(std::env::current_exe()?)
        .arg(&folder)
        .args(["--one", name])
        .args(["--entries", &arguments.entries.to_string()])
        .args(["--batch", &arguments.batch.to_string()])
        .args(["--gets", &arguments.gets.to_string()])
        .args(["--cache-mib", &arguments.cache_mib.to_string()])
        .stderr(Stdio::inherit())
        .output();
    std::fs::remove_dir_all(&folder)?;
    let output = output?;
    if !output.status.success() {
        return Err(format!("{name} failed: {}", output.status).into());
    }
    let line = String::from_utf8_lossy(&output.stdout);
    eprintln!("{}", line.trim_end());
    Ok(serde_json::from_str(&line)?)
}
