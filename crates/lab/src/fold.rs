//! The rows of one run as one number.
//!
//! Invariant: the mean of a rate is weighted by what it is a rate of, so it is the whole's rate (bytes of the run over time
//! of the run) and not a mean of ratios.

use crate::case::weight_column;
use crate::statistics::median;
use crate::table::Table;

/// A value, and what it counts for in a mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) value: f64,
    pub(crate) weight: f64,
}

/// Reads samples of one column.
pub(crate) struct Sampled {
    column: usize,
    weight: Option<usize>,
}

impl Sampled {
    /// Samples of `name`, `None` if there is no such column.
    pub(crate) fn of(name: &str, rows: &Table) -> Option<Sampled> {
        let weight = weight_column(name).and_then(|weight| rows.column(weight));
        Some(Sampled { column: rows.column(name)?, weight })
    }

    /// The sample of a row, if its cell has a number.
    pub(crate) fn read(&self, row: &[String]) -> Option<Sample> {
        let value = Table::number(row, self.column)?;
        Some(Sample { value, weight: self.weight.map_or(1.0, |at| Table::number(row, at).unwrap_or(0.0)) })
    }
}

/// `last`, `first`, `mean`, `max`, `min`, `sum` or `median`; `None` of nothing.
pub(crate) fn fold(samples: &[Sample], how: &str) -> Option<f64> {
    let values = || samples.iter().map(|sample| sample.value);
    match how {
        "first" => values().next(),
        "mean" => mean(samples),
        "max" => values().max_by(f64::total_cmp),
        "min" => values().min_by(f64::total_cmp),
        "sum" => (!samples.is_empty()).then(|| values().sum()),
        "median" => median(&values().collect::<Vec<_>>()),
        _ => values().next_back(),
    }
}

fn mean(samples: &[Sample]) -> Option<f64> {
    let weight: f64 = samples.iter().map(|sample| sample.weight).sum();
    let sum: f64 = samples.iter().map(|sample| sample.value * sample.weight).sum();
    (weight > 0.0).then(|| sum / weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_of_a_rate_is_the_rate_of_the_whole() {
        let mut rows = Table::new(["write_mb_per_s", "virtual_ms"]);
        for (rate, time) in [("100", "10"), ("1", "990")] {
            rows.push(vec![rate.into(), time.into()]);
        }
        let sampled = Sampled::of("write_mb_per_s", &rows).unwrap();
        let samples: Vec<Sample> = rows.rows.iter().filter_map(|row| sampled.read(row)).collect();
        assert_eq!(fold(&samples, "mean"), Some(1.99));
        assert_eq!(fold(&samples, "last"), Some(1.0));
        assert_eq!(fold(&[], "mean"), None);
    }
}
