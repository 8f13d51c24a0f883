//! Counting down what a deleted version reached, in steps as small as asked for.
//!
//! Invariant: a zombie's first level is its own, and a slot of it is emptied when its table is done with; a table may be another
//! version's too and is not changed, so the record says how far the first one is. While the zombie owns a table nobody changes it.

use crate::change::release;
use crate::planted::{Fault, planted};
use crate::state::{CURSOR, Emptied, State};
use alloc::vec::Vec;
use spinney_core::{DevId, PageKind, PageNo, PageTxn, Result};
use spinney_snap::{Freed, Progress};
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, NumberRuns, Position, Record, Slot};

/// Detach a version that was deleted.
pub(crate) fn bury(state: &State, dev: DevId, record: Record, pages: &mut dyn PageTxn) -> Result<()> {
    if record.root.is_none() {
        return Ok(());
    }
    let mut record = record;
    record.own[CURSOR] = 0;
    state.zombies.put(dev, &record, pages)?;
    let jobs = state.jobs(pages)?.saturating_add(1);
    state.set_jobs(jobs, pages)
}

/// Let go of at most `budget` blocks, tables and nodes.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut drop = Drop { state: *state, budget, cursor: 0, pages, emptied, freed };
    while drop.budget > 0 {
        let Some((dev, record)) = state.zombies.first(drop.pages)? else { break };
        drop.version(dev, record)?;
    }
    let done = budget - drop.budget;
    Ok(Progress { done, left: state.jobs(pages)? })
}

struct Drop<'a> {
    state: State,
    budget: u64,
    /// Slots of the first table that are done with.
    cursor: u64,
    pages: &'a mut dyn PageTxn,
    emptied: &'a mut Emptied,
    freed: &'a mut Freed,
}

impl Drop<'_> {
    /// As much of one version as the budget allows.
    fn version(&mut self, dev: DevId, mut record: Record) -> Result<()> {
        self.cursor = if planted(Fault::ForgetsCursor) { 0 } else { record.own[CURSOR] };
        let gone = match record.root {
            Some(root) => self.node(self.state.tree(&record).root_position(), root)?,
            None => true,
        };
        if !gone {
            record.own[CURSOR] = self.cursor;
            return self.state.zombies.put(dev, &record, self.pages);
        }
        self.state.zombies.remove(dev, self.pages)?;
        let jobs = self.state.jobs(self.pages)?.saturating_sub(1);
        self.state.set_jobs(jobs, self.pages)
    }

    /// Whether the node is done with; if not, the budget is.
    fn node(&mut self, at: Position, page: PageNo) -> Result<bool> {
        let fanout = self.state.shape.fanout();
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let slots: Vec<Slot> = node.slots(0, fanout - 1).collect();
        core::mem::drop(node);
        if at.level == 0 {
            return self.table(page, &slots);
        }
        for (index, slot) in (0..).zip(slots) {
            let Some(below) = slot.pointer() else { continue };
            if self.budget == 0 || !self.node(child(self.state.shape, at, index), PageNo(below))? {
                return Ok(false);
            }
            set_slot(self.pages.edit(page, PageKind::TREE)?, index, Slot::EMPTY);
        }
        if self.budget == 0 {
            return Ok(false);
        }
        self.budget -= 1;
        self.pages.free(page, PageKind::TREE)?;
        Ok(true)
    }

    /// Each block of a table has one owner less, then the table.
    fn table(&mut self, page: PageNo, slots: &[Slot]) -> Result<bool> {
        let start = self.cursor.min(slots.len() as u64);
        let (mut end, mut runs) = (slots.len() as u64, Vec::new());
        for (index, slot) in (start..).zip(&slots[start as usize..]) {
            let Some(on) = slot.pointer() else { continue };
            if self.budget == 0 {
                end = index;
                break;
            }
            self.budget -= 1;
            runs.push(on);
        }
        let mut joined = NumberRuns::new(|first, length| {
            release(&self.state, first, length, self.pages, self.emptied, self.freed)
        });
        runs.into_iter().try_for_each(|on| joined.push(on))?;
        joined.finish()?;
        self.cursor = end;
        if self.budget == 0 {
            return Ok(false);
        }
        self.budget -= 1;
        let mut last = false;
        self.state
            .tables
            .release(page.0, 1, self.pages, &mut self.emptied.tables, &mut |_, _| last = true)?;
        if last {
            self.pages.free(page, PageKind::TREE)?;
        }
        self.cursor = 0;
        Ok(true)
    }
}
