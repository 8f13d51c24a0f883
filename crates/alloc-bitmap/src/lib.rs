#![doc = include_str!("../README.md")]
//!
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod bits;
mod entry;
#[cfg(feature = "form")]
mod form;
mod full;
mod index;
mod leaves;
mod level;
mod recent;
mod search;
mod tops;

#[cfg(feature = "form")]
pub use entry::FORM;
pub use entry::INDEX;
#[cfg(feature = "form")]
pub use form::BitmapForm;
pub use index::{BitmapIndex, Fit};
