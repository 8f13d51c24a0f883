//! Names of volumes and snapshots, and what is done by name: create, snapshot, clone, rename, roll back, promote, destroy.
//!
//! Invariant: each of these is one step of one epoch: after a crash it has wholly happened or not at all. A version that lost its
//! name is doomed in the same step and deleted after it, so none is left behind without a name. Works with any scheme,
//! since a scheme knows versions and no names; versions that the crate's other calls make have none.

mod change;
mod look;
mod name;
mod reap;
mod table;

pub use look::Named;
pub use name::{NAME_BYTES_MAX, Name};
pub(crate) use table::Table;
