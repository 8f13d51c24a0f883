//! The snapshot-scheme contract: how versions of a volume share blocks, and who owns a block when.
//!
//! Invariant: the scheme decides, the volume acts. A scheme never allocates a data block, never sees a device, and
//! lets go of blocks by one channel only, [`Freed`]. Everything it knows stands on pages of its own, so the cost of a
//! scheme can be counted page by page.
#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

pub mod entry;
pub mod foretell;
pub mod freed;
pub mod plan;
pub mod relocation;
pub mod scheme;

pub use entry::SchemeEntry;
pub use freed::Freed;
pub use plan::{Step, WritePlan};
pub use relocation::Relocation;
pub use scheme::{Access, Delta, Limits, Progress, Run, SnapshotScheme, Usage, Version, Work};
