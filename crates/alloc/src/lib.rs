#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod allocator;
pub mod bit_space;
pub mod changes;
pub mod composed;
pub mod entry;
pub mod extents;
pub mod form;
pub mod free_view;
pub mod gang;
pub mod groups;
mod held;
pub mod index;
pub mod metrics;
pub mod reclaim;
pub mod run_set;
#[cfg(feature = "std")]
pub mod sharded;
pub mod want;

pub use allocator::{Allocator, Grant, SpaceStats};
pub use bit_space::BitSpace;
pub use changes::{Change, Changes};
pub use composed::Composed;
pub use entry::{AllocatorEntry, FormEntry, GroupsEntry, IndexEntry, ReclaimEntry};
pub use extents::ExtentSet;
pub use form::SpaceForm;
pub use free_view::FreeView;
pub use gang::Gang;
pub use groups::{Group, GroupChoice, Grouped};
pub use index::FreeIndex;
pub use reclaim::{FreeLog, Reclaim};
pub use run_set::RunSet;
#[cfg(feature = "std")]
pub use sharded::Sharded;
pub use want::{Class, Want};

// What its words are made of, so that this crate alone will do.
pub use spinney_core::{Effort, Extent, Flow, Pba};
