//! How the schemes present themselves.
//!
//! Invariant: constant data.

use crate::{Encoding, GcTree};
use spinney_core::{Parameter, Result, Settings};
use spinney_snap::SchemeEntry;
use spinney_snap_tree::node::FANOUT_MAX;

const FANOUT: Parameter = Parameter::integer(
    "fanout",
    FANOUT_MAX,
    "Slots of an index node. More make the tree lower (fewer pages a lookup and a commit); unlike with counts, the first \
     write after a snapshot does not get dearer by it, since no child of a copied node is touched. The default fills the \
     page, since a half-empty page costs as much to write; small values exist so that tests and figures of small volumes \
     have interior levels.",
);
const SWEEP_PERCENT: Parameter = Parameter::integer(
    "sweep_percent",
    12,
    "How much of what a hidden anchor owns its heads may have dropped before the anchor is looked through for garbage. \
     Each sweep visits the anchor's own nodes and those of its children beside them, so half the share is twice the \
     visits. 12 is the eighth of the design, which expects garbage below 15 % of live data; over the histories of the tests it \
     is 0.03 % on average and at most 3.5 %. 0 looks after every write that drops something, and then there is no garbage at all.",
);
const IN_PLACE: Parameter = Parameter::switch(
    "in_place",
    false,
    "Whether a block that was born since the version was last snapshotted, and so has one owner, is offered for overwriting. It saves the \
     allocation and keeps the layout, and gives up that a crash leaves either the old or the new content; a volume takes the offer \
     only if its own policy does without data checksums. Off, since a redirected write costs one slot change more and is safe.",
);

/// Birth epochs: the default.
pub const EPOCHS: SchemeEntry = SchemeEntry {
    name: "gct-e",
    summary: "GCTrees by birth epochs: who owns a block follows from when it was born; a delete writes no other version",
    paper: "Dragga and Santry, GCTrees, MSST 2015 (ACM TOS 12(1), 2016); writable clones after this project's design notes",
    parameters: &[FANOUT, SWEEP_PERCENT, IN_PLACE],
    build: |settings| {
        let scheme = scheme(Encoding::Epochs, settings)?;
        Ok(Box::new(if settings.switch(&IN_PLACE) { scheme.offering_in_place() } else { scheme }))
    },
};
/// Borrowed bits, as in the paper.
pub const BITS: SchemeEntry = SchemeEntry {
    name: "gct",
    summary: "GCTrees by borrowed bits: one bit a slot says whether an older version owns the block",
    paper: "Dragga and Santry, GCTrees, MSST 2015 (ACM TOS 12(1), 2016); writable clones after this project's design notes",
    parameters: &[FANOUT, SWEEP_PERCENT],
    build: |settings| Ok(Box::new(scheme(Encoding::Bits, settings)?)),
};

/// Counted slots: exact.
pub const COUNTED: SchemeEntry = SchemeEntry {
    name: "gct-c",
    summary: "GCTrees by borrowed bits, exact: what several clones borrow from a deleted version they own together, counted",
    paper: "Dragga and Santry, GCTrees, MSST 2015 (ACM TOS 12(1), 2016); counted slots after this project's design notes",
    parameters: &[FANOUT],
    build: |settings| Ok(Box::new(GcTree::new(Encoding::Counted, settings.integer(&FANOUT), 0)?)),
};

fn scheme(encoding: Encoding, settings: &Settings) -> Result<GcTree> {
    GcTree::new(encoding, settings.integer(&FANOUT), settings.integer(&SWEEP_PERCENT))
}
