//! The block device seam: everything below is a thing that stores blocks, real or modelled.
//!
//! Invariant: after a successful `flush`, every write and discard that completed before it was called survives a
//! power cut; before that each 512-byte sector of a write may be old or new. Knows nothing of what blocks mean.

use crate::{Extent, Pba, Result};

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
}
