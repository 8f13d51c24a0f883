//! How many pages a piece of work may touch, found by looking and changing nothing.
//!
//! Invariant: never less than what the work touches. All nodes of a layer are its own, so a write touches the nodes of its range, and
//! those of the hidden layers right behind.

use crate::layer::visit_nodes;
use crate::state::{Kin, State};
use spinney_core::{DevId, LbaRange, PageRead, Result};
use spinney_snap::Freed;
use spinney_snap_tree::tree::clip;
use spinney_snap_tree::{Rehearsal, Tree};

/// The anchor, which any change of a structure's root may touch.
const ANCHOR: u64 = 1;

/// `create`.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?))
}

/// `snapshot`: at most two new records, and who lies on what.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    state.live(of, pages)?;
    let next = state.next_dev(pages)?;
    let records = state.catalogue.pages_bound_of([of, next, DevId(next.0.saturating_add(1))]);
    Ok(ANCHOR + records + state.table.pages_bound(5, 4, pages)?)
}

/// `delete`: the record moves, the layer behind may have to be looked at.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    let back = state.live(dev, pages)?.layer.back;
    let records = state.catalogue.pages_bound_of(back.into_iter().chain([dev]));
    Ok(ANCHOR + records + state.catalogue.pages_bound(dev) + state.table.pages_bound(3, 1, pages)?)
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn change(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    pages: &dyn PageRead,
) -> Result<u64> {
    let kin = state.live(dev, pages)?;
    let tree = state.tree(&kin);
    tree.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    // The nodes at both ends of a hole.
    let ends = 2 * (u64::from(tree.root_position().level) + 1);
    let touched = |tree: &Tree, marks: bool| match unmap {
        true => Ok(present(tree, range, pages)? + if marks { ends } else { 0 }),
        false => Ok(state.shape.nodes_touched(tree.blocks, range)),
    };
    let mut all = ANCHOR + state.catalogue.pages_bound(dev) + touched(&tree, kin.layer.back.is_some())?;
    if state.indexed {
        all += touched(&state.index(&kin), !kin.layer.index_whole)?;
    }
    if range.blocks == 1 {
        // At most one layer behind lets go of it, whichever that is.
        let hidden = state.back(&kin, pages)?.is_some_and(|back| back.layer.hidden);
        let one = ends / 2 + state.catalogue.pages_bound(state.next_dev(pages)?);
        return Ok(all + if hidden { one } else { 0 });
    }
    visit_hidden(state, &kin, pages, &mut |back| {
        let tree = state.tree(back);
        // A layer that has nothing there changes neither nodes nor record: hundreds of them may lie behind a volume with clones.
        if blocks(&tree, range, pages)? > 0 {
            all += state.catalogue.pages_bound(back.dev) + present(&tree, range, pages)?;
        }
        Ok(())
    })?;
    Ok(all)
}

/// The hidden layers right behind one.
fn visit_hidden(
    state: &State,
    kin: &Kin,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(&Kin) -> Result<()>,
) -> Result<()> {
    let mut next = state.back(kin, pages)?;
    while let Some(back) = next.filter(|back| back.layer.hidden) {
        each(&back)?;
        next = state.back(&back, pages)?;
    }
    Ok(())
}

/// Nodes that the range meets.
fn present(tree: &Tree, range: LbaRange, pages: &dyn PageRead) -> Result<u64> {
    let mut nodes = 0;
    visit_nodes(tree, range, pages, &mut |_, _, _| {
        nodes += 1;
        Ok(())
    })?;
    Ok(nodes)
}

/// Blocks that the layer itself has in the range.
fn blocks(tree: &Tree, range: LbaRange, pages: &dyn PageRead) -> Result<u64> {
    let mut blocks = 0;
    visit_nodes(tree, range, pages, &mut |at, _, node| {
        if at.level == 0 {
            let (low, high) = tree.shape.slots_of(0, at.first, clip(tree.shape, at, range));
            blocks += node.slots(low, high).filter(|slot| slot.pointer().is_some()).count() as u64;
        }
        Ok(())
    })?;
    Ok(blocks)
}

/// At most how many blocks `map` or `unmap` lets go of: what is under the range in each layer that may do so.
pub(crate) fn frees(state: &State, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<u64> {
    if range.blocks == 1 {
        return Ok(1);
    }
    let mut all = range.blocks;
    visit_hidden(state, &state.live(dev, pages)?, pages, &mut |back| {
        all = all.saturating_add(blocks(&state.tree(back), range, pages)?);
        Ok(())
    })?;
    Ok(all)
}

/// `tend`: what it would touch, found by doing it on a copy.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    if state.jobs(pages)? == 0 {
        return Ok(0);
    }
    let mut rehearsal = Rehearsal::new(pages);
    crate::tend::tend(state, budget, &mut rehearsal, &mut Freed::default())?;
    Ok(rehearsal.touched())
}
