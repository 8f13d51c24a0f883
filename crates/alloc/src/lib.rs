//! The allocator contract, and the mechanism that every allocator shares.
//!
//! An allocator is three independent choices: a [`FreeIndex`] (in memory: which blocks), a [`SpaceForm`] (on pages:
//! how free space is kept) and a [`Reclaim`] policy (when freed blocks come back). [`Composed`] joins any three.
//!
//! Invariant: no released block is issued again before the epoch that released it is durable; only `Composed` knows
//! that order, so no index or form can get it wrong. Knows no volume, no snapshot scheme and no device.
#![no_std]
extern crate alloc;

pub mod allocator;
pub mod changes;
pub mod composed;
pub mod entry;
pub mod extents;
pub mod form;
pub mod index;
pub mod metrics;
pub mod reclaim;
pub mod want;

pub use allocator::{Allocator, Grant, SpaceStats};
pub use changes::{Change, Changes};
pub use composed::Composed;
pub use entry::{AllocatorEntry, FormEntry, IndexEntry, ReclaimEntry};
pub use extents::ExtentSet;
pub use form::SpaceForm;
pub use index::FreeIndex;
pub use reclaim::Reclaim;
pub use want::{Class, Want};
