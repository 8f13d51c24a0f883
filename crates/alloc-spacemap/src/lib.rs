//! Space maps: extents by address and by size with dynamic fit, an append-only condensed log, and regions that have one each.
//!
//! Invariant: whichever half is used alone keeps its contract: [`RangeIndex`] needs no pages, the form takes any index.
//! Knows no volume and no snapshot scheme.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

#[cfg(feature = "form")]
pub mod form;
pub mod index;
#[cfg(feature = "form")]
pub mod metaslab;
pub mod policy;
#[cfg(feature = "form")]
mod record;

#[cfg(feature = "form")]
pub use form::{Condense, FORM, SpaceMapForm};
pub use index::RangeIndex;
#[cfg(feature = "form")]
pub use metaslab::{METASLAB, MetaslabTuning, Metaslabs, ZFS};
pub use policy::{INDEX, Policy, Tuning};

// What an index is asked with, so that this crate alone will do.
pub use spinney_alloc::{FreeIndex, Want};
pub use spinney_core::{Extent, Pba};
