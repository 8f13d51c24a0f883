//! Changing a version's map: make the path its own, then change the slots (Rodeh, H-0245, 2006; section 1.2 of the notes: "own").
//!
//! Invariant: a node with a second owner is never changed. It is copied, and what lies beside the path gets one owner
//! more; what lies on the path does not (the old node keeps it, the copy gets something else), so a leaf of F slots costs
//! F - 1 counts and not F + 1. Works node by node, not block by block.

use super::state::Emptied;
use super::state::State;
use crate::node::{self, set_slot};
use crate::tree::{child, clip};
use crate::{Node, NumberRuns, Position, Slot};
use spinney_core::{Extent, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;

/// One change of one version.
pub(crate) struct Change<'a> {
    pub(crate) state: State,
    pub(crate) range: LbaRange,
    /// Where the range's first block lies from now on; `None` makes holes.
    pub(crate) on: Option<Pba>,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) freed: &'a mut Freed,
    pub(crate) emptied: &'a mut Emptied,
    /// No node has a second owner, and so none gets one here.
    pub(crate) no_node_shared: bool,
    /// And no block has one either.
    pub(crate) nothing_shared: bool,
    /// Blocks that were mapped in the range before.
    pub(crate) lost_blocks: u64,
    /// The time of what is mapped now; 0 without times.
    pub(crate) stamp: u32,
    /// What was mapped at this time or later has one owner: no count is looked up for it.
    pub(crate) alone_from: Option<u32>,
}

impl Change<'_> {
    /// The subtree at `at`, changed. `inherited`: it hangs on a node that was just copied.
    pub(crate) fn node(&mut self, at: Position, slot: Slot, inherited: bool) -> Result<Slot> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let bounds = shape.slots_of(at.level, at.first, range);
        let Some(page) = slot.pointer().map(PageNo) else {
            return if self.on.is_some() { self.fresh(at, bounds) } else { Ok(slot) };
        };
        if self.no_node_shared && !inherited && self.on.is_some() && bounds.0 == bounds.1 {
            let before = Node::slot_on(self.pages, page, shape, at, bounds.0)?;
            self.below(at, page, bounds, &[before], false)?;
            return Ok(Slot::to(page.0));
        }
        let node = Node::read(self.pages, page, shape, at)?;
        if self.on.is_none() && node.is_empty(bounds.0, bounds.1) {
            return Ok(slot);
        }
        let shared = inherited || !self.no_node_shared && self.state.nodes.extra(page.0, self.pages)? > 0;
        let own = if shared { self.copy(at, &node, bounds)? } else { page };
        if shared && !inherited {
            self.state.nodes.release(page.0, 1, self.pages, &mut self.emptied.nodes, &mut |_, _| ())?;
        }
        let before: Vec<Slot> = node.slots(bounds.0, bounds.1).collect();
        drop(node);
        self.below(at, own, bounds, &before, shared)?;
        self.or_nothing(at, own)
    }

    fn fresh(&mut self, at: Position, bounds: (u64, u64)) -> Result<Slot> {
        let page = node::create(self.pages, self.state.shape, at)?;
        let before = vec![Slot::EMPTY; (bounds.1 - bounds.0 + 1) as usize];
        self.below(at, page, bounds, &before, false)?;
        Ok(Slot::to(page.0))
    }

    /// A copy of a shared node for this version alone.
    fn copy(&mut self, at: Position, node: &Node, (low, high): (u64, u64)) -> Result<PageNo> {
        let copy = node::copy(self.pages, node)?;
        let (counts, emptied) = match at.level {
            0 => (self.state.blocks, &mut self.emptied.blocks),
            _ => (self.state.nodes, &mut self.emptied.nodes),
        };
        let mut runs = NumberRuns::new(|first, length| counts.raise(first, length, self.pages, emptied));
        for (index, slot) in (0..).zip(node.slots(0, self.state.shape.fanout() - 1)) {
            if let (Some(pointer), false) = (slot.pointer(), (low..=high).contains(&index)) {
                runs.push(pointer)?;
            }
        }
        runs.finish()?;
        Ok(copy)
    }

    /// Change the slots `bounds` of the node on `page`, which this version owns alone.
    fn below(
        &mut self,
        at: Position,
        page: PageNo,
        (low, high): (u64, u64),
        before: &[Slot],
        copied: bool,
    ) -> Result<()> {
        if at.level == 0 {
            return self.leaf(at, page, low, before, copied);
        }
        for (index, old) in (low..=high).zip(before) {
            let new = self.node(child(self.state.shape, at, index), *old, copied)?;
            if new != *old {
                set_slot(self.pages.edit(page, PageKind::TREE)?, index, new);
            } else if copied && let Some(page) = old.pointer() {
                self.state.nodes.raise(page, 1, self.pages, &mut self.emptied.nodes)?;
            }
        }
        Ok(())
    }

    fn leaf(&mut self, at: Position, page: PageNo, low: u64, before: &[Slot], copied: bool) -> Result<()> {
        let skip = at.first + low - self.range.start.0;
        let on = self.on.map(|on| on.0 + skip);
        let bytes = self.pages.edit(page, PageKind::TREE)?;
        for (index, count) in (low..).zip(0..before.len() as u64) {
            let slot = on.map_or(Slot::EMPTY, |on| Slot::to(on + count).tagged(self.stamp));
            set_slot(bytes, index, slot);
        }
        let alone = |slot: &Slot| self.alone_from.is_some_and(|from| !copied && slot.tag() >= from);
        for on in before.iter().filter(|slot| alone(slot)).filter_map(|slot| slot.pointer()) {
            self.lost_blocks += 1;
            self.freed.push(Extent { start: Pba(on), blocks: 1 });
        }
        let others: Vec<u64> = match self.alone_from {
            Some(_) => before.iter().filter(|slot| !alone(slot)).filter_map(|slot| slot.pointer()).collect(),
            None => before.iter().filter_map(|slot| slot.pointer()).collect(),
        };
        let mut runs = NumberRuns::new(|first, length| {
            self.lost_blocks += length;
            if copied {
                Ok(())
            } else if self.nothing_shared {
                self.freed.push(Extent { start: Pba(first), blocks: length });
                Ok(())
            } else {
                release(&self.state, first, length, self.pages, self.emptied, self.freed)
            }
        });
        others.into_iter().try_for_each(|pointer| runs.push(pointer))?;
        runs.finish()
    }

    /// The node on `page`, or nothing if the change left it empty.
    fn or_nothing(&mut self, at: Position, page: PageNo) -> Result<Slot> {
        let shape = self.state.shape;
        if self.on.is_none() && Node::read(self.pages, page, shape, at)?.is_empty(0, shape.fanout() - 1) {
            self.pages.free(page, PageKind::TREE)?;
            return Ok(Slot::EMPTY);
        }
        Ok(Slot::to(page.0))
    }
}

/// One owner less for each block; those without one are freed.
pub(crate) fn release(
    state: &State,
    first: u64,
    length: u64,
    pages: &mut dyn PageTxn,
    emptied: &mut Emptied,
    freed: &mut Freed,
) -> Result<()> {
    let last = &mut |start, blocks| freed.push(Extent { start: Pba(start), blocks });
    state.blocks.release(first, length, pages, &mut emptied.blocks, last)
}
