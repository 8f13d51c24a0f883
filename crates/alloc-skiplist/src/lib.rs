//! Free extents in two skip lists.
//!
//! Invariant: both lists hold the same runs after every call. Knows no pages, no volume and no snapshot scheme.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod index;
pub mod skip_list;

pub use index::{Fit, INDEX, SkipIndex};
pub use skip_list::SkipList;

// What an index is asked with, so that this crate alone will do.
pub use spinney_alloc::{FreeIndex, Want};
pub use spinney_core::{Extent, Pba};
