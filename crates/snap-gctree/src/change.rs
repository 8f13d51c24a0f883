//! Changing a head's map: copy what is borrowed on the path, then change the slots (sections 2.3 and 2.6 of the notes).
//!
//! Invariant: a borrowed node is never changed. Its copy borrows all that it holds; no child is visited and no count kept,
//! which is the whole gain over reference counts. A head has no children, so what it owns and lets go of is free.

use crate::ownership::{Ownership, node_end, slot_end};
use crate::state::State;
use spinney_core::{Extent, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Slot};

/// One change of one head.
pub(crate) struct Change<'a> {
    pub(crate) state: State,
    pub(crate) ownership: Ownership,
    /// The tag of what is born now.
    pub(crate) newborn: u32,
    pub(crate) range: LbaRange,
    /// Logical blocks of the volume.
    pub(crate) blocks: u64,
    /// Where the range's first block lies from now on; `None` makes holes.
    pub(crate) on: Option<Pba>,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) freed: &'a mut Freed,
    /// Blocks that were mapped in the range and were the head's own.
    pub(crate) freed_blocks: u64,
    /// Blocks that were mapped in the range and borrowed.
    pub(crate) dropped_blocks: u64,
}

impl Change<'_> {
    /// The subtree at `at`, changed.
    pub(crate) fn node(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let bounds = shape.slots_of(at.level, at.first, range);
        let Some(page) = slot.pointer().map(PageNo) else {
            return if self.on.is_some() { self.fresh(at, bounds) } else { Ok(slot) };
        };
        let mine = self.ownership.owns(slot, node_end(shape, at));
        if self.on.is_none() && self.covers(at) {
            self.let_go(at, page, mine)?;
            return Ok(Slot::EMPTY);
        }
        let node = Node::read(self.pages, page, shape, at)?;
        if self.on.is_none() && node.is_empty(bounds.0, bounds.1) {
            return Ok(slot);
        }
        if mine {
            drop(node);
            self.below(at, page, bounds)?;
            return self.or_nothing(at, slot);
        }
        let copy = self.state.encoding.copy(self.pages, &node, shape)?;
        drop(node);
        self.below(at, copy, bounds)?;
        self.or_nothing(at, Slot::to(copy.0).tagged(self.newborn))
    }

    /// Whether all that the volume has below `at` is in the range.
    fn covers(&self, at: Position) -> bool {
        let end = node_end(self.state.shape, at).min(self.blocks);
        self.range.start.0 <= at.first && self.range.end().0 >= end
    }

    fn fresh(&mut self, at: Position, bounds: (u64, u64)) -> Result<Slot> {
        let page = node::create(self.pages, self.state.shape, at)?;
        self.below(at, page, bounds)?;
        Ok(Slot::to(page.0).tagged(self.newborn))
    }

    /// Change the slots `bounds` of the node on `page`, which this version owns.
    fn below(&mut self, at: Position, page: PageNo, (low, high): (u64, u64)) -> Result<()> {
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let before: Vec<Slot> = node.slots(low, high).collect();
        drop(node);
        if at.level == 0 {
            return self.leaf(at, page, low, &before);
        }
        for (index, old) in (low..=high).zip(before) {
            let new = self.node(child(self.state.shape, at, index), old)?;
            if new != old {
                set_slot(self.pages.edit(page, PageKind::TREE)?, index, new);
            }
        }
        Ok(())
    }

    fn leaf(&mut self, at: Position, page: PageNo, low: u64, before: &[Slot]) -> Result<()> {
        let skip = at.first + low - self.range.start.0;
        let on = self.on.map(|on| on.0 + skip);
        let bytes = self.pages.edit(page, PageKind::TREE)?;
        for (index, count) in (low..).zip(0..before.len() as u64) {
            let slot = on.map_or(Slot::EMPTY, |on| Slot::to(on + count).tagged(self.newborn));
            set_slot(bytes, index, slot);
        }
        for (index, slot) in (low..).zip(before) {
            self.lose(*slot, self.ownership.owns(*slot, slot_end(self.state.shape, at, index)));
        }
        Ok(())
    }

    /// A data block is no longer mapped.
    fn lose(&mut self, slot: Slot, mine: bool) {
        match slot.pointer() {
            Some(on) if mine => {
                self.freed_blocks += 1;
                self.freed.push(Extent { start: Pba(on), blocks: 1 });
            }
            Some(_) => self.dropped_blocks += 1,
            None => {}
        }
    }

    /// The whole subtree on `page` is unmapped: what is the head's own goes, what is borrowed stays with its owner.
    fn let_go(&mut self, at: Position, page: PageNo, mine: bool) -> Result<()> {
        let shape = self.state.shape;
        let node = Node::read(self.pages, page, shape, at)?;
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            let Some(pointer) = slot.pointer() else { continue };
            let mine = mine && self.ownership.owns(slot, slot_end(shape, at, index));
            if at.level == 0 {
                self.lose(slot, mine);
            } else {
                self.let_go(child(shape, at, index), PageNo(pointer), mine)?;
            }
        }
        drop(node);
        if mine { self.pages.free(page, PageKind::TREE) } else { Ok(()) }
    }

    /// The owned node that `slot` points at, or nothing if the change left it empty.
    fn or_nothing(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let Some(page) = slot.pointer().map(PageNo).filter(|_| self.on.is_none()) else { return Ok(slot) };
        let shape = self.state.shape;
        if !Node::read(self.pages, page, shape, at)?.is_empty(0, shape.fanout() - 1) {
            return Ok(slot);
        }
        self.pages.free(page, PageKind::TREE)?;
        Ok(Slot::EMPTY)
    }
}
