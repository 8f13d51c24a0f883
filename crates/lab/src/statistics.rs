//! Bands over repeats: median with minimum and maximum, or a bootstrap interval of the mean.
//!
//! Invariant: the same sample gives the same band on any machine: resampling has a fixed seed and a fixed count.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// Resamples of a bootstrap; enough that the ends of a 95 % interval move by less than the last digit shown.
pub const RESAMPLES: usize = 10_000;

/// A centre and its band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Lower end.
    pub low: f64,
    /// Centre.
    pub mid: f64,
    /// Upper end.
    pub high: f64,
}

/// How a band is made; the caption of a figure says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BandKind {
    /// Median, with the smallest and the largest value: for a handful of seeds.
    #[default]
    MinMedianMax,
    /// Mean, with the 95 % percentile bootstrap interval.
    Bootstrap,
}

impl BandKind {
    /// In words, for a caption.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            BandKind::MinMedianMax => "median, band from minimum to maximum",
            BandKind::Bootstrap => "mean, band is the 95 % bootstrap interval (10,000 resamples)",
        }
    }
}

/// The value below which a share of a sorted sample lies, interpolated.
#[must_use]
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    below + (above - below) * at.fract()
}

/// The median; `None` of an empty sample.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (!sorted.is_empty()).then(|| quantile(&sorted, 0.5))
}

/// The mean; `None` of an empty sample.
#[must_use]
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The band of a sample; `None` of an empty one.
#[must_use]
pub fn band(values: &[f64], kind: BandKind) -> Option<Band> {
    match kind {
        BandKind::MinMedianMax => {
            let low = values.iter().copied().min_by(f64::total_cmp)?;
            let high = values.iter().copied().max_by(f64::total_cmp)?;
            Some(Band { low, mid: median(values)?, high })
        }
        BandKind::Bootstrap => bootstrap(values),
    }
}

fn bootstrap(values: &[f64]) -> Option<Band> {
    let mid = mean(values)?;
    let mut chance = ChaCha8Rng::seed_from_u64(0);
    let mut draw = || values[(chance.next_u64() % values.len() as u64) as usize];
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| (0..values.len()).map(|_| draw()).sum::<f64>() / values.len() as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    Some(Band { low: quantile(&means, 0.025), mid, high: quantile(&means, 0.975) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_spans_the_sample_around_its_median() {
        let band = band(&[3.0, 1.0, 10.0], BandKind::MinMedianMax);
        assert_eq!(band, Some(Band { low: 1.0, mid: 3.0, high: 10.0 }));
    }

    #[test]
    fn a_bootstrap_interval_narrows_like_the_standard_error() {
        let sample: Vec<f64> = (0..100).map(f64::from).collect();
        let band = band(&sample, BandKind::Bootstrap).unwrap();
        // Standard error of the mean of 0..100 is 2.9, so the interval is about 49.5 +- 5.7.
        assert!((43.0..44.8).contains(&band.low) && (54.2..56.0).contains(&band.high), "{band:?}");
    }

    #[test]
    fn an_empty_sample_has_no_band() {
        assert_eq!(band(&[], BandKind::MinMedianMax), None);
        assert_eq!(band(&[], BandKind::Bootstrap), None);
    }
}
