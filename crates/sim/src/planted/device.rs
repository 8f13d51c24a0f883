//! Devices that stand for a commit in the wrong order, or break their own contract.
//!
//! Invariant: reads, and what is not named in a fault, pass unchanged.

use spinney_core::{BlockDevice, Extent, Pba, Result};
use spinney_volume::{SUPERBLOCK_SLOTS, Superblock};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
pub(super) struct LazyState {
    /// A flush that was asked for and not yet made.
    held: AtomicBool,
    /// The last write was a superblock.
    superblock: AtomicBool,
}

/// A commit without one of its flushes.
pub(super) struct LazyFlush {
    pub(super) device: Arc<dyn BlockDevice>,
    /// Leave out the flush before the superblock, or the one after it.
    pub(super) before: bool,
    pub(super) state: LazyState,
}

impl LazyFlush {
    /// Make the flush that was put off, unless what comes now is a superblock.
    fn catch_up(&self, superblock: bool) -> Result<()> {
        let held = self.state.held.swap(false, Ordering::Relaxed);
        if held && !superblock { self.device.flush() } else { Ok(()) }
    }
}

impl BlockDevice for LazyFlush {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let superblock = SUPERBLOCK_SLOTS.contains(&at);
        if self.before {
            self.catch_up(superblock)?;
        }
        self.state.superblock.store(superblock, Ordering::Relaxed);
        self.device.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        let after_superblock = self.state.superblock.swap(false, Ordering::Relaxed);
        match (self.before, after_superblock) {
            (true, false) => {
                self.state.held.store(true, Ordering::Relaxed);
                Ok(())
            }
            (false, true) => Ok(()),
            _ => self.device.flush(),
        }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}

/// All superblocks but the pool's first go to one slot, which a pool that reads its superblock back does not notice.
pub(super) struct OneSlot {
    pub(super) device: Arc<dyn BlockDevice>,
    /// What was meant for the second slot since it was opened.
    pub(super) second: Mutex<Option<Vec<u8>>>,
}

impl OneSlot {
    fn second(&self) -> MutexGuard<'_, Option<Vec<u8>>> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BlockDevice for OneSlot {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)?;
        if at == SUPERBLOCK_SLOTS[1]
            && let Some(second) = self.second().as_ref()
        {
            buffer.copy_from_slice(second);
        }
        Ok(())
    }
    /// What was meant for the second slot goes to the first, sealed for it.
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        match Superblock::decode(data, 1) {
            Ok(superblock) if at == SUPERBLOCK_SLOTS[1] && superblock.epoch.0 > 1 => {
                *self.second() = Some(data.to_vec());
                self.device.write(SUPERBLOCK_SLOTS[0], &superblock.encode(0))
            }
            _ => self.device.write(at, data),
        }
    }
    fn flush(&self) -> Result<()> {
        self.device.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}

/// It says that it has flushed, or stored.
pub(super) struct Liar {
    pub(super) device: Arc<dyn BlockDevice>,
    /// Drop every so many writes; 0 is none, and then flushes do nothing.
    pub(super) drops_one_in: u64,
    pub(super) writes: AtomicU64,
}

impl BlockDevice for Liar {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let number = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        let dropped = self.drops_one_in > 0 && number.is_multiple_of(self.drops_one_in);
        if dropped { Ok(()) } else { self.device.write(at, data) }
    }
    fn flush(&self) -> Result<()> {
        if self.drops_one_in > 0 { self.device.flush() } else { Ok(()) }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}
