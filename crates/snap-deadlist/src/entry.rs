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

const LIVELISTS: Parameter = Parameter::switch(
    "livelists",
    false,
    "Whether a clone lists what it makes (ZFS: livelists), so that deleting it reads its lists and none of its nodes: some 200 entries \
     a page, where a node that was copied for one block is a page read for that block. It costs each write to a clone a key for the \
     block that comes and one for the block that goes, on pages that the write would not touch. Worth it for many clones that are \
     written here and there and thrown away; off, since a tree whose nodes know their births is walked only where the clone wrote.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "deadlist",
    summary: "birth epochs and dead lists: a write copies its path and touches nothing beside it, a delete reads lists and no tree",
    paper: "ZFS (OpenZFS sources: dsl_dataset, dsl_deadlist, as read for the notes); Ahrens, How ZFS snapshots really work, 2011",
    parameters: &[FANOUT, LIVELISTS, IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    let scheme = DeadList::new(settings.integer(&FANOUT), settings.switch(&IN_PLACE))?;
    Ok(Box::new(if settings.switch(&LIVELISTS) { scheme.with_livelists() } else { scheme }))
}
