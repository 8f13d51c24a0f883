//! Changing a version's map: copy the nodes of the path that a version above may hold, then change the slots.
//!
//! Invariant: a node that was born before the version above was frozen is never changed. Copying one touches nothing
//! below it: that is what birth epochs save over counts. Works node by node, not block by block.

use crate::held::Held;
use crate::let_go::{Holder, let_go, list, unlist};
use crate::state::State;
use alloc::vec::Vec;
use spinney_core::{Extent, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Slot};

/// One change of one version.
pub(crate) struct Change<'a> {
    pub(crate) state: State,
    pub(crate) holder: Holder,
    /// What is made now is born now.
    pub(crate) epoch: u32,
    pub(crate) range: LbaRange,
    /// Where the range's first block lies from now on; `None` makes holes.
    pub(crate) on: Option<Pba>,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) freed: &'a mut Freed,
    /// Blocks that were mapped in the range before.
    pub(crate) lost_blocks: u64,
}

impl Change<'_> {
    /// The subtree at `at`, changed.
    pub(crate) fn node(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let shape = self.state.shape;
        let bounds = shape.slots_of(at.level, at.first, clip(shape, at, self.range));
        let Some(page) = slot.pointer().map(PageNo) else {
            return if self.on.is_some() { self.fresh(at, bounds) } else { Ok(slot) };
        };
        let own = self.holder.owns(slot.tag());
        if own && self.on.is_some() && bounds.0 == bounds.1 {
            let before = Node::slot_on(self.pages, page, shape, at, bounds.0)?;
            self.below(at, page, bounds, &[before])?;
            return Ok(slot);
        }
        let node = Node::read(self.pages, page, shape, at)?;
        if self.on.is_none() && node.is_empty(bounds.0, bounds.1) {
            return Ok(slot);
        }
        let changed = if own { slot } else { self.copy(slot, &node)? };
        let before: Vec<Slot> = node.slots(bounds.0, bounds.1).collect();
        drop(node);
        self.below(at, page_of(changed), bounds, &before)?;
        self.or_nothing(at, changed)
    }

    fn fresh(&mut self, at: Position, bounds: (u64, u64)) -> Result<Slot> {
        let page = node::create(self.pages, self.state.shape, at)?;
        let before = alloc::vec![Slot::EMPTY; (bounds.1 - bounds.0 + 1) as usize];
        self.below(at, page, bounds, &before)?;
        self.made(page)
    }

    /// A node that this version made just now.
    fn made(&mut self, page: PageNo) -> Result<Slot> {
        let slot = Slot::to(page.0).tagged(self.epoch);
        list(&self.state, &self.holder, slot, true, self.pages)?;
        Ok(slot)
    }

    /// A copy of a node that a version above may hold, for this version alone.
    fn copy(&mut self, slot: Slot, node: &Node) -> Result<Slot> {
        let copy = node::copy(self.pages, node)?;
        if let Some(held) = Held::of(true, slot.0) {
            let_go(&self.state, &self.holder, held, self.pages, self.freed)?;
        }
        self.made(copy)
    }

    /// Change the slots `bounds` of the node on `page`, which is this version's own.
    fn below(&mut self, at: Position, page: PageNo, (low, high): (u64, u64), before: &[Slot]) -> Result<()> {
        if at.level == 0 {
            return self.leaf(at, page, low, before);
        }
        for (index, old) in (low..=high).zip(before) {
            let new = self.node(child(self.state.shape, at, index), *old)?;
            if new != *old {
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
            let slot = on.map_or(Slot::EMPTY, |on| Slot::to(on + count).tagged(self.epoch));
            set_slot(bytes, index, slot);
        }
        for slot in before {
            let (Some(on), Some(held)) = (slot.pointer(), Held::of(false, slot.0)) else { continue };
            self.lost_blocks += 1;
            if self.holder.owns(slot.tag()) {
                unlist(&self.state, &self.holder, held, self.pages)?;
                self.freed.push(Extent { start: Pba(on), blocks: 1 });
            } else {
                let_go(&self.state, &self.holder, held, self.pages, self.freed)?;
            }
        }
        let made = on.into_iter().flat_map(|on| on..on + before.len() as u64);
        made.map(|on| Slot::to(on).tagged(self.epoch))
            .try_for_each(|slot| list(&self.state, &self.holder, slot, false, self.pages))
    }

    /// The version's own node, or nothing if the change left it empty.
    fn or_nothing(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let (shape, page) = (self.state.shape, page_of(slot));
        if self.on.is_none() && Node::read(self.pages, page, shape, at)?.is_empty(0, shape.fanout() - 1) {
            if let Some(held) = Held::of(true, slot.0) {
                unlist(&self.state, &self.holder, held, self.pages)?;
            }
            self.pages.free(page, PageKind::TREE)?;
            return Ok(Slot::EMPTY);
        }
        Ok(slot)
    }
}

/// The page of a node that is there.
fn page_of(slot: Slot) -> PageNo {
    PageNo(slot.pointer().expect("the slot of a node"))
}
