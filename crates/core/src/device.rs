//! The block device seam: everything below is a thing that stores blocks, real or modelled.
//!
//! Invariant: after a successful `flush`, every write and discard that completed before it was called survives a
//! power cut; before that each 512-byte sector of a write may be old or new. Knows nothing of what blocks mean.

use crate::{Extent, Pba, Result};
use core::ops::AddAssign;

/// A device of [`crate::BLOCK_BYTES`] blocks. Methods take `&self`: a device is shared by threads and does its own locking.
pub trait BlockDevice: Send + Sync {
    /// How many blocks it has.
    fn blocks(&self) -> u64;
    /// Fill `buffer` (a whole number of blocks) from `at`. Errors: `OutOfRange`, `Io`.
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()>;
    /// Store `data` (a whole number of blocks) at `at`. Errors: `OutOfRange`, `Io`.
    fn write(&self, at: Pba, data: &[u8]) -> Result<()>;
    /// Make what completed durable.
    fn flush(&self) -> Result<()>;
    /// The blocks' content is of no further use; they then read as zeros, old content or anything.
    fn discard(&self, run: Extent) -> Result<()>;
    /// Several reads at once, so that a device with a queue can overlap them. Same result as one by one.
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        reads.iter_mut().try_for_each(|(at, buffer)| self.read(*at, buffer))
    }
    /// Several writes at once. Their order is free until a flush.
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        writes.iter().try_for_each(|(at, data)| self.write(*at, data))
    }
    /// How many copies of each block it keeps that may be read: more than one for a mirror. Any of them may answer a `read`.
    fn copies(&self) -> usize {
        1
    }
    /// As `read`, but of this copy, counted from 0; no other stands in for it. Beyond the last, of the last.
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let _ = copy;
        self.read(at, buffer)
    }
    /// Look at every copy of one block, leave the first one that `is_sound` in `buffer`, and store it over those that are not, which is
    /// durable with the next flush. Without a sound one nothing is stored, and what `buffer` holds means nothing. The caller knows what
    /// belongs there, and `is_sound` must not use the device. Errors: `OutOfRange`; `Io` if no copy could be read.
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        self.read(at, buffer)?;
        let sound = u64::from(is_sound(buffer));
        Ok(Healed { sound, bad: 1 - sound, ..Healed::default() })
    }
}

/// What was found of the copies of a block, or of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Healed {
    /// Copies that are as they should be.
    pub sound: u64,
    /// Copies that were not, or could not be read.
    pub bad: u64,
    /// Of these, those that were stored anew from a sound one.
    pub repaired: u64,
    /// Copies that a side lacked which is not read yet, and has now.
    pub rebuilt: u64,
}

impl AddAssign for Healed {
    fn add_assign(&mut self, more: Healed) {
        self.sound += more.sound;
        self.bad += more.bad;
        self.repaired += more.repaired;
        self.rebuilt += more.rebuilt;
    }
}

impl<D: BlockDevice + ?Sized> BlockDevice for alloc::sync::Arc<D> {
    fn blocks(&self) -> u64 {
        (**self).blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        (**self).read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        (**self).write(at, data)
    }
    fn flush(&self) -> Result<()> {
        (**self).flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        (**self).discard(run)
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        (**self).read_many(reads)
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        (**self).write_many(writes)
    }
    fn copies(&self) -> usize {
        (**self).copies()
    }
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        (**self).read_copy(copy, at, buffer)
    }
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        (**self).heal(at, buffer, is_sound)
    }
}
