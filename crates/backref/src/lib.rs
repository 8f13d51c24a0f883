//! Backlog: log-structured back references, in sorted runs on pages that are never changed in place.
//!
//! Invariant: a query answers as a walk over the maps of all live versions would. Whoever owns the maps tells of every
//! reference that begins or ends; nothing here reads a map. Knows no device, no scheme and no allocator.
#![doc = include_str!("../README.md")]

mod check;
mod commit;
mod compact;
mod cursor;
mod filter;
mod gather;
mod index;
mod journal;
mod leaf;
mod lines;
mod merge;
mod owners;
mod references;
mod rle;
mod row;
mod run;
mod write_store;
mod writer;

pub use owners::{Owner, QueryCost};
pub use references::{BackReferences, BackrefOptions, BackrefStats, COMPACT_COMMITS, PARTITION_BLOCKS};

#[cfg(doc)]
#[doc = include_str!("../FORMAT.md")]
pub mod format {}
