//! Space maps: extents by address and by size with dynamic fit, and an append-only condensed log.
//!
//! Invariant: whichever half is used alone keeps its contract: [`RangeIndex`] needs no pages, the form takes any index.
//! Knows no volume and no snapshot scheme.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

#[cfg(feature = "form")]
pub mod form;
pub mod index;
pub mod policy;
#[cfg(feature = "form")]
mod record;

#[cfg(feature = "form")]
pub use form::{Condense, FORM, SpaceMapForm};
pub use index::RangeIndex;
pub use policy::{INDEX, Policy, Tuning};
