//! How lists of pools, volumes and snapshots are printed: for people, for scripts, as JSON.
//!
//! Invariant: all three come from the same cells; JSON and `-p` have exact numbers.

use crate::args::Output;
use crate::exit::{Failure, say_to, versioned};
use serde_json::{Map, Value, json};
use spinney_lab::config::format_bytes;
use spinney_lab::report::aligned;
use spinney_lab::table::Table;
use std::io::Write;

/// One cell.
#[derive(Clone)]
pub(crate) enum Cell {
    Text(String),
    Bytes(u64),
    /// Seconds since 1970.
    Time(u64),
    None,
}

/// Columns with their names, and rows of as many cells.
pub(crate) struct Listing {
    pub(crate) columns: &'static [&'static str],
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl Cell {
    fn print(&self, exact: bool) -> String {
        match self {
            Cell::Text(text) => text.clone(),
            Cell::Bytes(bytes) | Cell::Time(bytes) if exact => bytes.to_string(),
            Cell::Bytes(bytes) => format_bytes(*bytes),
            Cell::Time(seconds) => calendar(*seconds),
            Cell::None => "-".into(),
        }
    }
    fn value(&self) -> Value {
        match self {
            Cell::Text(text) => json!(text),
            Cell::Bytes(number) | Cell::Time(number) => json!(number),
            Cell::None => Value::Null,
        }
    }
}

/// Year-month-day and time of day in UTC, by the proleptic Gregorian calendar (H. Hinnant's days-to-civil).
fn calendar(seconds: u64) -> String {
    let (days, of_day) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let (day, month) =
        (of_year - (153 * shifted + 2) / 5 + 1, if shifted < 10 { shifted + 3 } else { shifted - 9 });
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", of_day / 3_600, of_day / 60 % 60)
}

impl Listing {
    /// Print it as was asked. Errors: `Usage` for a column that is not there.
    pub(crate) fn print(&self, command: &str, output: &Output, out: &mut dyn Write) -> Result<(), Failure> {
        let chosen = self.chosen(output)?;
        if output.json {
            let object = |row: &Vec<Cell>| -> Value {
                chosen
                    .iter()
                    .map(|at| (self.columns[*at].to_owned(), row[*at].value()))
                    .collect::<Map<_, _>>()
                    .into()
            };
            let rows: Vec<Value> = self.rows.iter().map(object).collect();
            return say_to(out, versioned(command, &json!({ "rows": rows })) + "\n");
        }
        let exact = output.parsable;
        let cells = |row: &Vec<Cell>| chosen.iter().map(|at| row[*at].print(exact)).collect::<Vec<_>>();
        if output.script {
            return self.rows.iter().try_for_each(|row| say_to(out, cells(row).join("\t") + "\n"));
        }
        let mut table = Table::new(chosen.iter().map(|at| self.columns[*at].to_uppercase()));
        self.rows.iter().for_each(|row| table.push(cells(row)));
        say_to(out, aligned(&table) + "\n")
    }

    fn chosen(&self, output: &Output) -> Result<Vec<usize>, Failure> {
        if output.columns.is_empty() {
            return Ok((0..self.columns.len()).collect());
        }
        let at = |name: &String| {
            let there = self.columns.iter().position(|column| column == name);
            there.ok_or_else(|| {
                Failure::Usage(format!("-o: no column `{name}`; there are {}", self.columns.join(", ")))
            })
        };
        output.columns.iter().map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_days_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00"),
            (951_782_399, "2000-02-28 23:59"),
            (951_782_400, "2000-02-29 00:00"),
            (1_796_083_200, "2026-12-01 00:00"),
        ] {
            assert_eq!(calendar(seconds), text, "{seconds} s");
        }
    }
}
