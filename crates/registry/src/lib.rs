#![doc = include_str!("../README.md")]
//!
//! Invariant: a name means one thing; a pool made from a [`PoolSpec`] can be opened again from the text of that spec
//! alone. Registers nothing by itself: no linker tricks, an entry is a row in `table.rs`. Knows no config format.

mod error;
mod spec;
mod table;

pub use error::{RegistryError, nearest};
pub use spec::{AllocatorSpec, Choice, ONE_GROUP, PoolSpec};
pub use table::{AllocatorPreset, Entry, Registry, check_kind, resolved};
