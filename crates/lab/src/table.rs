//! Rows: what a run leaves, as a table of named columns, in memory and as CSV.
//!
//! Invariant: the same rows give the same bytes: numbers are printed in one way only, and nothing depends on locale,
//! time or the order in which cases ended.

use std::path::Path;

/// A table of text cells; numbers are kept as printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows, each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Table {
        Table { columns: columns.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Position of a column.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// Add a row. One of another length is a programmer error.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.columns.len(), "a row has a cell for each column");
        self.rows.push(row);
    }

    /// A cell as a number, if it is one.
    #[must_use]
    pub fn number(row: &[String], column: usize) -> Option<f64> {
        row.get(column)?.parse().ok()
    }

    /// The CSV bytes.
    pub fn to_csv(&self) -> Result<Vec<u8>, csv::Error> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(&self.columns)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        writer.into_inner().map_err(|error| csv::Error::from(std::io::Error::other(error.to_string())))
    }

    /// Read CSV bytes.
    pub fn from_csv(bytes: &[u8]) -> Result<Table, csv::Error> {
        let mut reader = csv::Reader::from_reader(bytes);
        let mut table = Table::new(reader.headers()?.iter());
        for record in reader.records() {
            table.rows.push(record?.iter().map(String::from).collect());
        }
        Ok(table)
    }

    /// Read a CSV file.
    pub fn read(path: &Path) -> Result<Table, csv::Error> {
        Table::from_csv(&std::fs::read(path)?)
    }
}

/// The one way in which a number is printed: whole numbers plainly, others with six significant digits.
#[must_use]
pub fn print_number(value: f64) -> String {
    if !value.is_finite() {
        return String::new();
    }
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return format!("{}", value as i64);
    }
    let scientific = format!("{value:e}");
    let magnitude: i32 =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    let digits = (5 - magnitude).clamp(0, 12) as usize;
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_in_one_way() {
        for (value, text) in [
            (3.0, "3"),
            (0.1 + 0.2, "0.3"),
            (1234567.891, "1234568"),
            (-0.000_012_345_678, "-0.0000123457"),
            (f64::NAN, ""),
        ] {
            assert_eq!(print_number(value), text);
        }
    }

    #[test]
    fn a_table_reads_back_as_it_was_written() {
        let mut table = Table::new(["a", "b,c"]);
        table.push(vec!["1".into(), "say \"x\"".into()]);
        assert_eq!(Table::from_csv(&table.to_csv().unwrap()).unwrap(), table);
    }
}
