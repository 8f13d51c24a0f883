//! Dropping the trees of deleted versions, in steps as small as asked for.
//!
//! Invariant: a zombie's tree holds exactly what is still to be let go: a slot is emptied in the step that lets its
//! content go. The first slot that is not empty is the cursor, so cursor and tree cannot disagree after a crash.
//! A node with a second owner is let go, never entered (Rodeh's "drop").

use super::change::release;
use super::state::{Emptied, State, ZOMBIE_LEFT};
use crate::node::set_slot;
use crate::tree::child;
use crate::{Ahead, Node, NumberRuns, Position, Record, Slot};
use core::ops::Range;
use spinney_core::{DevId, PageKind, PageNo, PageRead, PageTxn, Result};
use spinney_snap::{Freed, Progress};

/// Detach a version that was deleted.
pub(crate) fn bury(
    state: &State,
    dev: DevId,
    record: Record,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
) -> Result<()> {
    let Some(root) = record.root else { return Ok(()) };
    if state.nodes.extra(root.0, pages)? > 0 {
        return state.nodes.release(root.0, 1, pages, &mut emptied.nodes, &mut |_, _| ());
    }
    let mut record = record;
    let left = record.referenced_blocks.saturating_add(1);
    record.own[ZOMBIE_LEFT] = left;
    state.zombies.put(dev, &record, pages)?;
    let all = state.left(pages)?.saturating_add(left);
    state.set_left(all, pages)
}

/// Let go at most `budget` slots and nodes.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut budget_left = budget;
    while budget_left > 0 {
        let Some((dev, record)) = state.zombies.first(pages)? else { break };
        budget_left = step(state, dev, record, budget_left, pages, emptied, freed)?;
    }
    Ok(Progress { done: budget - budget_left, left: state.left(pages)? })
}

/// Work on one zombie. Returns what is left of the budget.
fn step(
    state: &State,
    dev: DevId,
    mut record: Record,
    budget: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<u64> {
    let mut drop = Drop { state: *state, budget, pages, emptied, freed };
    let at = state.tree(&record).root_position();
    let gone = match record.root {
        Some(root) => drop.node(at, root)?,
        None => true,
    };
    let budget_left = drop.budget;
    let before = record.own[ZOMBIE_LEFT];
    let after = if gone { 0 } else { before.saturating_sub(budget - budget_left).max(1) };
    record.own[ZOMBIE_LEFT] = after;
    if gone {
        state.zombies.remove(dev, pages)?;
    } else {
        state.zombies.put(dev, &record, pages)?;
    }
    let all = state.left(pages)?.saturating_sub(before).saturating_add(after);
    state.set_left(all, pages)?;
    Ok(budget_left)
}

/// Have those leaves of a group in memory that have no second owner: they are about to be entered.
pub(crate) fn prefetch(state: &State, group: Range<u64>, slots: &[Slot], pages: &dyn PageRead) {
    let group = slots.iter().skip(group.start as usize).take((group.end - group.start) as usize);
    let unshared = |page: &u64| state.nodes.extra(*page, pages).is_ok_and(|extra| extra == 0);
    let leaves: Vec<PageNo> = group.filter_map(|slot| slot.pointer()).filter(unshared).map(PageNo).collect();
    pages.prefetch(&leaves, PageKind::TREE);
}

struct Drop<'a> {
    state: State,
    budget: u64,
    pages: &'a mut dyn PageTxn,
    emptied: &'a mut Emptied,
    freed: &'a mut Freed,
}

impl Drop<'_> {
    /// Let go what the node holds, then the node. Whether it is gone; if not, the budget is.
    fn node(&mut self, at: Position, page: PageNo) -> Result<bool> {
        let fanout = self.state.shape.fanout();
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let slots: Vec<Slot> = node.slots(0, fanout - 1).collect();
        std::mem::drop(node);
        let handled = if at.level == 0 { self.blocks(&slots)? } else { self.children(at, &slots)? };
        if handled == slots.len() && self.budget > 0 {
            self.budget -= 1;
            self.pages.free(page, PageKind::TREE)?;
            return Ok(true);
        }
        if slots[..handled].iter().any(|slot| !slot.is_empty()) {
            let bytes = self.pages.edit(page, PageKind::TREE)?;
            (0..handled as u64).for_each(|index| set_slot(bytes, index, Slot::EMPTY));
        }
        Ok(false)
    }

    /// Slots of a leaf, as many as the budget allows. How many slots are done with.
    fn blocks(&mut self, slots: &[Slot]) -> Result<usize> {
        let mut runs = NumberRuns::new(|first, length| {
            release(&self.state, first, length, self.pages, self.emptied, self.freed)
        });
        for (index, slot) in slots.iter().enumerate() {
            let Some(pointer) = slot.pointer() else { continue };
            if self.budget == 0 {
                runs.finish()?;
                return Ok(index);
            }
            self.budget -= 1;
            runs.push(pointer)?;
        }
        runs.finish()?;
        Ok(slots.len())
    }

    fn children(&mut self, at: Position, slots: &[Slot]) -> Result<usize> {
        let mut ahead = Ahead::default();
        for (index, slot) in slots.iter().enumerate() {
            let Some(page) = slot.pointer() else { continue };
            if self.budget == 0 {
                return Ok(index);
            }
            if let Some(group) = ahead.group(at, index as u64) {
                prefetch(&self.state, group, slots, self.pages);
            }
            if self.state.nodes.extra(page, self.pages)? > 0 {
                self.budget -= 1;
                self.state.nodes.release(page, 1, self.pages, &mut self.emptied.nodes, &mut |_, _| ())?;
            } else if !self.node(child(self.state.shape, at, index as u64), PageNo(page))? {
                return Ok(index);
            }
        }
        Ok(slots.len())
    }
}
