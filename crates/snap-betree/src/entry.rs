//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::{Betree, Settings};
use alloc::boxed::Box;
use spinney_core::{Parameter, Result};
use spinney_snap::{SchemeEntry, SnapshotScheme};
use spinney_snap_tree::node::FANOUT_MAX;

const FANOUT: Parameter = Parameter::integer(
    "fanout",
    FANOUT_MAX,
    "B, the slots of a leaf. An inner node has sqrt(B) children, and its other words are a buffer of B/2 messages less half of these, so a \
     flush moves sqrt(B)/2 messages or more: half the exponent of a Be-tree. The default fills the page (22 children, 241 messages); small \
     values exist so that tests and figures of small volumes have interior levels.",
);
const GOTO_MAX: Parameter = Parameter::integer(
    "goto_max",
    4,
    "Nodes that a line of GOTOs may lead to. The first write to a version that shares its root begins a node in front of it, which counts \
     nothing; a longer line lets more generations of clones do so before one copies its root (its children and messages get an owner \
     more each), and costs a lookup one page more for each. 0 copies at once; at most 16. Four let a lookup read five nodes a level at \
     worst; the number is a choice, not measured.",
);
const HIDDEN_PERCENT: Parameter = Parameter::integer(
    "hidden_percent",
    10,
    "How many data blocks may be held for messages that were written over them and have not reached their leaf, in percent of all that are held. \
     Beyond it background work brings messages down, which copies the leaves that clones share for less than a full batch. More saves \
     such copies and takes space; 0 lands all in the background of the next commit, so that space is exact whenever nothing is left to do. \
     By arithmetic the full buffers of one volume hide a fiftieth of it or so, so 10 cleans only what many clones with few \
     writes each hide; it is not measured.",
);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "betree",
    summary: "write-buffered maps (Be-trees): a clone is a GOTO in front of a shared root, a flush into a shared node copies it",
    paper: "Zhan et al., How to Copy Files, FAST 2020 (ACM TOS 17(1), 2021); Brodal and Fagerberg, Lower Bounds for External Memory Dictionaries, SODA 2003",
    parameters: &[FANOUT, GOTO_MAX, HIDDEN_PERCENT],
    build,
};

fn build(settings: &spinney_core::Settings) -> Result<Box<dyn SnapshotScheme>> {
    let settings = Settings {
        fanout: settings.integer(&FANOUT),
        goto_max: settings.integer(&GOTO_MAX),
        hidden_percent: settings.integer(&HIDDEN_PERCENT),
    };
    Ok(Box::new(Betree::new(settings)?))
}
