//! Devices in virtual time: a mechanism says how long each request takes, a backing device holds the bytes.
//!
//! Invariant: time depends on the requests alone, never on content, backing or machine, so a model over memory and one over a file tell
//! the same nanoseconds. All arithmetic is in whole nanoseconds. One request (or batch) is served at a time: only a batch overlaps.

mod clock;
mod dirty;
mod fio;
mod fit;
mod fitted;
mod geometry;
mod hdd;
mod parameters;
mod predict;
mod sheet;
mod ssd;
mod untimed;

pub use clock::VirtualClock;
pub use fio::{FIO_BYTES_MAX, FioResult};
pub use fit::{Compared, compare, fit};
pub use fitted::{Fitted, median_and_worst, megabytes, percent};
pub use parameters::{
    DeviceParameters, HddParameters, MemoryParameters, PRESETS, Preset, SsdParameters, preset,
};
pub use predict::predict;
pub use sheet::{Access, Cell, DataSheet, DevicePart, Figure, SheetCell};

use crate::{bounds, sync};
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};
use std::sync::{Arc, Mutex};

/// A block device whose requests take virtual time.
pub trait TimedDevice: BlockDevice {
    /// Virtual time since it was built or reset; the completion of the last request.
    fn time_ns(&self) -> u64;
    /// Set the clock to zero and the mechanism to its state when built (head parked, caches empty). Content stays. Devices that
    /// share the clock must be reset with it.
    fn reset_time(&self);
}

/// The timed device that `parameters` describe, over `backing`, on a clock of its own. Errors: `BadSetting`.
pub fn build(parameters: &DeviceParameters, backing: Arc<dyn BlockDevice>) -> Result<Arc<dyn TimedDevice>> {
    build_on(parameters, backing, Arc::default())
}

/// The same on a clock that several devices share. Errors: `BadSetting`.
pub fn build_on(
    parameters: &DeviceParameters,
    backing: Arc<dyn BlockDevice>,
    clock: Arc<VirtualClock>,
) -> Result<Arc<dyn TimedDevice>> {
    parameters.validate()?;
    let blocks = backing.blocks();
    Ok(match parameters {
        DeviceParameters::Memory(_) => Arc::new(Modelled::new(untimed::Untimed, backing, clock)),
        DeviceParameters::Hdd(hdd) => Arc::new(Modelled::new(hdd::Hdd::new(hdd, blocks)?, backing, clock)),
        DeviceParameters::Ssd(ssd) => Arc::new(Modelled::new(ssd::Ssd::new(ssd, blocks), backing, clock)),
    })
}

/// What takes time. Each call is told the time of issue and returns the time of completion, which is no earlier. Runs are on the
/// device and not empty; issue times never fall.
trait Mechanism: Send {
    fn read(&mut self, now_ns: u64, runs: &[Extent]) -> u64;
    fn write(&mut self, now_ns: u64, runs: &[Extent]) -> u64;
    fn flush(&mut self, now_ns: u64) -> u64;
    fn discard(&mut self, now_ns: u64, run: Extent) -> u64;
    fn reset(&mut self);
}

/// Nanoseconds that `blocks` take at `mb_per_s` (megabytes of 10^6 bytes, as data sheets count).
fn transfer_ns(blocks: u64, mb_per_s: u64) -> u64 {
    blocks * BLOCK_BYTES as u64 * 1000 / mb_per_s
}

struct Modelled<M> {
    backing: Arc<dyn BlockDevice>,
    clock: Arc<VirtualClock>,
    mechanism: Mutex<M>,
}

impl<M: Mechanism> Modelled<M> {
    fn new(mechanism: M, backing: Arc<dyn BlockDevice>, clock: Arc<VirtualClock>) -> Modelled<M> {
        Modelled { backing, clock, mechanism: Mutex::new(mechanism) }
    }
    fn run(&self, at: Pba, bytes: usize) -> Result<Extent> {
        let blocks = bounds::request(self.blocks(), at, bytes)?;
        Ok(Extent { start: at, blocks })
    }
    /// Serve and wait. The lock spans both, so that threads queue up behind each other in virtual time too.
    fn wait(&self, serve: impl FnOnce(&mut M, u64) -> u64) {
        let mut mechanism = sync::lock(&self.mechanism);
        let done = serve(&mut mechanism, self.clock.now_ns());
        self.clock.advance_to(done);
    }
    fn wait_for(&self, runs: &mut Vec<Extent>, serve: impl FnOnce(&mut M, u64, &[Extent]) -> u64) {
        runs.retain(|run| run.blocks > 0);
        if !runs.is_empty() {
            self.wait(|mechanism, now| serve(mechanism, now, runs));
        }
    }
}

impl<M: Mechanism> BlockDevice for Modelled<M> {
    fn blocks(&self) -> u64 {
        self.backing.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.wait_for(&mut vec![self.run(at, buffer.len())?], M::read);
        self.backing.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.wait_for(&mut vec![self.run(at, data.len())?], M::write);
        self.backing.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        self.wait(M::flush);
        self.backing.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks(), run)?;
        if run.blocks > 0 {
            self.wait(|mechanism, now| mechanism.discard(now, run));
        }
        self.backing.discard(run)
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        let runs: Result<Vec<Extent>> =
            reads.iter().map(|(at, buffer)| self.run(*at, buffer.len())).collect();
        self.wait_for(&mut runs?, M::read);
        self.backing.read_many(reads)
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        let runs: Result<Vec<Extent>> = writes.iter().map(|(at, data)| self.run(*at, data.len())).collect();
        self.wait_for(&mut runs?, M::write);
        self.backing.write_many(writes)
    }
}

impl<M: Mechanism> TimedDevice for Modelled<M> {
    fn time_ns(&self) -> u64 {
        self.clock.now_ns()
    }
    fn reset_time(&self) {
        let mut mechanism = sync::lock(&self.mechanism);
        mechanism.reset();
        self.clock.reset();
    }
}

#[cfg(test)]
mod tests;
