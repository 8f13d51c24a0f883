//! Space of one version, exactly: what deleting it alone would free in the end.
//!
//! Invariant: versions that hold the same block at the same place are connected in the lineage tree (section 0.5 of the
//! notes), so the live versions next to this one, seen through hidden ones, are all that need to be asked. A subtree that
//! one of them shares is not entered.

use crate::lineage::children;
use crate::member::Member;
use crate::ownership::{is_borrowed, is_counted};
use crate::sharing::Sharing;
use crate::state::{Encoding, State};
use spinney_core::{DevId, PageNo, PageRead, Result};
use spinney_snap::Usage;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Slot};
use std::collections::BTreeSet;

/// Space of one version.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let member = state.live(dev, pages)?;
    let referenced_blocks = member.referenced_blocks;
    if state.encoding == Encoding::Counted {
        let others = neighbours(state, (dev, member), false, pages)?;
        let at = state.tree(&member).root_position();
        let exclusive_blocks = owned_alone(state, at, member.root, &others, pages)?;
        let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
        return Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks });
    }
    let roots = neighbours(state, (dev, member), true, pages)?;
    let exclusive_blocks = if roots.is_empty() {
        referenced_blocks
    } else {
        alone(state, state.tree(&member).root_position(), member.root, &roots, pages)?
    };
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

/// Roots of the live versions next to this one, seen through hidden ones: those below it, and with `above` all. What a hidden
/// one has let go of is gone from its own tree, and is still in those below.
fn neighbours(state: &State, of: (DevId, Member), above: bool, pages: &dyn PageRead) -> Result<Vec<Slot>> {
    let (mut met, mut roots) = (BTreeSet::from([of.0]), Vec::new());
    let mut next = vec![of];
    while let Some((dev, member)) = next.pop() {
        let mut around: Vec<DevId> =
            children(state, dev, &member, pages)?.iter().map(|(dev, _)| *dev).collect();
        around.extend(member.parent.filter(|_| above));
        for other in around.into_iter().filter(|other| met.insert(*other)) {
            let found = state.member(other, pages)?;
            if found.stage.is_live() {
                roots.push(found.root);
            } else {
                next.push((other, found));
            }
        }
    }
    Ok(roots)
}

/// Whether the version that has the slot owns its content together with nobody (`gct-c`).
fn is_alone(state: &State, node: bool, slot: Slot, pages: &dyn PageRead) -> Result<bool> {
    match slot.pointer() {
        Some(_) if is_borrowed(slot) => Ok(false),
        Some(number) if is_counted(slot) => Ok(Sharing::extra(state, node, number, pages)? == 0),
        Some(_) => Ok(true),
        None => Ok(false),
    }
}

/// Blocks below `slot` that the version owns alone and no child, whose slots are `others`, borrows (`gct-c`).
fn owned_alone(
    state: &State,
    at: Position,
    slot: Slot,
    others: &[Slot],
    pages: &dyn PageRead,
) -> Result<u64> {
    let Some(page) = slot.pointer() else { return Ok(0) };
    if !is_alone(state, true, slot, pages)? || others.iter().any(|other| other.pointer() == Some(page)) {
        return Ok(0);
    }
    let shape = state.shape;
    let node = Node::read(pages, PageNo(page), shape, at)?;
    let mut beside = Vec::new();
    for page in others.iter().filter_map(|other| other.pointer()) {
        beside.push(Node::read(pages, PageNo(page), shape, at)?);
    }
    let mut blocks = 0;
    for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)).filter(|(_, slot)| !slot.is_empty()) {
        let theirs: Vec<Slot> = beside.iter().map(|node| node.slot(index)).collect();
        blocks += match at.level {
            0 if theirs.iter().any(|other| other.pointer() == slot.pointer()) => 0,
            0 => u64::from(is_alone(state, false, slot, pages)?),
            _ => owned_alone(state, child(shape, at, index), slot, &theirs, pages)?,
        };
    }
    Ok(blocks)
}

/// Blocks below `slot` that none of `others`, the slots at the same place, holds.
fn alone(state: &State, at: Position, slot: Slot, others: &[Slot], pages: &dyn PageRead) -> Result<u64> {
    let Some(page) = slot.pointer() else { return Ok(0) };
    if others.iter().any(|other| other.pointer() == Some(page)) {
        return Ok(0);
    }
    let shape = state.shape;
    let node = Node::read(pages, PageNo(page), shape, at)?;
    let mut beside = Vec::new();
    for page in others.iter().filter_map(|other| other.pointer()) {
        beside.push(Node::read(pages, PageNo(page), shape, at)?);
    }
    let (mut blocks, mut theirs) = (0, Vec::with_capacity(beside.len()));
    for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)).filter(|(_, slot)| !slot.is_empty()) {
        theirs.clear();
        theirs.extend(beside.iter().map(|node| node.slot(index)));
        blocks += match at.level {
            0 => u64::from(theirs.iter().all(|other| other.pointer() != slot.pointer())),
            _ => alone(state, child(shape, at, index), slot, &theirs, pages)?,
        };
    }
    Ok(blocks)
}
