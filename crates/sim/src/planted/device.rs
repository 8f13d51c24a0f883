//! Devices that stand for a commit in the wrong order, or break their own contract.
//!
//! Invariant: reads, and what is not named in a fault, pass unchanged.

use spinney_core::{BlockDevice, Epoch, Extent, Pba, Result};
use spinney_volume::{SUPERBLOCK_SLOTS, Superblock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

/// Both slots are one place, which holds the newest superblock only. What the other slot says, here and after opening again, is made up
/// from that: the same pool one epoch before, as an intact older slot would say. So nothing shows until the one place is damaged.
pub(super) struct OneSlot {
    pub(super) device: Arc<dyn BlockDevice>,
}

impl OneSlot {
    /// What `slot` reads as when the one place holds `stored`: that, unless it is the other slot's superblock.
    fn seen(stored: &[u8], slot: usize) -> Option<Vec<u8>> {
        let mut other = Superblock::decode(stored, 1 - slot).ok()?;
        other.epoch = Epoch(other.epoch.0.saturating_sub(1));
        Some(other.encode(slot))
    }
}

impl BlockDevice for OneSlot {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let Some(slot) = SUPERBLOCK_SLOTS.iter().position(|place| *place == at) else {
            return self.device.read(at, buffer);
        };
        self.device.read(SUPERBLOCK_SLOTS[0], buffer)?;
        if let Some(seen) = OneSlot::seen(buffer, slot) {
            buffer.copy_from_slice(&seen);
        }
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let place = if SUPERBLOCK_SLOTS.contains(&at) { SUPERBLOCK_SLOTS[0] } else { at };
        self.device.write(place, data)
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
