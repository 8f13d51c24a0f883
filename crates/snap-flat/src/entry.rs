//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::Flat;
use spinney_core::{Result, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};

/// The scheme's row of a registry. There is nothing to set: a scheme to compare with should have no dial.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "flat",
    summary: "flat reference counts: a snapshot copies the whole map and counts every block; slow, obviously right",
    paper: "the baseline that Rodeh, B-trees, Shadowing, and Clones, IBM report H-0245, 2006 (ACM TOS 3(4), 2008), section 1, starts from",
    parameters: &[],
    build,
};

fn build(_: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(Flat::new()))
}
