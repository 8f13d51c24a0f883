//! Hierarchical lazy reference counts (Rodeh 2006): a tree for each version, whose nodes are shared until they are written.
//!
//! Invariant: a node's or block's stored count is the number of pointers at it beyond the first. The machine is
//! `spinney_snap_tree::counted`; this crate gives it its name and its format. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]

mod entry;

pub use entry::{ENTRY, LOGGED, RANGES};
pub use spinney_snap_tree::Keeping;

use spinney_snap_tree::{Counted, Rule};

/// Counts and nothing else.
#[derive(Debug)]
pub struct Plain;

impl Rule for Plain {
    const MARK: u64 = u64::from_le_bytes(*b"refcnt\x01\0");
    const STAMPS: bool = false;
}

/// The scheme. Make it with [`Counted::new`] or from [`ENTRY`], then `format` or `open`.
pub type RefCount = Counted<Plain>;
