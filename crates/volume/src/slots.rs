//! Which of the two superblocks a pool opens at, and when it must not open by itself.
//!
//! Invariant: the newest whole superblock is taken only if the other slot cannot hold a newer one that was flushed. A cut leaves a
//! slot whole; one that is damaged or unreadable may have been the newest, unless it still tells an older epoch.

use crate::superblock::{SUPERBLOCK_SLOTS, Superblock, epoch_of_damaged};
use spinney_core::{BLOCK_BYTES, BlockDevice, Epoch, Error, Place, Result};

/// What is said of a slot that cannot be read.
const UNREADABLE: &str = "read of a superblock slot (try again; if it stays unreadable, the option accept_unreadable_slot \
     opens the pool with the other one, which may be a commit older)";
/// And of one that holds no superblock, which is not what a cut leaves.
const DAMAGED: &str = "superblock slot (it may have held the newest; the option accept_unreadable_slot opens the pool with \
     the other one, which may be a commit older)";

/// What a slot holds.
enum Slot {
    /// A superblock.
    Whole(Box<Found>),
    /// None, for this reason; and the epoch that it had, if that is known.
    Broken(Error, Option<u64>),
    /// The device does not say.
    Unreadable(Error),
}

impl Slot {
    /// What the copies of a slot hold: a cut may have left the newest superblock in some of them only, so that one counts; and what it reaches was
    /// flushed in all. Whoever takes it stores it in the others.
    fn read(device: &dyn BlockDevice, slot: usize) -> Slot {
        let first = Slot::read_copy(device, slot, 0);
        (1..device.copies()).map(|copy| Slot::read_copy(device, slot, copy)).fold(first, Slot::better)
    }

    fn better(self, other: Slot) -> Slot {
        if other.rank() > self.rank() { other } else { self }
    }

    /// Whole before broken, broken that tells its epoch before broken that does not, and what cannot be read last.
    fn rank(&self) -> (u8, u64) {
        match self {
            Slot::Whole(found) => (3, found.superblock.epoch.0),
            Slot::Broken(_, Some(epoch)) => (2, *epoch),
            Slot::Broken(_, None) => (1, 0),
            Slot::Unreadable(_) => (0, 0),
        }
    }

    fn read_copy(device: &dyn BlockDevice, slot: usize, copy: usize) -> Slot {
        let mut block = vec![0; BLOCK_BYTES];
        match device.read_copy(copy, SUPERBLOCK_SLOTS[slot], &mut block) {
            Err(Error::Io { at, code, .. }) => {
                Slot::Unreadable(Error::Io { operation: UNREADABLE, at, code })
            }
            Err(error) => Slot::Unreadable(error),
            Ok(()) => match Superblock::decode(&block, slot) {
                Ok(superblock) => Slot::Whole(Box::new(Found { superblock, block, is_fallback: false })),
                Err(error) => Slot::Broken(error, epoch_of_damaged(&block, slot)),
            },
        }
    }

    fn epoch(&self) -> u64 {
        if let Slot::Whole(found) = self { found.superblock.epoch.0 } else { 0 }
    }

    /// Whether it cannot have held a superblock newer than `epoch` that a flush had made durable. Errors: it can.
    fn is_older_than(&self, epoch: u64, slot: usize) -> Result<()> {
        match self {
            Slot::Whole(_) => Ok(()),
            // Never written (0) is right before the second superblock only.
            Slot::Broken(_, Some(older)) if *older < epoch && (*older > 0 || epoch == 1) => Ok(()),
            Slot::Broken(..) => Err(Error::Corrupt { what: DAMAGED, place: Place::Superblock(slot as u8) }),
            Slot::Unreadable(error) => Err(*error),
        }
    }
}

impl Superblock {
    /// The epoch up to which a side of a mirror that was left behind has all that the others do; 0 if it does not say. That is one before its newest
    /// superblock: a cut may have kept that from the others, who then made another one; the one before it was whole on all of them.
    #[must_use]
    pub fn shared_until(device: &dyn BlockDevice) -> Epoch {
        Superblock::load(device, true).map_or(Epoch(0), |newest| Epoch(newest.epoch.0.saturating_sub(1)))
    }

    /// The newest superblock of a device. A torn slot is what a cut leaves, and the other one is right; one that is damaged or cannot
    /// be read may hold the newest epoch, so the other is taken only if `accept_unreadable_slot`. Errors: `Corrupt`, also if
    /// neither slot holds one or the device has shrunk; `Io`.
    pub fn load(device: &dyn BlockDevice, accept_unreadable_slot: bool) -> Result<Superblock> {
        Found::on(device, accept_unreadable_slot).map(|found| found.superblock)
    }
}

/// The newest superblock, as it was read.
pub(crate) struct Found {
    pub(crate) superblock: Superblock,
    block: Vec<u8>,
    /// Whether the other slot may have held a newer one, which was accepted.
    pub(crate) is_fallback: bool,
}

impl Found {
    /// As [`Superblock::load`].
    pub(crate) fn on(device: &dyn BlockDevice, accept_unreadable_slot: bool) -> Result<Found> {
        let slots = [Slot::read(device, 0), Slot::read(device, 1)];
        let failure = none_in(&slots);
        let [first, second] = slots;
        let newest = usize::from(second.epoch() > first.epoch());
        let (newer, older) = if newest == 1 { (second, first) } else { (first, second) };
        let Slot::Whole(mut found) = newer else { return Err(failure) };
        let is_older = older.is_older_than(found.superblock.epoch.0, 1 - newest);
        found.is_fallback = is_older.is_err();
        if !accept_unreadable_slot {
            is_older?;
        }
        found.superblock.layout.verify(device.blocks())?;
        Ok(*found)
    }

    /// Write the same bytes to the same slot once more. Not durable until the device is flushed.
    pub(crate) fn store_again(&self, device: &dyn BlockDevice) -> Result<()> {
        device.write(SUPERBLOCK_SLOTS[self.superblock.slot()], &self.block)
    }
}

/// Why there is no superblock: what cannot be read goes before what is not one.
fn none_in(slots: &[Slot; 2]) -> Error {
    let unreadable = slots.iter().find_map(|slot| match slot {
        Slot::Unreadable(error) => Some(*error),
        _ => None,
    });
    let broken = slots.iter().find_map(|slot| match slot {
        Slot::Broken(error, _) => Some(*error),
        _ => None,
    });
    unreadable.or(broken).unwrap_or(Error::Corrupt { what: "superblock", place: Place::Superblock(0) })
}
