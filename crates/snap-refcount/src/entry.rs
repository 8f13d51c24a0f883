//! How the scheme presents itself.
//!
//! Invariant: constant data.

use crate::{Keeping, RefCount};
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

const LOG_REASON: &str = "Changes of counts that are gathered for each GiB of blocks before they go to the pages of counts, if they lie one by one (a change of a \
     run is one change, wherever it lies). After a snapshot of an aged volume a small commit changes a few counts on nearly every page \
     of counts; gathered, a page is written once for many of them, and what is raised and let go of meanwhile cancels out. The price is a look at up to \
     16 pages (cached as others are) when a block is let go of, and a write that finds the log full writes up to 256 pages of counts. Small commits gain, large ones touch all pages of counts anyway and \
     pay for the log. 0 is no log; 8,096 are 16 pages a GiB, a sixteenth of the pages of counts, and 32 changes for each page of counts that is \
     written; a multiple of 506 fills its pages.";
/// Counts go to their pages with the commit that changes them.
const NO_LOG: Parameter = Parameter::integer("log_changes", 0, LOG_REASON);
/// They go there in batches.
const LOG: Parameter = Parameter::integer("log_changes", 8096, LOG_REASON);

const STEPS_REASON: &str = "Steps that a page of counts takes before it is cut in halves, where counts are kept as ranges: a run of blocks with equal counts is one step, \
     and a page covers up to a GiB of blocks for as long as its steps fit; 0 keeps each block's count by itself. A volume that was laid out in \
     order then has a page of counts a GiB where it has 256 of single counts, so a small commit after a snapshot writes a few and not one or two for each leaf; one that is \
     aged throughout ends with single counts and a few pages more. Fewer steps than the 1,012 of a full page save nothing and are for tests.";
/// Each block's count by itself.
const NO_RANGES: Parameter = Parameter::integer("range_steps", 0, STEPS_REASON);
/// Runs of equal counts.
const RANGES_STEPS: Parameter = Parameter::integer("range_steps", 1012, STEPS_REASON);

/// The scheme's row of a registry.
pub const ENTRY: SchemeEntry = SchemeEntry {
    name: "refcount",
    summary: "hierarchical lazy reference counts: shared tree nodes, counts raised when a path is copied",
    paper: "Rodeh, B-trees, Shadowing, and Clones, IBM report H-0245, 2006 (ACM TOS 3(4), 2008)",
    parameters: &[FANOUT, IN_PLACE, NO_LOG, NO_RANGES],
    build: |settings| build(settings, &NO_LOG, &NO_RANGES),
};

/// The same with a log.
pub const LOGGED: SchemeEntry = SchemeEntry {
    name: "refcount-log",
    summary: "as refcount, with changes of counts gathered in a log on pages, where raises and releases cancel out",
    paper: "Rodeh, B-trees, Shadowing, and Clones, 2006; deferred counters after the abstract of his report RJ10464, 2010, and this project's design notes",
    parameters: &[FANOUT, IN_PLACE, LOG, NO_RANGES],
    build: |settings| build(settings, &LOG, &NO_RANGES),
};

/// The same with ranges.
pub const RANGES: SchemeEntry = SchemeEntry {
    name: "refcount-ranges",
    summary: "as refcount, with runs of blocks that have equal counts as one entry",
    paper: "Rodeh, B-trees, Shadowing, and Clones, 2006; counts for ranges as in XFS's reference count tree and ZFS's block cloning, after this project's design notes",
    parameters: &[FANOUT, IN_PLACE, NO_LOG, RANGES_STEPS],
    build: |settings| build(settings, &NO_LOG, &RANGES_STEPS),
};

fn build(settings: &Settings, log: &Parameter, ranges: &Parameter) -> Result<Box<dyn SnapshotScheme>> {
    let scheme = RefCount::new(settings.integer(&FANOUT), settings.switch(&IN_PLACE))?;
    let (log_changes, range_steps) = (settings.integer(log), settings.integer(ranges));
    Ok(Box::new(scheme.keeping(Keeping { log_changes, range_steps })?))
}
