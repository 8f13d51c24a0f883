#![doc = include_str!("../README.md")]
//!
#![doc = include_str!("../FORMAT.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod areas;
mod bits;
mod bluestore;
#[cfg(feature = "form")]
pub mod counted;
mod cursor;
mod entry;
#[cfg(feature = "form")]
mod form;
mod full;
mod index;
mod leaves;
mod level;
mod old_and_new;
#[cfg(feature = "form")]
mod pieces;
mod recent;
#[cfg(feature = "roaring")]
mod roaring;
mod search;
mod tops;

pub use areas::{AREAS, AreaIndex, AreaTuning};
pub use bluestore::{BLUESTORE, BlueStoreIndex};
#[cfg(feature = "form")]
pub use counted::{COUNTED, CountedBitmap, CountedForm};
pub use cursor::{CURSOR, CursorIndex};
#[cfg(feature = "form")]
pub use entry::FORM;
pub use entry::INDEX;
#[cfg(feature = "form")]
pub use form::BitmapForm;
pub use index::{BitmapIndex, Fit};
pub use old_and_new::OldAndNew;
#[cfg(feature = "roaring")]
pub use roaring::{ROARING, RoaringIndex, Walk};

// What an index is asked with, so that this crate alone will do.
pub use spinney_alloc::{FreeIndex, Want};
pub use spinney_core::{Extent, Pba};
