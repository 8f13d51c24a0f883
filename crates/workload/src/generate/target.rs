//! Which unit is written next: uniform, Zipf, hot and cold, or one after the other.
//!
//! Invariant: every unit of `0..count` can be met, and no other. Knows no operations.

use super::{choice, real_in, share};
use crate::chance::{Chance, Permutation, Zipf};
use crate::error::{Result, WorkloadError};
use spinney_core::{Parameter, Settings};

pub(crate) const PATTERN: Parameter = Parameter::word(
    "pattern",
    "uniform",
    "Which unit is next: `uniform`, `zipf` (rank k in proportion to 1/k^zipf_exponent), `hot-cold` (hot_traffic of the \
     writes go to hot_share of the units) or `sequential` (front to back, again and again). Uniform is the default \
     because it has no parameters and is the worst for most allocators; real disks are nearer to zipf.",
);
pub(crate) const ZIPF_EXPONENT: Parameter = Parameter::real(
    "zipf_exponent",
    0.99,
    "Skew of `zipf`. 0.99 is what YCSB made usual; block traces are between 0.8 and 1.2. Over 0 and at most 20.",
);
pub(crate) const HOT_SHARE: Parameter = Parameter::real(
    "hot_share",
    0.1,
    "Share of the units that is hot, in `hot-cold`. 0.1 with a traffic of 0.9 is the case that Rosenblum and Ousterhout \
     used for the log-structured file system, so that results can be laid beside theirs.",
);
pub(crate) const HOT_TRAFFIC: Parameter =
    Parameter::real("hot_traffic", 0.9, "Share of the writes that go to the hot units. See hot_share.");
pub(crate) const SCATTER: Parameter = Parameter::switch(
    "scatter",
    true,
    "Whether hot units lie scattered over the volume or side by side at its front. Scattered is the harder case for maps \
     and for space kept by regions, and what a file system above usually makes of it.",
);

/// Chooses units.
pub(crate) struct Target {
    pattern: Pattern,
    count: u64,
    places: Option<Permutation>,
    chance: Chance,
}

enum Pattern {
    Uniform,
    Zipf(Zipf),
    HotCold { hot: u64, traffic: f64 },
    Sequential { next: u64 },
}

impl Target {
    /// From the settings above, for units `0..count`.
    pub(crate) fn new(settings: &Settings, count: u64, seed: u64) -> Result<Target> {
        let words = ["uniform", "zipf", "hot-cold", "sequential"];
        let pattern = match choice(settings, &PATTERN, &words, "uniform, zipf, hot-cold or sequential")? {
            0 => Pattern::Uniform,
            1 => Pattern::Zipf(zipf(settings, count)?),
            2 => hot_cold(settings, count)?,
            _ => Pattern::Sequential { next: 0 },
        };
        let skewed = matches!(pattern, Pattern::Zipf(_) | Pattern::HotCold { .. });
        let scatter = skewed && settings.switch(&SCATTER);
        let places = scatter.then(|| Permutation::new(count, &mut Chance::new(seed, 1)));
        Ok(Target { pattern, count, places, chance: Chance::new(seed, 2) })
    }
    /// Units chosen uniformly.
    pub(crate) fn uniform(count: u64, seed: u64) -> Target {
        Target { pattern: Pattern::Uniform, count, places: None, chance: Chance::new(seed, 2) }
    }
    /// The next unit.
    pub(crate) fn unit(&mut self) -> u64 {
        let (count, chance) = (self.count, &mut self.chance);
        let rank = match &mut self.pattern {
            Pattern::Uniform => chance.below(count),
            Pattern::Zipf(zipf) => zipf.rank(chance),
            Pattern::HotCold { hot, traffic } if chance.happens(*traffic) => chance.below(*hot),
            Pattern::HotCold { hot, .. } => *hot + chance.below(count - *hot),
            Pattern::Sequential { next } => {
                let unit = *next;
                *next = (unit + 1) % count;
                unit
            }
        };
        self.places.as_ref().map_or(rank, |places| places.at(rank))
    }
}

fn zipf(settings: &Settings, count: u64) -> Result<Zipf> {
    let exponent = real_in(settings, &ZIPF_EXPONENT, 1e-6, 20.0, "over 0 and at most 20")?;
    Ok(Zipf::new(count, exponent))
}

fn hot_cold(settings: &Settings, count: u64) -> Result<Pattern> {
    let (hot_share, traffic) = (share(settings, &HOT_SHARE)?, share(settings, &HOT_TRAFFIC)?);
    let hot = super::share_of(count, hot_share).max(1);
    if hot >= count {
        return Err(WorkloadError::bad_setting(
            HOT_SHARE.name,
            hot_share,
            "small enough that a cold unit is left",
        ));
    }
    Ok(Pattern::HotCold { hot, traffic })
}
