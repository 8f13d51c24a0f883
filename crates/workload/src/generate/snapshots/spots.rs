//! The stretches that writes go into: a few spots, evenly spread, or all that is live.
//!
//! Invariant: spots do not overlap, lie inside the live share and hold whole units.

use crate::error::{Result, WorkloadError};
use crate::op::Bytes;
use spinney_core::BLOCK_BYTES;

/// Spots of a volume. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spots {
    live: u64,
    count: u64,
    /// Blocks of a spot.
    blocks: u64,
    unit_blocks: u64,
}

impl Spots {
    /// `count` spots of `blocks` blocks each (0: all of `live` is one), in units of `unit_blocks`.
    pub(super) fn new(live: u64, unit_blocks: u64, count: u64, blocks: u64) -> Result<Spots> {
        let (count, blocks) = if count == 0 { (1, live) } else { (count, blocks) };
        let fits = blocks.checked_mul(count).is_some_and(|all| all <= live);
        if blocks == 0 || !fits {
            let rule = "small enough that all spots fit into the live share";
            return Err(WorkloadError::bad_setting("spot_blocks", blocks, rule));
        }
        if unit_blocks == 0 || unit_blocks > blocks {
            return Err(WorkloadError::bad_setting(
                "unit_blocks",
                unit_blocks,
                "at least 1, and at most a spot",
            ));
        }
        Ok(Spots { live, count, blocks, unit_blocks })
    }
    /// Units of all spots.
    pub(super) fn units(&self) -> u64 {
        self.count * self.units_of_one()
    }
    fn units_of_one(&self) -> u64 {
        self.blocks / self.unit_blocks
    }
    /// First block of a spot: at a multiple of its size.
    fn start(&self, spot: u64) -> u64 {
        let places = self.live / self.blocks;
        let place = u128::from(spot) * u128::from(places) / u128::from(self.count);
        u64::try_from(place).expect("below the number of places") * self.blocks
    }
    /// One unit.
    pub(super) fn bytes(&self, unit: u64) -> Bytes {
        let (spot, inside) = (unit / self.units_of_one(), unit % self.units_of_one());
        let block = self.start(spot) + inside * self.unit_blocks;
        Bytes { offset: block * BLOCK_BYTES as u64, length: self.unit_blocks * BLOCK_BYTES as u64 }
    }
    /// Whether a live block lies in a spot.
    pub(super) fn covers(&self, block: u64) -> bool {
        let place = block / self.blocks * self.blocks;
        let places = self.live / self.blocks;
        let guess = u128::from(block / self.blocks) * u128::from(self.count) / u128::from(places);
        let guess = u64::try_from(guess).unwrap_or(u64::MAX);
        (guess..=guess + 1).any(|spot| spot < self.count && self.start(spot) == place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spots_lie_apart_and_know_their_blocks() {
        for (live, count, blocks) in [(1000, 7, 10), (1000, 100, 10), (999, 3, 333), (5000, 1, 506)] {
            let spots = Spots::new(live, 2, count, blocks).unwrap();
            let mut inside = vec![false; live as usize];
            for spot in 0..count {
                for block in spots.start(spot)..spots.start(spot) + blocks {
                    assert!(!std::mem::replace(&mut inside[block as usize], true), "{live} {count} {block}");
                }
            }
            for block in 0..live {
                assert_eq!(spots.covers(block), inside[block as usize], "{live} {count} {block}");
            }
        }
    }

    #[test]
    fn spots_that_do_not_fit_are_refused() {
        assert!(Spots::new(1000, 1, 3, 400).is_err() && Spots::new(1000, 11, 2, 10).is_err());
        assert_eq!(Spots::new(1000, 3, 0, 506).unwrap().units(), 333);
    }
}
