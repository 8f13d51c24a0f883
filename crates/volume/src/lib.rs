//! The pool: volumes, snapshots and clones on one device, kept by any allocator and any snapshot scheme.
//!
//! Invariant: what the superblock reaches is never overwritten, so a power cut at any moment leaves the last durable
//! epoch whole. The order of a commit stands in `commit.rs` and nowhere else. Depends on the contracts of allocators
//! and schemes only; it names none of them, and knows no workload, no export and no clock.
#![doc = include_str!("../README.md")]

mod check;
mod checksum;
mod commit;
mod copies;
mod discard;
mod import;
mod jumps;
mod kind;
mod layout;
mod limits;
mod log;
mod names;
mod open;
mod options;
mod owners;
mod pieces;
mod pool;
mod read;
mod relocate;
mod room;
mod scrub;
mod segment_table;
mod segments;
mod slots;
mod stats;
mod superblock;
mod versions;
mod write;

pub use check::Report;
pub use kind::{ChecksumKey, ChecksumKind};
pub use layout::Layout;
pub use limits::VolumeLimits;
pub use log::{LogEntry, LogRecord};
pub use names::{NAME_BYTES_MAX, Name, Named};
pub use options::{Placement, PoolOptions};
pub use pool::{Parts, Pool};
pub use read::Reader;
pub use scrub::{Scrub, ScrubProgress};
pub use segment_table::SegmentTable;
pub use stats::PoolStats;
pub use superblock::{SUPERBLOCK_MAGIC, SUPERBLOCK_SLOTS, Superblock};

#[cfg(doc)]
#[doc = include_str!("../FORMAT.md")]
pub mod format {}

#[cfg(doc)]
#[doc = include_str!("../CONTRACT.md")]
pub mod contract {}
