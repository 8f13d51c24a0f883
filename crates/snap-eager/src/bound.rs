//! How many pages a piece of work may touch, found by looking and changing nothing.
//!
//! Invariant: never less than what the work touches. Without a snapshot there are no counts, and a write needs no look.

use crate::state::{Emptied, State, is_copied};
use alloc::collections::BTreeSet;
use spinney_core::{DevId, LbaRange, PageNo, PageRead, Result};
use spinney_snap::Freed;
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Counts, Node, Position, Rehearsal, Slot};

/// The anchor, which any change of a structure's root may touch.
const ANCHOR: u64 = 1;

/// `create`.
pub(crate) fn create(state: &State, pages: &dyn PageRead) -> Result<u64> {
    Ok(ANCHOR + state.catalogue.pages_bound(state.next_dev(pages)?))
}

/// `snapshot`: a record, the first level twice, every table, a count for each table and each block.
pub(crate) fn snapshot(state: &State, of: DevId, pages: &dyn PageRead) -> Result<u64> {
    let tree = state.tree(&state.catalogue.get(of, pages)?);
    let mut look = Look::new(state, LbaRange { start: spinney_core::Lba(0), blocks: 0 }, pages);
    look.take(tree.root_position(), tree.root_slot())?;
    let origin = state.catalogue.pages_bound(of);
    Ok(create(state, pages)? + origin + look.touched())
}

/// `delete`: a record moves.
pub(crate) fn delete(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    state.catalogue.get(dev, pages)?;
    Ok(ANCHOR + 2 * state.catalogue.pages_bound(dev))
}

/// `map` of the range in any pieces, or `unmap`.
pub(crate) fn change(
    state: &State,
    dev: DevId,
    range: LbaRange,
    unmap: bool,
    pages: &dyn PageRead,
) -> Result<u64> {
    let tree = state.tree(&state.catalogue.get(dev, pages)?);
    tree.contains(range)?;
    if range.blocks == 0 {
        return Ok(0);
    }
    let around = ANCHOR + state.catalogue.pages_bound(dev);
    let uncounted = state.tables.0.is_empty(pages)? && state.blocks.0.is_empty(pages)?;
    if uncounted && !unmap {
        return Ok(around + state.shape.nodes_touched(tree.blocks, range));
    }
    let mut look = Look::new(state, range, pages);
    look.change(tree.root_position(), tree.root_slot(), unmap)?;
    Ok(around + look.touched())
}

/// `tend`, done on a copy.
pub(crate) fn tend(state: &State, budget: u64, pages: &dyn PageRead) -> Result<u64> {
    if state.jobs(pages)? == 0 {
        return Ok(0);
    }
    let (mut rehearsal, mut emptied) = (Rehearsal::new(pages), Emptied::default());
    crate::zombie::tend(state, budget, &mut rehearsal, &mut emptied, &mut Freed::default())?;
    Ok(rehearsal.touched())
}

/// `commit`.
pub(crate) fn commit(emptied: &Emptied) -> u64 {
    let some = !emptied.tables.is_empty() || !emptied.blocks.is_empty();
    u64::from(some) * ANCHOR + Counts::pages_bound(&emptied.tables) + Counts::pages_bound(&emptied.blocks)
}

/// Pages met so far.
struct Look<'a> {
    state: &'a State,
    range: LbaRange,
    pages: &'a dyn PageRead,
    nodes: u64,
    /// Count pages of tables and of blocks.
    tables: BTreeSet<u64>,
    blocks: BTreeSet<u64>,
}

impl<'a> Look<'a> {
    fn new(state: &'a State, range: LbaRange, pages: &'a dyn PageRead) -> Look<'a> {
        Look { state, range, pages, nodes: 0, tables: BTreeSet::new(), blocks: BTreeSet::new() }
    }
    fn touched(&self) -> u64 {
        self.nodes + Counts::pages_bound(&self.tables) + Counts::pages_bound(&self.blocks)
    }
    fn take(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Some(page) = slot.pointer() else { return Ok(()) };
        let node = Node::read(self.pages, PageNo(page), self.state.shape, at)?;
        self.nodes += 1;
        let slots = node.slots(0, self.state.shape.fanout() - 1);
        if at.level == 0 {
            self.tables.insert(Counts::leaf_of(page));
            self.blocks.extend(slots.filter_map(Slot::pointer).map(Counts::leaf_of));
            return Ok(());
        }
        self.nodes += 1;
        (0..).zip(slots).try_for_each(|(index, slot)| self.take(child(self.state.shape, at, index), slot))
    }
    fn change(&mut self, at: Position, slot: Slot, unmap: bool) -> Result<()> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let Some(page) = slot.pointer() else {
            self.nodes += if unmap { 0 } else { shape.nodes_below(at.level, range) };
            return Ok(());
        };
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        self.nodes += 1;
        let (low, high) = shape.slots_of(at.level, at.first, range);
        let slots = node.slots(low, high);
        if at.level > 0 {
            return (low..)
                .zip(slots)
                .try_for_each(|(index, slot)| self.change(child(shape, at, index), slot, unmap));
        }
        if !is_copied(slot) && self.state.tables.extra(page, self.pages)? > 0 {
            self.tables.insert(Counts::leaf_of(page));
        }
        let looked_up = slots.filter(|slot| !is_copied(*slot)).filter_map(Slot::pointer);
        self.blocks.extend(looked_up.map(Counts::leaf_of));
        Ok(())
    }
}
