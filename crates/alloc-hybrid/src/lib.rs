#![doc = include_str!("../README.md")]
//!
//! Invariant: the indexes differ in what they choose, never in what is free. Knows no pages, no volume and no snapshot scheme.
#![cfg_attr(not(test), no_std)]
extern crate alloc;

mod avl;
mod btree2;
mod capped;
mod entry;
mod recent;
mod spill;
mod stupid;

pub use avl::{Avl, AvlTuning, OnMiss};
pub use btree2::{Btree2, Btree2Tuning};
pub use capped::{AvlIndex, Btree2Index, CappedIndex, Policy};
pub use entry::{AVL, BTREE2, HYBRID, STUPID};
pub use spill::Spill;
pub use stupid::StupidIndex;

// What an index is asked with, so that this crate alone will do.
pub use spinney_alloc::{FreeIndex, Want};
pub use spinney_core::{Extent, Pba};
