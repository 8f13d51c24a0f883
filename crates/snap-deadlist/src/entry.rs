//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::DeadList;
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};
use spinney_snap_tree::node::FANOUT_MAX;

const FANOUT: Parameter = Parameter::integer(
    "fanout",
    FANOUT_MAX,
    "Slots of an index node. More make the tree lower (fewer pages a lookup and a commit) and the first write after a \
     snapshot larger: a node is copied for each slot that is written. The default fills the \
     page, since a half-empty page costs as much to write; small values exist so that tests and figures of small volumes \
     have interior levels.",
);
const IN_PLACE: Parameter = Parameter::switch(
    "in_place",
    false,
    "Whether a block that has one owner all along its path is offered for overwriting. It saves the allocation and keeps \
     the layout, and gives up that a crash leaves either the old or the new content; a volume takes the offer only if \
     its own policy does without data checksums. Off, since a redirected write costs one slot change more and is safe.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "deadlist",
    summary: "birth epochs and dead lists: a write copies its path and touches nothing beside it, a delete reads lists and no tree",
    paper: "ZFS (OpenZFS sources: dsl_dataset, dsl_deadlist, as read for the notes); Ahrens, How ZFS snapshots really work, 2011",
    parameters: &[FANOUT, IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(DeadList::new(settings.integer(&FANOUT), settings.switch(&IN_PLACE))?))
}
