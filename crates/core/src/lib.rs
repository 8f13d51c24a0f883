//! The words and seams of spinney: addresses, errors, and the traits that layers meet at.
//!
//! Invariant: nothing here decides, stores or orders anything; every other crate may depend on this one, and this
//! one depends on none. It deliberately knows no allocator, no snapshot scheme, no clock and no thread.
#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

pub mod address;
pub mod device;
pub mod effort;
pub mod error;
pub mod finding;
pub mod page;
pub mod root;
pub mod settings;

pub use address::{BLOCK_BYTES, DevId, Epoch, Extent, Lba, LbaRange, PageNo, Pba};
pub use device::{BlockDevice, Healed};
pub use effort::{Effort, Flow};
pub use error::{Error, Place, Result};
pub use finding::Finding;
pub use page::{
    PAGE_HEADER_BYTES, PAYLOAD_BYTES, PageBuf, PageKind, PageRead, PageRef, PageTxn, Payload, Tally, look,
};
pub use root::{ROOT_BYTES_MAX, Root};
pub use settings::{Fallback, Parameter, Setting, Settings};
