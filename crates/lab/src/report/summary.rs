//! The table that a run ends with: one line a configuration, the figures that people look for first.
//!
//! Invariant: every cell is the median over seeds of the last row of its phase.

use crate::claim::{Metric, measure};
use crate::table::Table;

/// Column of the rows, phase, heading.
const COLUMNS: &[(&str, &str, &str)] = &[
    ("free_runs", "measure", "free runs"),
    ("extents_per_mib", "measure", "extents/MiB"),
    ("write_run_blocks", "measure", "write run, blocks"),
    ("write_amplification", "measure", "write ampl."),
    ("metadata_pages_written", "measure", "meta pages/commit"),
    ("write_mb_per_s", "measure", "write MB/s"),
    ("scan_mb_per_s", "scan", "scan MB/s"),
    ("refused", "measure", "refused"),
];

/// How each column is folded over the rows of a run: costs of an interval are averaged, states taken at the end.
fn at(column: &str) -> &'static str {
    match column {
        "write_run_blocks" | "write_amplification" | "metadata_pages_written" | "write_mb_per_s" => "mean",
        _ => "last",
    }
}

/// The summary of `rows`; `labels` are the columns that tell configurations apart.
#[must_use]
pub fn summary(rows: &Table, labels: &[String]) -> Table {
    let varies = |name: &&String| {
        rows.column(name).is_some_and(|at| rows.rows.iter().any(|row| row[at] != rows.rows[0][at]))
    };
    let labels: Vec<&String> = labels.iter().filter(|name| *name != "seed").collect();
    let told: Vec<&String> = labels.iter().filter(|name| varies(name)).copied().collect();
    let told = if told.is_empty() { labels } else { told };
    let mut configurations: Vec<Vec<String>> = Vec::new();
    for row in &rows.rows {
        let values: Vec<String> =
            told.iter().filter_map(|name| rows.column(name)).map(|at| row[at].clone()).collect();
        if !configurations.contains(&values) {
            configurations.push(values);
        }
    }
    let mut table = Table::new(
        told.iter().map(|name| (*name).clone()).chain(COLUMNS.iter().map(|column| column.2.to_owned())),
    );
    for values in configurations {
        let filters: Vec<(String, String)> =
            told.iter().map(|name| (*name).clone()).zip(values.clone()).collect();
        let cells = COLUMNS.iter().map(|(column, phase, _)| cell(rows, column, phase, &filters));
        table.push(values.into_iter().chain(cells).collect());
    }
    drop_empty(table)
}

fn cell(rows: &Table, column: &str, phase: &str, filters: &[(String, String)]) -> String {
    let filters = filters.iter().cloned().chain([("phase".to_owned(), phase.to_owned())]).collect();
    let metric =
        Metric { column: column.into(), filters, at: at(column).into(), over: "median".into(), from: 0 };
    measure(&metric, rows).map_or_else(|_| String::new(), short)
}

fn short(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

/// Without columns that no configuration fills.
fn drop_empty(table: Table) -> Table {
    let kept: Vec<usize> =
        (0..table.columns.len()).filter(|at| table.rows.iter().any(|row| !row[*at].is_empty())).collect();
    let pick = |row: &Vec<String>| kept.iter().map(|at| row[*at].clone()).collect::<Vec<_>>();
    Table { columns: pick(&table.columns), rows: table.rows.iter().map(pick).collect() }
}

/// The table in columns for a terminal.
#[must_use]
pub fn aligned(table: &Table) -> String {
    let width = |at: usize| {
        let cells = table.rows.iter().map(|row| row[at].chars().count());
        cells.chain([table.columns[at].chars().count()]).max().unwrap_or(0)
    };
    let number =
        |at: usize| table.rows.iter().all(|row| row[at].is_empty() || row[at].parse::<f64>().is_ok());
    let line = |cells: &[String]| {
        let pad = |(at, cell): (usize, &String)| {
            let width = width(at);
            if number(at) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        };
        cells.iter().enumerate().map(pad).collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    [line(&table.columns)]
        .into_iter()
        .chain(table.rows.iter().map(|row| line(row)))
        .collect::<Vec<_>>()
        .join("\n")
}
