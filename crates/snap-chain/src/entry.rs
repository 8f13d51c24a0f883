//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::Chain;
use alloc::boxed::Box;
use spinney_core::{Parameter, Result, Settings};
use spinney_snap::{SchemeEntry, SnapshotScheme};
use spinney_snap_tree::node::FANOUT_MAX;

const FANOUT: Parameter = Parameter::integer(
    "fanout",
    FANOUT_MAX,
    "Slots of an index node. More make a layer lower (fewer pages a lookup) and a layer with a few far blocks larger: each of \
     them has a leaf of its own. The default fills the page, since a half-empty page costs as much to write; small values exist so \
     that tests and figures of small volumes have interior levels.",
);
const INDEX: Parameter = Parameter::switch(
    "index",
    false,
    "Whether a volume keeps, beside its layer, where each block lies that it wrote itself, whatever layer has it by now. A lookup of \
     these blocks is as dear at any depth as at depth one; what the volume had when it was cloned is still looked for layer by layer. It \
     costs a second change of a map with each write, and twice the pages of maps. Off, since most chains are short, and since it is \
     the walk that other schemes are compared with.",
);
const IN_PLACE: Parameter = Parameter::switch(
    "in_place",
    false,
    "Whether blocks of a volume's own layer, which nobody else sees, are offered for overwriting, as the file formats do it. It saves \
     the allocation and keeps the layout, and gives up that a crash leaves either the old or the new content; a volume takes the \
     offer only if its own policy does without data checksums. Off, since a redirected write costs one slot change more and is safe.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "chain",
    summary: "layers over layers: a version maps what it wrote over its backing layer, and deleting a layer merges maps",
    paper: "qcow2's format document (backing files, zero flags); VMDK, FlexClone, RBD layering and Longhorn as read or recalled for the notes",
    parameters: &[FANOUT, INDEX, IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    let fanout = settings.integer(&FANOUT);
    Ok(Box::new(Chain::new(fanout, settings.switch(&INDEX), settings.switch(&IN_PLACE))?))
}
