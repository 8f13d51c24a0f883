//! How many pages a piece of work may touch.
//!
//! Invariant: never less than what the work touches. For a write it follows from sizes and a few records: since no child of a
//! copied node is touched, the nodes of a range are all there is. Where there are counts it is done on a copy.

use crate::change;
use crate::member::{Member, Stage};
use crate::sharing::Sharing;
use crate::state::State;
use spinney_core::{DevId, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Rehearsal, Slot};

/// The anchor.
const ANCHOR: u64 = 1;

/// `create`.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?))
}

/// `snapshot`: up to two new records, and those whose links change.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    let next = state.next_dev(pages)?;
    let Member { parent, previous, next: beside, first_child, .. } = state.live(of, pages)?;
    let links = [parent, previous, beside, first_child, state.last_job(pages)?];
    let new = [of, next, DevId(next.0.saturating_add(1))];
    Ok(ANCHOR + state.catalogue.pages_bound_of(links.into_iter().flatten().chain(new)))
}

/// `delete`: the version enters the queue.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    state.live(dev, pages)?;
    Ok(ANCHOR + state.catalogue.pages_bound_of(state.last_job(pages)?.into_iter().chain([dev])))
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn map(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    pages: &dyn PageRead,
) -> Result<u64> {
    let member = state.live(dev, pages)?;
    let tree = state.tree(&member);
    tree.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    if member.stage == Stage::Head && !state.counts_nothing(pages)? {
        let mut rehearsal = Rehearsal::new(pages);
        let on = (!unmap).then_some(Pba(0));
        change::change(
            state,
            dev,
            (range, on),
            &mut rehearsal,
            &mut Sharing::default(),
            &mut Freed::default(),
        )?;
        return Ok(rehearsal.touched());
    }
    let nodes = match unmap {
        true => present(state, tree.root_position(), tree.root_slot(), range, pages)?,
        false => state.shape.nodes_touched(tree.blocks, range),
    };
    let older = match member.parent {
        Some(parent) => state.member(parent, pages)?.parent,
        None => None,
    };
    let links = [Some(dev), member.parent, older, state.last_job(pages)?];
    Ok(ANCHOR + state.catalogue.pages_bound_of(links.into_iter().flatten()) + nodes)
}

/// Nodes that the range meets.
fn present(state: &State, at: Position, slot: Slot, range: LbaRange, pages: &dyn PageRead) -> Result<u64> {
    let Some(page) = slot.pointer() else { return Ok(0) };
    if at.level == 0 {
        return Ok(1);
    }
    let node = Node::read(pages, PageNo(page), state.shape, at)?;
    let (low, high) = state.shape.slots_of(at.level, at.first, clip(state.shape, at, range));
    let mut nodes = 1;
    for (index, slot) in (low..).zip(node.slots(low, high)) {
        nodes += present(state, child(state.shape, at, index), slot, range, pages)?;
    }
    Ok(nodes)
}

/// `tend`: what it would touch, found by doing it on a copy: several versions may go in one call, each after what the one before
/// it left, and pools are small enough at times that a page too many in the bound would keep the space of a deleted version.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    let mut rehearsal = Rehearsal::new(pages);
    crate::job::tend(state, budget, &mut rehearsal, &mut Sharing::default(), &mut Freed::default())?;
    Ok(rehearsal.touched())
}
