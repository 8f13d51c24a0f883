//! Free space as bits.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod bits;
mod class;
mod entry;
mod index;
mod leaves;
mod recent;
mod search;
mod sets;
mod tops;

pub use entry::INDEX;
pub use index::{BitmapIndex, Fit};
