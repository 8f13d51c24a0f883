//! Copies of data that a scheme wishes for in the background: it sees only where data lies, so the volume makes them.
//!
//! Invariant: a wish changes no content. It may go unfulfilled, so nothing that must hold depends on it.

use crate::WritePlan;
use spinney_core::{DevId, Pba};

/// Blocks of one version to be copied to fresh ones, all in one run or not at all.
#[derive(Debug)]
pub struct Relocation {
    /// The version. It may be written.
    pub dev: DevId,
    /// `Relocate` steps only, in the order in which the copies are to lie; no block twice.
    pub plan: WritePlan,
    /// Exactly there, if these blocks are free; anywhere if not given.
    pub to: Option<Pba>,
}
