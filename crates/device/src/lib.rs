//! Things that are block devices: memory, file, sets of several, modelled disks in virtual time, crash, fault, meter, recorder.
//!
//! Invariant: a wrapper changes when, whether or as what a request happens, never what a completed request means. Knows
//! nothing of pages, allocators or volumes.
#![doc = include_str!("../README.md")]

mod bounds;
mod sync;

pub mod crash;
pub mod fate;
pub mod fault;
pub mod file;
pub mod holding;
pub mod log_writes;
pub mod memory;
pub mod meter;
pub mod model;
pub mod recorder;
pub mod set;

#[cfg(doc)]
#[doc = include_str!("../FORMAT.md")]
pub mod format {}

#[cfg(test)]
mod tests;

mod aligned;
#[cfg(feature = "io-uring")]
mod ring;

pub use crash::{CrashDevice, FlushEpoch, PendingWrite};
pub use fate::{Fate, SECTOR_BYTES, choices, random_choices, tears};
pub use fault::{Fault, FaultDevice, FaultKind, Repeat};
pub use file::{Engine, FileDevice};
pub use holding::HoldingDevice;
pub use log_writes::write_log;
pub use memory::MemoryDevice;
pub use meter::{IoCounts, MeterDevice};
pub use model::{DeviceParameters, TimedDevice, VirtualClock, build};
pub use recorder::{CsvSink, RecorderDevice, RequestKind, RequestRecord};
