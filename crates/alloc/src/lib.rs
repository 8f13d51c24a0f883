#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

pub mod allocator;
pub mod changes;
pub mod composed;
mod deferred;
pub mod entry;
pub mod extents;
pub mod form;
pub mod groups;
pub mod index;
pub mod metrics;
pub mod reclaim;
pub mod want;

pub use allocator::{Allocator, Grant, SpaceStats};
pub use changes::{Change, Changes};
pub use composed::Composed;
pub use entry::{AllocatorEntry, FormEntry, GroupsEntry, IndexEntry, ReclaimEntry};
pub use extents::ExtentSet;
pub use form::SpaceForm;
pub use groups::{Group, GroupChoice, Grouped};
pub use index::FreeIndex;
pub use reclaim::Reclaim;
pub use want::{Class, Want};
