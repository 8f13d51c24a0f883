//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::RefCount;
use spinney_core::{Parameter, Result, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};
use spinney_snap_tree::node::FANOUT_MAX;

const FANOUT: Parameter = Parameter::integer(
    "fanout",
    FANOUT_MAX,
    "Slots of an index node. More make the tree lower (fewer pages a lookup and a commit) and the first write after a \
     snapshot dearer: each slot beside the written one gains an owner, which is a count to raise. The default fills the \
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
    name: "refcount",
    summary: "hierarchical lazy reference counts: shared tree nodes, counts raised when a path is copied",
    paper: "Rodeh, B-trees, Shadowing, and Clones, IBM report H-0245, 2006 (ACM TOS 3(4), 2008)",
    parameters: &[FANOUT, IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(RefCount::new(settings.integer(&FANOUT), settings.switch(&IN_PLACE))?))
}
