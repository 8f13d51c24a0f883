//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::KeyVersions;
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};

const IN_PLACE: Parameter = Parameter::switch(
    "in_place",
    false,
    "Whether a block whose key is of the version's own node, so that nobody else sees it, is offered for overwriting. It saves the \
     allocation and keeps the layout, and gives up that a crash leaves either the old or the new content; a volume takes the \
     offer only if its own policy does without data checksums. Off, since a redirected write costs one key change more and is safe.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "keyver",
    summary: "key versions: one tree of keys of address and snapshot; a version sees the nearest key above it, and nothing is counted",
    paper: "bcachefs (snapshot documentation and sources of its tools, as read for the notes); jump pointers after Myers, 1983",
    parameters: &[IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(KeyVersions::new(settings.switch(&IN_PLACE))))
}
