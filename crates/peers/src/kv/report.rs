//! Rows as a Markdown table, with ratios to spinney's row of the same round.
//!
//! Invariant: prints what the rows say and nothing that was measured elsewhere.

use crate::measure::Row;
use std::fmt::Write;

/// The table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| store | puts k/s (spinney's ratio to it) | settled | batch ms p50 / p99 / last tenth | device bytes a user byte, process / disk | \
         file MB | gets k/s (spinney's ratio to it) | scan M/s | scans of 100 k/s | notes |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let own = rows.iter().find(|row| row.store == "spinney");
    for row in rows {
        line(&mut text, row, own).expect("a string takes any text");
    }
    text
}

fn line(text: &mut String, row: &Row, own: Option<&Row>) -> std::fmt::Result {
    let ratio = |of: fn(&Row) -> f64| own.map_or(f64::NAN, |own| of(own) / of(row));
    write!(
        text,
        "| {} | {:.1} ({:.2}) | {:.1} ",
        row.store,
        row.puts_per_second / 1e3,
        ratio(|row| row.puts_per_second),
        row.puts_per_second_settled / 1e3,
    )?;
    write!(
        text,
        "| {:.1} / {:.1} / {:.1} | {:.1} / {:.1} | {:.0} ",
        row.batch_ms_p50,
        row.batch_ms_p99,
        row.batch_ms_last,
        row.device_bytes_per_user_byte,
        row.disk_bytes_per_user_byte,
        row.file_bytes as f64 / 1e6,
    )?;
    if row.gets_per_second == 0.0 {
        return writeln!(text, "| - | - | - | {} |", row.notes);
    }
    writeln!(
        text,
        "| {:.0} ({:.2}) | {:.1} | {:.1} | {} |",
        row.gets_per_second / 1e3,
        ratio(|row| row.gets_per_second),
        row.scanned_per_second / 1e6,
        row.scans_of_100_per_second / 1e3,
        row.notes,
    )
}
