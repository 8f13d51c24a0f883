//! Hold blocks back for some epochs more, as ZFS does.
//!
//! Invariant: what an epoch released is handed out when `epochs` further epochs are durable, or at once when space is short.
//! The blocks are recorded as free at once (ZFS writes them to the space map in the transaction group that frees them), so
//! nothing is lost in a crash; after opening the pool anew they are simply free.
//!
//! What it is for: a pool that is opened up to `epochs` commits back still finds the blocks of that epoch as they were. That
//! holds from `epochs` commits after opening on; whoever opened the pool may reuse at once what was held before.

use super::{Moment, Reclaim};
use crate::ReclaimEntry;
use alloc::boxed::Box;
use spinney_core::{BLOCK_BYTES, Epoch, Error, Parameter, Result, Settings};

/// The policy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hold {
    epochs: u64,
    slop_shift: u32,
    slop_blocks_min: u64,
}

/// The most that is kept clear on a large pool: 128 GiB, as in ZFS.
const SLOP_BLOCKS_MAX: u64 = (128 << 30) / BLOCK_BYTES as u64;

impl Hold {
    /// As the settings of [`HOLD`] say. Errors: `BadSetting`.
    pub fn new(settings: &Settings) -> Result<Hold> {
        let slop_shift = u32::try_from(settings.integer(&SLOP_SHIFT)).ok().filter(|shift| *shift < 64);
        Ok(Hold {
            epochs: settings.integer(&EPOCHS),
            slop_shift: slop_shift.ok_or(Error::BadSetting("slop_shift: at most 63"))?,
            slop_blocks_min: settings.integer(&SLOP_BLOCKS_MIN),
        })
    }
    /// With this few allocatable blocks or fewer, nothing is held.
    fn slop_blocks(&self, total_blocks: u64) -> u64 {
        let share = (total_blocks >> self.slop_shift).min(SLOP_BLOCKS_MAX);
        share.max(self.slop_blocks_min.min(total_blocks / 2))
    }
}

impl Reclaim for Hold {
    fn due(&self, now: &Moment) -> Epoch {
        if now.hurried || now.free_blocks <= self.slop_blocks(now.total_blocks) {
            return now.epoch;
        }
        Epoch(now.epoch.0.saturating_sub(self.epochs))
    }
}

/// How long.
pub const EPOCHS: Parameter = Parameter::integer(
    "epochs",
    2,
    "Commits that must be durable after the one that freed a block before it is handed out again. Each costs the space that \
     a commit frees, and lets a pool be opened one commit further back; 0 is at-commit. 2 is ZFS's (TXG_DEFER_SIZE).",
);
/// When space is short: the share.
pub const SLOP_SHIFT: Parameter = Parameter::integer(
    "slop_shift",
    5,
    "Nothing is held while at most this share of the pool, 1 in 2^slop_shift, is allocatable (but never more than 128 GiB). A \
     larger share gives up protection earlier, a smaller one lets a fuller pool wait for its own frees. 5 (1/32) is ZFS's. \
     ZFS counts what is held as allocatable here; this does not, and so drains a little earlier.",
);
/// When space is short: the floor.
pub const SLOP_BLOCKS_MIN: Parameter = Parameter::integer(
    "slop_blocks_min",
    (128 << 20) / BLOCK_BYTES as u64,
    "The share of slop_shift is at least this, but never more than half of the pool: small pools run out within one commit. \
     128 MiB is ZFS's; a study on a pool of a few hundred MiB sets less, or its pool holds nothing when half full.",
);

/// The row of the registry.
pub const HOLD: ReclaimEntry = ReclaimEntry {
    name: "hold",
    summary: "freed blocks come back some epochs later, or at once when space is short",
    paper: "ZFS (2003); OpenZFS metaslab deferred frees, slop space",
    parameters: &[EPOCHS, SLOP_SHIFT, SLOP_BLOCKS_MIN],
    build: |settings| Ok(Box::new(Hold::new(settings)?)),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn due(free_blocks: u64, hurried: bool) -> u64 {
        let hold = Hold::new(&Settings::new()).expect("defaults are lawful");
        let now =
            Moment { epoch: Epoch(10), oldest_reader: None, free_blocks, total_blocks: 32 << 20, hurried };
        hold.due(&now).0
    }

    #[test]
    fn it_waits_two_epochs_unless_a_thirty_second_or_less_is_free() {
        assert_eq!((due((1 << 20) + 1, false), due(1 << 20, false)), (8, 10));
        assert_eq!(due(20 << 20, true), 10);
    }

    #[test]
    fn slop_is_at_least_128_mib_but_at_most_half_of_a_small_pool_and_128_gib_of_a_large_one() {
        let slop = |total| Hold::new(&Settings::new()).expect("lawful").slop_blocks(total);
        assert_eq!([1000, 1 << 18, 1 << 22, 1 << 40].map(slop), [500, 32_768, 1 << 17, 1 << 25]);
    }
}
