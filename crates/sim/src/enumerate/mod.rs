//! Exhaustive crash states of small workloads: every sequence of a few operations, cut at every flush in every way that the bounds
//! list (CrashMonkey's and ACE's method for volumes; RELIABILITY sections 3.2 and 3.3).
//!
//! Invariant: nothing is drawn by chance that the plan does not fix, so a search gives the same counts on any machine, and a failing
//! state is a [`Case`] of a few lines. Pairs come from the registry; no allocator or scheme is named here.

mod case;
mod choices;
pub mod command;
mod contents;
mod gate;
mod judge;
pub mod operation;
mod search;
mod seen;
mod world;

pub use case::{Case, Cut};
pub use operation::{ALPHABET, Operation, Role};
pub use search::{Counts, Finding, Plan, Search, enumerate};
