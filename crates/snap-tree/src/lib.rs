//! What snapshot schemes that keep a tree for each version share: radix index nodes on pages with lookup and diff, the
//! catalogue of versions, and counts of owners.
//!
//! Invariant: but for `counted`, nothing here decides who owns a block; that is the scheme. Everything stands on pages, and handles hold
//! page numbers that never change, so an older view is read through the same handles.
#![doc = include_str!("../README.md")]
#![doc = include_str!("../FORMAT.md")]

pub mod ahead;
pub mod anchor;
pub mod catalogue;
mod count_log;
pub mod counted;
pub mod counts;
pub mod diff;
mod form;
pub mod node;
pub mod owners;
pub mod plan;
mod ranges;
pub mod rehearsal;
pub mod shape;
pub mod slot;
pub mod sparse;
mod steps;
pub mod tree;

pub use ahead::Ahead;
pub use anchor::Anchor;
pub use catalogue::{Catalogue, Record};
pub use count_log::{CountLog, LOG_CHANGES_MAX};
pub use counted::{Counted, Keeping, Rule};
pub use counts::Counts;
pub use diff::{Deltas, diff};
pub use node::{Node, Position};
pub use owners::Owners;
pub use rehearsal::Rehearsal;
pub use shape::Shape;
pub use slot::Slot;
pub use sparse::{SPARSE_WORDS, Sparse};
pub use tree::{NumberRuns, Runs, Stretch, Tree};
