//! Deleting: what the map of the deleted version has and no other map has is free; then the nodes of its tree.
//!
//! Invariant: a bit is cleared in the step that deals with its block, a slot emptied in the step that lets its node go, so
//! the first bit and the first slot that are left are the cursor. The blocks are found without the tree.

use crate::bits::{BITS, beyond};
use crate::state::{State, leaves, map_of};
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Flow, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::{Freed, Progress};
use spinney_snap_tree::counts::Emptied;
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Record, Slot};

/// Detach a version that was deleted.
pub(crate) fn bury(
    state: &State,
    dev: DevId,
    mut record: Record,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
) -> Result<()> {
    if let Some(root) = record.root
        && state.nodes.extra(root.0, pages)? > 0
    {
        state.nodes.release(root.0, 1, pages, emptied, &mut |_, _| ())?;
        record.root = None;
    }
    state.zombies.put(dev, &record, pages)?;
    let jobs = state.jobs(pages)?.saturating_add(1);
    state.set_jobs(jobs, pages)
}

/// At most `budget` blocks, pages of bits and nodes.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut drop = Drop { state: *state, budget, pages, emptied, freed };
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
    pages: &'a mut dyn PageTxn,
    emptied: &'a mut Emptied,
    freed: &'a mut Freed,
}

impl Drop<'_> {
    /// As much of one version as the budget allows.
    fn version(&mut self, dev: DevId, mut record: Record) -> Result<()> {
        if !self.blocks(dev, &record)? {
            return Ok(());
        }
        if let Some(root) = record.root {
            if !self.node(self.state.tree(&record).root_position(), root)? {
                return Ok(());
            }
            record.root = None;
        }
        if self.budget == 0 {
            return self.state.zombies.put(dev, &record, self.pages);
        }
        self.budget -= 1;
        map_of(dev, &record)?.destroy(self.pages)?;
        self.state.zombies.remove(dev, self.pages)?;
        let jobs = self.state.jobs(self.pages)?.saturating_sub(1);
        self.state.set_jobs(jobs, self.pages)
    }

    /// Whether the version's map of blocks is empty.
    fn blocks(&mut self, dev: DevId, record: &Record) -> Result<bool> {
        let map = map_of(dev, record)?;
        let others = self.state.others(dev, false, self.pages)?;
        loop {
            let mut first = None;
            map.visit(self.pages, &mut |leaf, page| {
                first = Some((leaf, *page));
                Ok(Flow::Stop)
            })?;
            let Some((leaf, page)) = first else { return Ok(true) };
            if self.budget == 0 {
                return Ok(false);
            }
            let taken = leaves(&others, leaf, self.pages)?;
            let mut end = BITS;
            for bit in beyond(&page, &taken) {
                if self.budget == 0 {
                    end = bit;
                    break;
                }
                self.budget -= 1;
                self.freed.push(Extent { start: Pba(leaf * BITS + bit), blocks: 1 });
            }
            if end == BITS && self.budget > 0 {
                self.budget -= 1;
            }
            map.clear_to(leaf, end, self.pages)?;
        }
    }

    /// Let go of what the node holds, then of the node. Whether it is gone; if not, the budget is.
    fn node(&mut self, at: Position, page: PageNo) -> Result<bool> {
        let fanout = self.state.shape.fanout();
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let slots: Vec<Slot> = node.slots(0, fanout - 1).collect();
        drop(node);
        let handled = if at.level == 0 { slots.len() } else { self.children(at, &slots)? };
        if handled == slots.len() && self.budget > 0 {
            self.budget -= 1;
            self.pages.free(page, PageKind::TREE)?;
            return Ok(true);
        }
        if at.level > 0 && slots[..handled].iter().any(|slot| !slot.is_empty()) {
            let bytes = self.pages.edit(page, PageKind::TREE)?;
            (0..handled as u64).for_each(|index| set_slot(bytes, index, Slot::EMPTY));
        }
        Ok(false)
    }

    fn children(&mut self, at: Position, slots: &[Slot]) -> Result<usize> {
        for (index, slot) in slots.iter().enumerate() {
            let Some(page) = slot.pointer() else { continue };
            if self.budget == 0 {
                return Ok(index);
            }
            if self.state.nodes.extra(page, self.pages)? > 0 {
                self.budget -= 1;
                self.state.nodes.release(page, 1, self.pages, self.emptied, &mut |_, _| ())?;
            } else if !self.node(child(self.state.shape, at, index as u64), PageNo(page))? {
                return Ok(index);
            }
        }
        Ok(slots.len())
    }
}
