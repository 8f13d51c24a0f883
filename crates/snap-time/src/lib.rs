//! Time stamps (dm-thin): a block's time against that of its version's last snapshot says whether it may be shared, and counts
//! say whether it is.
//!
//! Invariant: a block that was mapped since its version was last snapshotted has one owner. The machine is
//! `spinney_snap_tree::counted`; this crate gives it its name, its rule and its format. Knows no allocator and no device.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]
#![no_std]
extern crate alloc;

mod entry;

pub use entry::ENTRY;

use spinney_snap_tree::{Counted, Rule};

/// Counts, and times beside them.
#[derive(Debug)]
pub struct Stamped;

impl Rule for Stamped {
    const MARK: u64 = u64::from_le_bytes(*b"thintim\x01");
    const STAMPS: bool = true;
}

/// The scheme. Make it with [`Counted::new`] or from [`ENTRY`], then `format` or `open`.
pub type Time = Counted<Stamped>;
