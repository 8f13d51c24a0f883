//! A transactional page store on a block device, with an ordered map, a radix array and a log over its pages.
//!
//! Invariant: a structure here sees pages through `PageRead` and `PageTxn` only; the store alone knows the device. None
//! of them knows allocators, snapshots or volumes.
//!
#![doc = include_str!("../README.md")]

pub mod array;
mod fields;
pub mod log;
pub mod map;
pub mod store;

pub use array::RadixArray;
pub use log::PageLog;
pub use map::{Layout, OrderedMap, TypedMap};
pub use store::{KindCounts, PageStore, PageView, StoreOptions, StoreStats, Viewer};
