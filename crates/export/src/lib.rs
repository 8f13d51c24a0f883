//! Serving a pool's volumes and snapshots to clients that know nothing of it.
//!
//! Invariant: what comes from a client is untrusted: every length is bounded before memory is taken for it, and the worst that a client
//! can do is lose its own connection. Knows no allocator, no scheme and no file.
#![doc = include_str!("../README.md")]

mod activity;
#[cfg(feature = "fuse")]
pub mod fuse;
pub mod nbd;
mod store;
mod watch;

pub use activity::{Activity, Kind, Tally, UnderWay};
pub use store::{Export, Store, User};
pub use watch::{Seen, Watcher, What};
