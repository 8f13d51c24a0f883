//! One store's measurements: durable puts, then gets, a full scan, and short scans.
//!
//! Invariant: what a store answers is checked against what was put, outside the time that is measured. Knows no particular store.

use crate::counters::{disk_written_bytes, taken_bytes, written_bytes};
use crate::error::Outcome;
use crate::keys::{asked, key, value};
use crate::store::{self, Entry, Store};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;

/// What to do.
pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) entries: u64,
    pub(crate) batch: u64,
    pub(crate) gets: u64,
    pub(crate) cache_bytes: u64,
}

/// What came out. Rates are of the whole phase; 0 where a limit has no such phase.
#[derive(Serialize, Deserialize, Default, Clone)]
pub(crate) struct Row {
    pub(crate) store: String,
    pub(crate) entries: u64,
    pub(crate) batch: u64,
    pub(crate) puts_per_second: f64,
    /// The same, until work in the background was done.
    pub(crate) puts_per_second_settled: f64,
    pub(crate) batch_ms_p50: f64,
    pub(crate) batch_ms_p99: f64,
    /// Mean of the last tenth of the batches: the largest store.
    pub(crate) batch_ms_last: f64,
    /// By the process's own account, and by the disk's, which neighbours show in.
    pub(crate) device_bytes_per_user_byte: f64,
    pub(crate) disk_bytes_per_user_byte: f64,
    pub(crate) file_bytes: u64,
    pub(crate) gets_per_second: f64,
    pub(crate) scanned_per_second: f64,
    pub(crate) scans_of_100_per_second: f64,
    pub(crate) notes: String,
}

/// Bytes of one entry.
const ENTRY_BYTES: u64 = 24;

/// Run everything on a new store called `name`.
pub(crate) fn measure(name: &str, plan: &Plan) -> Outcome<Row> {
    let mut store = store::create(name, &plan.folder, plan.entries, plan.batch, plan.cache_bytes)?;
    let mut row = Row { store: name.into(), entries: plan.entries, batch: plan.batch, ..Row::default() };
    put(&mut *store, plan, &mut row)?;
    if !store::is_limit(name) {
        get(&*store, plan, &mut row)?;
        scan(&*store, plan, &mut row)?;
    }
    row.notes = store.notes();
    Ok(row)
}

fn put(store: &mut dyn Store, plan: &Plan, row: &mut Row) -> Outcome<()> {
    let (before, disk_before) = (written_bytes()?, disk_written_bytes(&plan.folder)?);
    let (mut batch_ms, mut spent) = (Vec::new(), 0.0);
    for first in (0..plan.entries).step_by(plan.batch as usize) {
        let numbers = first..(first + plan.batch).min(plan.entries);
        let batch: Vec<Entry> = numbers.map(|number| (key(number), value(number))).collect();
        let start = Instant::now();
        store.put_batch(&batch)?;
        let took = start.elapsed().as_secs_f64();
        spent += took;
        batch_ms.push(took * 1e3);
    }
    let start = Instant::now();
    store.settle()?;
    let settled = spent + start.elapsed().as_secs_f64();
    row.puts_per_second = plan.entries as f64 / spent;
    row.puts_per_second_settled = plan.entries as f64 / settled;
    let last = &batch_ms[batch_ms.len() * 9 / 10..];
    row.batch_ms_last = last.iter().sum::<f64>() / last.len() as f64;
    batch_ms.sort_unstable_by(f64::total_cmp);
    row.batch_ms_p50 = batch_ms[batch_ms.len() / 2];
    row.batch_ms_p99 = batch_ms[batch_ms.len() * 99 / 100];
    let user_bytes = plan.entries * ENTRY_BYTES;
    row.device_bytes_per_user_byte = (written_bytes()? - before) as f64 / user_bytes as f64;
    row.disk_bytes_per_user_byte =
        (disk_written_bytes(&plan.folder)? - disk_before) as f64 / user_bytes as f64;
    row.file_bytes = taken_bytes(&plan.folder)?;
    Ok(())
}

fn get(store: &dyn Store, plan: &Plan, row: &mut Row) -> Outcome<()> {
    let numbers: Vec<u64> = asked(plan.entries).take(plan.gets as usize).collect();
    let keys: Vec<u64> = numbers.iter().map(|number| key(*number)).collect();
    let expected = numbers.iter().fold(0_u64, |sum, number| sum.wrapping_add(value(*number).0));
    // Twice: the first round fills the caches of stores that read on demand.
    store.gets(&keys)?;
    let start = Instant::now();
    let sum = store.gets(&keys)?;
    row.gets_per_second = plan.gets as f64 / start.elapsed().as_secs_f64();
    if sum == expected { Ok(()) } else { Err("a get gave another value than was put".into()) }
}

fn scan(store: &dyn Store, plan: &Plan, row: &mut Row) -> Outcome<()> {
    let expected = (0..plan.entries).fold(0_u64, |sum, number| sum.wrapping_add(key(number)));
    let start = Instant::now();
    let sum = store.scan(0, plan.entries)?;
    row.scanned_per_second = plan.entries as f64 / start.elapsed().as_secs_f64();
    if sum != expected {
        return Err("a scan gave other keys than were put".into());
    }
    let starts: Vec<u64> = asked(plan.entries).take(10_000).map(key).collect();
    let start = Instant::now();
    for from in &starts {
        store.scan(*from, 100)?;
    }
    row.scans_of_100_per_second = starts.len() as f64 / start.elapsed().as_secs_f64();
    Ok(())
}
