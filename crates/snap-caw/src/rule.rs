//! What the policy was set to, and the arithmetic of units.
//!
//! Invariant: units tile a version from block 0 on; the last may be short. Knows no map.

use core::ops::Range;
use spinney_core::{Error, Lba, LbaRange, Result};

/// Above this share a unit cannot be: copies are never wished for.
const NEVER: f64 = 1.0;
/// The largest unit, 64 MiB: it is held in memory when it is copied.
const UNIT_BLOCKS_MAX: u64 = 16_384;

/// CAW(U, theta, D) of the notes, and its options.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rule {
    /// U: blocks of a unit.
    pub unit_blocks: u64,
    /// Share of a unit that is abundant. Near 0 is unit copy, above 1 plain redirect on write.
    pub theta: f64,
    /// D: the most runs that lie outside the base of a shared unit.
    pub deltas_max: u64,
    /// Copy along with the write that makes a unit abundant, not in the background.
    pub along: bool,
    /// Bring blocks home into the base of a unit that is shared no more.
    pub fold: bool,
    /// Seeks inside one unit that its reads pay for before it is copied; 0: reads never bring a copy about.
    pub read_seeks: u64,
    /// Units that are looked at in one go.
    pub look_budget: u64,
    /// Offer to overwrite what a version owns alone.
    pub in_place: bool,
}

impl Rule {
    /// As the parameters of [`crate::entry()`] have it.
    pub const DEFAULT: Rule = Rule {
        unit_blocks: 1024,
        theta: 0.25,
        deltas_max: 4,
        along: false,
        fold: false,
        read_seeks: 0,
        look_budget: 4096,
        in_place: false,
    };
    pub(crate) fn checked(self) -> Result<Rule> {
        let bad =
            match self {
                Rule {
                    unit_blocks: 2..=UNIT_BLOCKS_MAX, deltas_max: 1.., look_budget: 1.., theta, ..
                } if theta >= 0.0 => None,
                Rule { theta, .. } if theta.is_nan() || theta < 0.0 => {
                    Some("theta must be at least 0 (above 1: never)")
                }
                Rule { deltas_max: 0, .. } => Some("deltas_max must be at least 1"),
                Rule { look_budget: 0, .. } => Some("look_budget must be at least 1"),
                _ => Some("unit_blocks must be 2 to 16384"),
            };
        bad.map_or(Ok(self), |bad| Err(Error::BadSetting(bad)))
    }
    /// Whether writes never make a unit due.
    pub(crate) fn never(&self) -> bool {
        self.theta > NEVER
    }
    /// How many blocks outside its base make a unit of `blocks` abundant: at least one.
    pub(crate) fn abundant(&self, blocks: u64) -> u64 {
        let exact = self.theta * blocks as f64;
        let whole = exact as u64;
        (whole + u64::from((whole as f64) < exact)).max(1)
    }
    /// The units to look at after a write of a range, by number.
    pub(crate) fn units(&self, range: LbaRange) -> Range<u64> {
        if self.never() { 0..0 } else { self.tiles(range) }
    }
    /// The units that a range touches.
    pub(crate) fn tiles(&self, range: LbaRange) -> Range<u64> {
        match range.blocks.checked_sub(1) {
            Some(more) => range.start.0 / self.unit_blocks..(range.start.0 + more) / self.unit_blocks + 1,
            None => 0..0,
        }
    }
    /// The blocks of a unit in a version of `blocks`; none if it lies behind the end.
    pub(crate) fn range(&self, unit: u64, blocks: u64) -> Option<LbaRange> {
        let start = unit.checked_mul(self.unit_blocks)?;
        let length = blocks.checked_sub(start)?.min(self.unit_blocks);
        (length > 0).then(|| LbaRange::new(Lba(start), length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(unit_blocks: u64, theta: f64) -> Rule {
        Rule { unit_blocks, theta, ..Rule::DEFAULT }
    }

    #[test]
    fn abundance_is_rounded_up_and_never_nothing() {
        for (theta, blocks, abundant) in [(0.0, 8, 1), (0.25, 8, 2), (0.25, 9, 3), (1.0, 8, 8), (0.001, 8, 1)]
        {
            assert_eq!(rule(8, theta).abundant(blocks), abundant, "{theta} of {blocks}");
        }
        assert!(rule(8, 1.01).never() && !rule(8, 1.0).never());
    }

    #[test]
    fn units_tile_a_version_and_the_last_is_short() {
        let rule = rule(8, 0.25);
        assert_eq!(rule.range(2, 20), Some(LbaRange::new(Lba(16), 4)));
        assert_eq!((rule.range(3, 20), rule.range(u64::MAX, 20)), (None, None));
        assert_eq!(rule.units(LbaRange::new(Lba(7), 2)), 0..2);
        assert_eq!(rule.units(LbaRange::new(Lba(8), 8)), 1..2);
        assert!(rule.units(LbaRange::new(Lba(8), 0)).is_empty());
    }

    #[test]
    fn nonsense_is_refused() {
        let good = rule(8, 0.25);
        for bad in [rule(1, 0.25), rule(1 << 20, 0.25), rule(8, -0.1), rule(8, f64::NAN)] {
            assert!(matches!(bad.checked(), Err(Error::BadSetting(_))), "{bad:?}");
        }
        assert!(matches!(Rule { deltas_max: 0, ..good }.checked(), Err(Error::BadSetting(_))));
        assert_eq!(good.checked(), Ok(good));
    }
}
