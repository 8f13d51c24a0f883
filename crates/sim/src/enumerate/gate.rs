//! A device that stops answering at a flush, as it looks to a process that dies there while the device keeps its power.
//!
//! Invariant: until the flush that it was armed for it passes everything on; from then on, nothing.

use spinney_core::{BlockDevice, Error, Extent, Pba, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) struct Gate {
    below: Arc<dyn BlockDevice>,
    /// Flushes that are still passed on; 0 is shut.
    flushes: AtomicU64,
}

impl Gate {
    pub(super) fn new(below: Arc<dyn BlockDevice>) -> Gate {
        Gate { below, flushes: AtomicU64::new(u64::MAX) }
    }
    /// Pass on `flushes` more, then shut.
    pub(super) fn arm(&self, flushes: u64) {
        self.flushes.store(flushes + 1, Ordering::Relaxed);
    }
    /// Never shut.
    pub(super) fn disarm(&self) {
        self.flushes.store(u64::MAX, Ordering::Relaxed);
    }
    fn open(&self, operation: &'static str, at: Pba) -> Result<()> {
        let shut = self.flushes.load(Ordering::Relaxed) == 0;
        if shut { Err(Error::Io { operation, at, code: 5 }) } else { Ok(()) }
    }
}

impl BlockDevice for Gate {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.open("read", at)?;
        self.below.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.open("write", at)?;
        self.below.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        self.open("flush", Pba(0))?;
        if self.flushes.load(Ordering::Relaxed) != u64::MAX {
            self.flushes.fetch_sub(1, Ordering::Relaxed);
            self.open("flush", Pba(0))?;
        }
        self.below.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.open("discard", run.start)?;
        self.below.discard(run)
    }
}
