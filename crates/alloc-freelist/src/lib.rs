//! LMDB's free list as an allocator.
//!
//! Invariant: it is an [`spinney_alloc::Allocator`] whole, since its queue is the idea. Knows no volume and no snapshot scheme.
#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]
extern crate alloc;

pub mod allocator;
mod records;
mod tree;

pub use allocator::{ALLOCATOR, FreeList};
