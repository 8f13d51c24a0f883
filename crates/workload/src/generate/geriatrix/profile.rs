//! The two distributions: sizes with weights, and classes of ages.
//!
//! Invariant: weights are over 0 and shares sum to 1; classes of ages rise. Text from a config is checked here.

use super::blocks_of;
use crate::chance::Chance;
use crate::error::{Result, WorkloadError};
use spinney_core::{Parameter, Settings};

const ROWS_MAX: usize = 64;
const RULE: &str =
    "pairs `value:weight` with spaces between, 1 to 64 of them, both over 0 and below 10^15, values rising";

/// `value:weight` pairs.
fn pairs(parameter: &Parameter, settings: &Settings) -> Result<Vec<(f64, f64)>> {
    let text = settings.word(parameter);
    let wrong = || WorkloadError::bad_setting(parameter.name, format!("{text:?}"), RULE);
    let number = |text: &str| text.parse().ok().filter(|number: &f64| *number > 0.0 && *number < 1e15);
    let mut pairs: Vec<(f64, f64)> = Vec::new();
    for pair in text.split_whitespace() {
        let (value, weight) = pair.split_once(':').ok_or_else(wrong)?;
        let (value, weight) = number(value).zip(number(weight)).ok_or_else(wrong)?;
        if pairs.len() == ROWS_MAX || pairs.last().is_some_and(|(last, _)| *last >= value) {
            return Err(wrong());
        }
        pairs.push((value, weight));
    }
    if pairs.is_empty() { Err(wrong()) } else { Ok(pairs) }
}

/// Each weight as a share of all.
fn shares(pairs: &[(f64, f64)]) -> Vec<f64> {
    let all: f64 = pairs.iter().map(|(_, weight)| weight).sum();
    pairs.iter().map(|(_, weight)| weight / all).collect()
}

/// Sizes.
pub(crate) struct Weighted {
    blocks: Vec<u64>,
    shares: Vec<f64>,
}

impl Weighted {
    pub(crate) fn parse(parameter: &Parameter, settings: &Settings) -> Result<Weighted> {
        let pairs = pairs(parameter, settings)?;
        Ok(Weighted {
            blocks: pairs.iter().map(|(bytes, _)| blocks_of(*bytes as u64)).collect(),
            shares: shares(&pairs),
        })
    }
    pub(crate) fn count(&self) -> usize {
        self.blocks.len()
    }
    pub(crate) fn blocks(&self, size: usize) -> u64 {
        self.blocks[size]
    }
    pub(crate) fn blocks_max(&self) -> u64 {
        self.blocks.last().copied().unwrap_or(1)
    }
    pub(crate) fn share(&self, size: usize) -> f64 {
        self.shares[size]
    }
    /// A size by weight.
    pub(crate) fn draw(&self, chance: &mut Chance) -> usize {
        let mut place = chance.real();
        let found = self.shares.iter().position(|share| {
            place -= share;
            place < 0.0
        });
        found.unwrap_or(self.shares.len() - 1)
    }
}

/// Classes of ages, youngest first, as shares of the whole run.
pub(super) struct Classes {
    /// Where each begins, and 1 at the end.
    borders: Vec<f64>,
    shares: Vec<f64>,
}

impl Classes {
    pub(super) fn parse(parameter: &Parameter, settings: &Settings) -> Result<Classes> {
        let pairs = pairs(parameter, settings)?;
        let oldest = pairs.last().map_or(1.0, |(age, _)| *age);
        let borders = std::iter::once(0.0).chain(pairs.iter().map(|(age, _)| age / oldest)).collect();
        Ok(Classes { borders, shares: shares(&pairs) })
    }
    pub(super) fn count(&self) -> usize {
        self.shares.len()
    }
    pub(super) fn share(&self, class: usize) -> f64 {
        self.shares[class]
    }
    /// The ticks of a run in which every class can fill, if the first phase made `made` objects: half of the ticks make one,
    /// and the first phase lies in the oldest class (ATC 2018, section 3).
    pub(super) fn ticks(&self, made: u64) -> u64 {
        let made = made as f64;
        let mut ticks = made;
        for (class, share) in self.shares.iter().enumerate() {
            let width = (self.borders[class + 1] - self.borders[class]).max(1e-12);
            let oldest = class + 1 == self.count();
            let needed =
                if oldest { (2.0 * made * (share - 1.0) + made).max(made) } else { 2.0 * made * share };
            ticks = ticks.max(needed / width);
        }
        libm::ceil(ticks) as u64
    }
    /// Births of a class at `tick` of a run of `ticks`: from the first of the pair to before the second.
    pub(super) fn births(&self, class: usize, tick: u64, ticks: u64) -> (u64, u64) {
        let before = |border: f64| tick.saturating_sub(libm::round(border * ticks as f64) as u64);
        let oldest = class + 1 == self.count();
        (if oldest { 0 } else { before(self.borders[class + 1]) }, before(self.borders[class]))
    }
}
