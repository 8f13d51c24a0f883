//! A transactional page store on a block device, with an ordered map, a radix array and a log over its pages.

pub mod array;
mod fields;
pub mod log;
pub mod map;
pub mod store;

pub use array::RadixArray;
pub use log::PageLog;
pub use map::{Layout, OrderedMap, TypedMap};
pub use store::{PageStore, PageView, StoreOptions, StoreStats, Viewer};
