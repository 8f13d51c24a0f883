//! Counts of whole numbers in narrow buckets, for quantiles of millions of values in 8 KiB.
//!
//! Invariant: values below 16 are exact; of a larger one the leading five bits are kept, so a quantile is at most 1/16 low.
//! The maximum and the sum are exact.

/// Buckets of each power of two.
const FINE: u32 = 16;

/// A sample, as counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buckets {
    counts: Vec<u64>,
    values: u64,
    sum: u128,
    max: u64,
}

impl Buckets {
    pub(crate) fn add(&mut self, value: u64) {
        let at = place(value);
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.values += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    /// `NaN` of an empty sample.
    pub(crate) fn mean(&self) -> f64 {
        self.sum as f64 / self.values as f64
    }

    /// `NaN` of an empty sample.
    pub(crate) fn max(&self) -> f64 {
        if self.values == 0 { f64::NAN } else { self.max as f64 }
    }

    /// The least value that `share` of the sample does not pass, to the bucket; `NaN` of an empty sample.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let wanted = ((self.values as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(f64::NAN, |at| least(at) as f64)
    }
}

/// The bucket of a value.
fn place(value: u64) -> usize {
    if value < u64::from(FINE) {
        return value as usize;
    }
    let power = value.ilog2();
    let fine = (value >> (power - 4)) as u32 - FINE;
    ((power - 3) * FINE + fine) as usize
}

/// The least value of a bucket.
fn least(at: usize) -> u64 {
    let (power, fine) = (at as u32 / FINE, at as u64 % u64::from(FINE));
    if power == 0 { fine } else { (u64::from(FINE) + fine) << (power - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_begins_at_most_a_sixteenth_below_its_values() {
        for value in (0..5000).chain([1 << 20, (1 << 40) + 12345, u64::MAX]) {
            let low = least(place(value));
            assert!(low <= value && value - low <= value / 16, "{value} stands in the bucket of {low}");
        }
    }

    #[test]
    fn quantiles_of_small_values_are_exact() {
        let mut buckets = Buckets::default();
        (1..=10).for_each(|value| buckets.add(value));
        assert_eq!((buckets.quantile(0.5), buckets.quantile(0.99), buckets.mean()), (5.0, 10.0, 5.5));
        assert!(Buckets::default().quantile(0.5).is_nan());
    }
}
