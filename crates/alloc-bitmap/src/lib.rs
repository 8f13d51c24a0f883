#![doc = include_str!("../README.md")]
//!
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod areas;
mod bits;
mod bluestore;
mod cursor;
mod entry;
#[cfg(feature = "form")]
mod form;
mod full;
mod index;
mod leaves;
mod level;
mod recent;
#[cfg(feature = "roaring")]
mod roaring;
mod search;
mod tops;

pub use areas::{AREAS, AreaIndex, AreaTuning};
pub use bluestore::{BLUESTORE, BlueStoreIndex};
pub use cursor::{CURSOR, CursorIndex};
#[cfg(feature = "form")]
pub use entry::FORM;
pub use entry::INDEX;
#[cfg(feature = "form")]
pub use form::BitmapForm;
pub use index::{BitmapIndex, Fit};
#[cfg(feature = "roaring")]
pub use roaring::{ROARING, RoaringIndex, Walk};
