//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::Eager;
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};
use spinney_snap_tree::node::FANOUT_MAX;

const FANOUT: Parameter = Parameter::integer(
    "fanout",
    FANOUT_MAX,
    "Slots of a table. More make the first level smaller, which each snapshot copies whole, and the first write after it larger: a \
     table is copied for each slot that is written. The default fills the page, since a half-empty page costs as much to write; \
     small values exist so that tests and figures of small volumes have several levels.",
);
const IN_PLACE: Parameter = Parameter::switch(
    "in_place",
    false,
    "Whether a block whose flag says that it has one owner is offered for overwriting, as the original does it. It saves the \
     allocation and keeps the layout, and gives up that a crash leaves either the old or the new content; a volume takes the offer only if \
     its own policy does without data checksums. Off, since a redirected write costs one slot change more and is safe.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "eager",
    summary: "eager counts: a snapshot copies the first level and counts every table and block; a flag saves the looks at counts",
    paper: "qcow2's format document (internal snapshots, refcount blocks, COPIED), as read for the notes",
    parameters: &[FANOUT, IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(Eager::new(settings.integer(&FANOUT), settings.switch(&IN_PLACE))?))
}
