//! A transactional page store on a block device, with an ordered map, a radix array and a log over its pages.

pub mod array;
mod fields;
pub mod log;

pub use array::RadixArray;
pub use log::PageLog;
