//! The race's rows in a file, and the table that is made of them.
//!
//! Invariant: a row is in the file as soon as it is measured; the table says nothing that the file does not. Knows no candidate.

use crate::load::Loaded;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use spinney_testkit::aging::Row;
use std::fmt::Write;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

/// A candidate at a level of a space.
#[derive(Serialize, Deserialize, Clone)]
pub(crate) struct Record {
    pub(crate) candidate: String,
    pub(crate) blocks_log2: u32,
    percent: u64,
    /// Empty if it was measured.
    failed: String,
    pair_ns: f64,
    #[serde(default)]
    pair_median_ns: Option<u32>,
    #[serde(default)]
    pair_p99_ns: Option<u32>,
    ratio: f64,
    free_p99_ns: u32,
    pick_p99_ns: u32,
    p999_ns: u32,
    commit_ns_a_pair: f64,
    halved_share: f64,
    refused_wrongly_share: Option<f64>,
    free_runs: u64,
    bytes: Option<u64>,
    filled: Option<bool>,
}

impl From<&Row> for Record {
    fn from(row: &Row) -> Record {
        let rounded = |value: f64, to: f64| (value * to).round() / to;
        Record {
            candidate: row.name.clone(),
            blocks_log2: row.power,
            percent: row.percent,
            failed: row.failed.unwrap_or_default().into(),
            pair_ns: rounded(row.times.pair, 10.0),
            pair_median_ns: Some(row.times.pair_median),
            pair_p99_ns: Some(row.times.pair_p99),
            ratio: rounded(row.ratio, 1e3),
            free_p99_ns: row.times.free_p99,
            pick_p99_ns: row.times.pick_p99,
            p999_ns: row.times.p999,
            commit_ns_a_pair: rounded(row.times.settle, 10.0),
            halved_share: rounded(row.halved, 1e5),
            refused_wrongly_share: row.refused_wrongly.map(|share| rounded(share, 1e6)),
            free_runs: row.free_runs,
            bytes: row.bytes,
            filled: row.filled,
        }
    }
}

/// All rows of a file; none if there is no file.
pub(crate) fn read<R: DeserializeOwned>(path: &Path) -> io::Result<Vec<R>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    csv::Reader::from_path(path)?.deserialize().map(|row| row.map_err(io::Error::from)).collect()
}

/// One row more.
pub(crate) fn append(path: &Path, row: &impl Serialize) -> io::Result<()> {
    let fresh = !path.exists();
    let file: File = OpenOptions::new().create(true).append(true).open(path)?;
    let mut writer = csv::WriterBuilder::new().has_headers(fresh).from_writer(file);
    writer.serialize(row)?;
    writer.flush()
}

/// In the order of their first appearance.
fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut list = Vec::new();
    items.for_each(|item| {
        if !list.contains(&item) {
            list.push(item);
        }
    });
    list
}

/// Three significant digits, so that columns stay narrow.
fn short(value: f64) -> String {
    match value {
        value if value >= 999_500.0 => format!("{:.1} M", value / 1e6),
        value if value >= 99_950.0 => format!("{:.0} k", value / 1e3),
        value if value >= 9_995.0 => format!("{:.1} k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

/// The levels' cells of a candidate, joined; a level that it did not come to in time is `cap`, and so are those after it.
struct Line<'a> {
    levels: &'a [u64],
    rows: Vec<&'a Record>,
}

impl Line<'_> {
    fn cells(&self, show: impl Fn(&Record) -> Option<String>) -> String {
        let failed_at =
            |percent| self.rows.iter().any(|row| !row.failed.is_empty() && row.percent <= percent);
        let cell = |percent: &u64| {
            let row = self.rows.iter().find(|row| row.percent == *percent && row.failed.is_empty());
            let absent = if failed_at(*percent) { "cap" } else { "not run" };
            row.map_or(absent.into(), |row| show(row).unwrap_or("-".into()))
        };
        let cells: Vec<String> = self.levels.iter().map(cell).collect();
        let same = cells.iter().all(|cell| *cell == cells[0]);
        if same { cells[0].clone() } else { cells.join(" / ") }
    }
    fn write(&self, name: &str, power: u32, out: &mut String) {
        let share = |share: f64| if share == 0.0 { "0".into() } else { format!("{:.2} %", share * 100.0) };
        let bits = |row: &Record, bytes: u64| bytes as f64 * 8.0 / (1u64 << row.blocks_log2) as f64;
        let p99 = |row: &Record| short(f64::from(row.free_p99_ns.max(row.pick_p99_ns)));
        let commit = |row: &Record| (row.commit_ns_a_pair > 0.0).then(|| short(row.commit_ns_a_pair));
        let run = |row: &Record| row.bytes.map(|bytes| short(bytes as f64 / row.free_runs.max(1) as f64));
        let last =
            self.rows.iter().find_map(|row| row.filled).map_or("-", |yes| if yes { "yes" } else { "no" });
        let columns = [
            self.cells(|row| Some(short(row.pair_ns))),
            self.cells(|row| row.pair_median_ns.map(|time| short(f64::from(time)))),
            self.cells(|row| row.pair_p99_ns.map(|time| short(f64::from(time)))),
            // The pair of B-trees may not have come to the level itself.
            self.cells(|row| row.ratio.is_finite().then(|| format!("{:.2}", row.ratio))),
            self.cells(|row| Some(p99(row))),
            self.cells(commit),
            self.cells(|row| row.refused_wrongly_share.map(share)),
            self.cells(|row| Some(share(row.halved_share))),
            self.cells(|row| Some(short(row.free_runs as f64))),
            self.cells(run),
            self.cells(|row| row.bytes.map(|bytes| format!("{:.2}", bits(row, bytes)))),
            last.into(),
        ];
        let _ = writeln!(out, "| {name} | 2^{power} | {} |", columns.join(" | "));
    }
}

/// The table of a race: a line for each candidate and space.
pub(crate) fn table(records: &[Record]) -> String {
    let mut powers = distinct(records.iter().map(|row| row.blocks_log2));
    powers.sort_unstable();
    let mut out = String::from(
        "| candidate | blocks | ns a pair | median | p99 | ratio | p99 of a call, ns | commits, ns a pair | refused wrongly | in pieces | free runs | bytes a run | bits a block | last block |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for power in powers {
        let here: Vec<&Record> = records.iter().filter(|row| row.blocks_log2 == power).collect();
        let mut levels = distinct(here.iter().map(|row| row.percent));
        levels.sort_unstable();
        for name in distinct(here.iter().map(|row| row.candidate.as_str())) {
            let rows = here.iter().copied().filter(|row| row.candidate == name).collect();
            Line { levels: &levels, rows }.write(name, power, &mut out);
        }
    }
    out
}

/// The table of loads.
pub(crate) fn load_table(rows: &[Loaded]) -> String {
    let mut out = String::from(
        "| allocator | first commit, ms | pages | commit of a change, ms | pages | load, ms | memory, bytes a run |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let Loaded { allocator, first_commit_ms, first_commit_pages, change_commit_ms, .. } = row;
        let Loaded { change_commit_pages, load_ms, memory_bytes, runs, .. } = row;
        let _ = writeln!(
            out,
            "| {allocator} | {first_commit_ms:.0} | {first_commit_pages} | {change_commit_ms:.1} | {change_commit_pages} | {load_ms:.1} | {:.1} |",
            *memory_bytes as f64 / *runs as f64
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, percent: u64, pair: f64) -> Record {
        let mut row = Row { name: name.into(), power: 20, percent, ratio: 0.5, ..Row::default() };
        row.times.pair = pair;
        (row.times.pair_median, row.times.pair_p99) = (5, 6);
        row.failed = (pair == 0.0).then_some("too slow to age");
        Record::from(&row)
    }

    #[test]
    fn rows_come_back_from_their_file_and_levels_that_were_not_reached_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("race.csv");
        assert!(read::<Record>(&path).unwrap().is_empty());
        let one = [row("one", 50, 123.4), row("one", 80, 0.0), row("three", 50, 7.0)];
        for row in one.into_iter().chain([row("two", 50, 12_345.0), row("two", 80, 99.0)]) {
            append(&path, &row).unwrap();
        }
        let text = table(&read::<Record>(&path).unwrap());
        assert!(text.contains("| one | 2^20 | 123 / cap | 5 / cap | 6 / cap | 0.50 / cap |"), "{text}");
        assert!(text.contains("| three | 2^20 | 7 / not run |"), "{text}");
        assert!(text.contains("| two | 2^20 | 12.3 k / 99 | 5 | 6 | 0.50 |"), "{text}");
    }
}
