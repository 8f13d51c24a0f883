//! Twin ordered maps with best fit, and their tree form.
//!
//! Invariant: whichever half is used alone keeps its contract: [`TwinIndex`] needs no pages, the form takes any index.
//! Knows no volume and no snapshot scheme.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

#[cfg(feature = "form")]
pub mod form;
#[cfg(feature = "form")]
pub mod free_space;
pub mod index;
pub mod near;
#[cfg(feature = "form")]
mod tree;

#[cfg(feature = "form")]
pub use form::{ExtentTreeForm, FORM};
#[cfg(feature = "form")]
pub use free_space::{FREE_SPACE_TREE, FreeSpaceTreeForm};
pub use index::{INDEX, Tie, TwinIndex};
pub use near::{NEAR, NearIndex, Walk};

// What an index is asked with, so that this crate alone will do.
pub use spinney_alloc::{FreeIndex, Want};
pub use spinney_core::{Extent, Pba};
