//! Free space in powers of two: buddy, slabs and vmem's instant fit over one bitmap.
//!
//! Invariant: the three differ in what they choose, never in what is free: the bit space is the same for all. Knows no pages, no
//! volume and no snapshot scheme.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod buddy;
mod index;
mod leaf;
mod slab;
mod vmem;

pub use buddy::{BUDDY, Buddy, BuddyIndex, Pieces};
pub use index::PowerIndex;
pub use slab::{SLAB, Slab, SlabIndex};
pub use vmem::{VMEM, Vmem, VmemIndex};

// What an index is asked with, so that this crate alone will do.
pub use spinney_alloc::{FreeIndex, Want};
pub use spinney_core::{Extent, Pba};
