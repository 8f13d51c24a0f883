//! Changing a version's map of addresses, and its map of blocks with it.
//!
//! Invariant: a block that a version lets go of is freed if no other version's map of blocks has it; no lineage and no count
//! is asked. Index nodes are shared by counts, and copying one touches no block below it.

use crate::bits::Bits;
use crate::state::State;
use alloc::vec::Vec;
use spinney_core::{Extent, LbaRange, PageKind, PageNo, PageRead, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::counts::Emptied;
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, NumberRuns, Position, Slot};

/// One change of one version.
pub(crate) struct Change<'a> {
    pub(crate) state: State,
    /// The version's map of blocks.
    pub(crate) own: Bits,
    /// Everybody else's.
    pub(crate) others: Vec<Bits>,
    pub(crate) range: LbaRange,
    /// Where the range's first block lies from now on; `None` makes holes.
    pub(crate) on: Option<Pba>,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) freed: &'a mut Freed,
    pub(crate) emptied: &'a mut Emptied,
    /// Blocks that were mapped in the range before.
    pub(crate) lost_blocks: u64,
}

impl Change<'_> {
    /// The subtree at `at`, changed. `inherited`: it hangs on a node that was just copied.
    pub(crate) fn node(&mut self, at: Position, slot: Slot, inherited: bool) -> Result<Slot> {
        let shape = self.state.shape;
        let bounds = shape.slots_of(at.level, at.first, clip(shape, at, self.range));
        let Some(page) = slot.pointer().map(PageNo) else {
            return if self.on.is_some() { self.fresh(at, bounds) } else { Ok(slot) };
        };
        let node = Node::read(self.pages, page, shape, at)?;
        if self.on.is_none() && node.is_empty(bounds.0, bounds.1) {
            return Ok(slot);
        }
        let shared = inherited || self.state.nodes.extra(page.0, self.pages)? > 0;
        let own = if shared { self.copy(at, &node, bounds)? } else { page };
        if shared && !inherited {
            self.state.nodes.release(page.0, 1, self.pages, self.emptied, &mut |_, _| ())?;
        }
        let before: Vec<Slot> = node.slots(bounds.0, bounds.1).collect();
        drop(node);
        self.below(at, own, bounds, &before, shared)?;
        self.or_nothing(at, own)
    }

    fn fresh(&mut self, at: Position, bounds: (u64, u64)) -> Result<Slot> {
        let page = node::create(self.pages, self.state.shape, at)?;
        let before = alloc::vec![Slot::EMPTY; (bounds.1 - bounds.0 + 1) as usize];
        self.below(at, page, bounds, &before, false)?;
        Ok(Slot::to(page.0))
    }

    /// A copy of a shared node; the nodes beside the path get one owner more.
    fn copy(&mut self, at: Position, node: &Node, (low, high): (u64, u64)) -> Result<PageNo> {
        let copy = node::copy(self.pages, node)?;
        if at.level > 0 {
            for (index, slot) in (0..).zip(node.slots(0, self.state.shape.fanout() - 1)) {
                if let (Some(page), false) = (slot.pointer(), (low..=high).contains(&index)) {
                    self.state.nodes.raise(page, 1, self.pages)?;
                }
            }
        }
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
            return self.leaf(at, page, low, before);
        }
        for (index, old) in (low..=high).zip(before) {
            let new = self.node(child(self.state.shape, at, index), *old, copied)?;
            if new != *old {
                set_slot(self.pages.edit(page, PageKind::TREE)?, index, new);
            } else if copied && let Some(page) = old.pointer() {
                self.state.nodes.raise(page, 1, self.pages)?;
            }
        }
        Ok(())
    }

    fn leaf(&mut self, at: Position, page: PageNo, low: u64, before: &[Slot]) -> Result<()> {
        let skip = at.first + low - self.range.start.0;
        let on = self.on.map(|on| on.0 + skip);
        let bytes = self.pages.edit(page, PageKind::TREE)?;
        for (index, count) in (low..).zip(0..before.len() as u64) {
            set_slot(bytes, index, on.map_or(Slot::EMPTY, |on| Slot::to(on + count)));
        }
        let mut runs = NumberRuns::new(|first, length| {
            self.lost_blocks += length;
            self.own.put(first, length, false, self.pages)?;
            free_unless_held(&self.others, first, length, self.pages, self.freed)
        });
        before.iter().filter_map(|slot| slot.pointer()).try_for_each(|pointer| runs.push(pointer))?;
        runs.finish()?;
        match on {
            Some(on) => self.own.put(on, before.len() as u64, true, self.pages),
            None => Ok(()),
        }
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

/// Let go of those blocks of the run that none of these maps has.
fn free_unless_held(
    others: &[Bits],
    first: u64,
    length: u64,
    pages: &dyn PageRead,
    freed: &mut Freed,
) -> Result<()> {
    for block in first..first.saturating_add(length) {
        let mut held = false;
        for other in others {
            held = held || other.has(block, pages)?;
        }
        if !held {
            freed.push(Extent { start: Pba(block), blocks: 1 });
        }
    }
    Ok(())
}
