//! How many pages a piece of work may touch.
//!
//! Invariant: never less than what the work touches. Where leaves of the tree of keys may split or merge it is done on a copy: the
//! keys that a write puts do not depend on where its blocks lie, nor on how many pieces it comes in.

use crate::change::Change;
use crate::state::{Head, State};
use spinney_core::{DevId, Flow, LbaRange, PageRead, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::Rehearsal;

/// The anchor.
const ANCHOR: u64 = 1;
/// Writes of more blocks than this are always rehearsed: a leaf for each would say too much.
const BLOCKS_COUNTED: u64 = 8;

/// `create`: a version, a node.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    let node = DevId(state.next_node(pages)?.0);
    Ok(ANCHOR + state.versions.pages_bound(state.next_dev(pages)?) + state.nodes.0.pages_bound(node))
}

/// `snapshot`: two versions, three nodes.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    let (head, next) = (state.head(of, pages)?, state.next_node(pages)?.0);
    let nodes = [head.node.0, next, next.saturating_add(1)].map(DevId);
    let versions = state.versions.pages_bound_of([of, state.next_dev(pages)?]);
    Ok(ANCHOR + versions + state.nodes.0.pages_bound_of(nodes))
}

/// `delete`: a version, a node, the sweep of an inode.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    let head = state.head(dev, pages)?;
    let sweep = state.sweeps.pages_bound(DevId(head.inode));
    Ok(ANCHOR + sweep + state.versions.pages_bound(dev) + state.nodes.0.pages_bound(DevId(head.node.0)))
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn change(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    pages: &dyn PageRead,
) -> Result<u64> {
    let head = state.head(dev, pages)?;
    head.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    if !unmap && range.blocks <= BLOCKS_COUNTED && says_all(state, &head, range, pages)? {
        let node = state.nodes.0.pages_bound(DevId(head.node.0));
        return Ok(range.blocks + state.versions.pages_bound(dev) + node);
    }
    let mut rehearsal = Rehearsal::new(pages);
    let mut freed = Freed::default();
    let mut change = Change::new(*state, head, &mut rehearsal, &mut freed);
    if unmap {
        change.unmap(range)?
    } else {
        change.map(range, Pba(0))?
    }
    Ok(rehearsal.touched())
}

/// Whether the version's own node says something of each block: then only what is said changes.
fn says_all(state: &State, head: &Head, range: LbaRange, pages: &dyn PageRead) -> Result<bool> {
    let mut own = 0;
    state.keys.visit(head.inode, range, pages, &mut |_, group| {
        own += u64::from(group.of(head.node).is_some());
        Ok(Flow::Continue)
    })?;
    Ok(own == range.blocks)
}

/// `tend`, done on a copy.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    if state.jobs(pages)? == 0 {
        return Ok(0);
    }
    let mut rehearsal = Rehearsal::new(pages);
    crate::tend::tend(state, budget, &mut rehearsal, &mut Freed::default())?;
    Ok(rehearsal.touched())
}
