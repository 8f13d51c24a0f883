//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::SnapMap;
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
/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "snapmap",
    summary: "a bitmap of blocks for each version: free is what no map has; no lineage and no counts of blocks",
    paper: "Hitz, Lau and Malcolm, File System Design for an NFS File Server Appliance (WAFL), 1994; snapmaps and summary map as recalled in the notes",
    parameters: &[FANOUT],
    build,
};

fn build(settings: &Settings) -> Result<Box<dyn SnapshotScheme>> {
    Ok(Box::new(SnapMap::new(settings.integer(&FANOUT))?))
}
