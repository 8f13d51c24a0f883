//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::Time;
use alloc::boxed::Box;
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
    true,
    "Whether a block that was mapped since its version's last snapshot is offered for overwriting, as dm-thin does: one comparison, \
     no count is read. It is on, since the times are there for it; a volume takes the offer only if its own policy overwrites, and \
     redirects otherwise. Off, every write goes elsewhere, and the times only save looking up the counts of what is let go of.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "time",
    summary: "time stamps over reference counts: what was mapped since the last snapshot is surely unshared, the rest maybe",
    paper: "dm-thin (Thornber; Linux, dm-thin-metadata.c as read for the notes, and its thin-provisioning document)",
    parameters: &[FANOUT, IN_PLACE],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(Time::new(settings.integer(&FANOUT), settings.switch(&IN_PLACE))?))
}
