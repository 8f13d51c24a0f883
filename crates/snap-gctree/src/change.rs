//! Changing a head's map: copy what is borrowed on the path, then change the slots (sections 2.3 and 2.6 of the notes).
//!
//! Invariant: a borrowed node is never changed. Its copy borrows all that it holds; no child is visited and no count kept,
//! which is the whole gain over reference counts. A head has no children, so what it owns and lets go of is free.

use crate::job;
use crate::member::Member;
use crate::ownership::{COUNTED, Ownership, is_borrowed, is_counted, node_end, slot_end};
use crate::sharing::Sharing;
use crate::state::{Encoding, State};
use spinney_core::{DevId, Extent, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, NumberRuns, Position, Slot};

/// Logical blocks of a head lie elsewhere from now on, or nowhere (`on` is none).
pub(crate) fn change(
    state: &State,
    dev: DevId,
    (range, on): (LbaRange, Option<Pba>),
    pages: &mut dyn PageTxn,
    sharing: &mut Sharing,
    freed: &mut Freed,
) -> Result<()> {
    let member = state.head(dev, range, pages)?;
    let tree = state.tree(&member);
    // A discard of what is a hole already would otherwise copy the path to it.
    if range.blocks == 0 || on.is_none() && !tree.maps_any(range, pages)? {
        return Ok(());
    }
    let mut change = Change {
        ownership: Ownership::of(state, &member, pages)?,
        newborn: state.encoding.newborn(state.epoch(pages)?),
        state: *state,
        range,
        blocks: member.blocks,
        on,
        pages,
        freed,
        sharing,
        freed_blocks: 0,
        dropped_blocks: 0,
    };
    let root = change.node(tree.root_position(), member.root)?;
    let Change { freed_blocks, dropped_blocks, .. } = change;
    let gained = if on.is_some() { range.blocks } else { 0 };
    let lost = freed_blocks + dropped_blocks;
    let changed = Member {
        root,
        referenced_blocks: member.referenced_blocks.saturating_add(gained).saturating_sub(lost),
        owned_blocks: member.owned_blocks.wrapping_add_unsigned(gained).wrapping_sub_unsigned(freed_blocks),
        ..member
    };
    if changed != member {
        state.put(dev, &changed, pages)?;
    }
    if dropped_blocks > 0 { job::dropped(state, member.parent, dropped_blocks, pages) } else { Ok(()) }
}

/// One change of one head.
struct Change<'a> {
    state: State,
    ownership: Ownership,
    /// The tag of what is born now.
    newborn: u32,
    range: LbaRange,
    /// Logical blocks of the volume.
    blocks: u64,
    /// Where the range's first block lies from now on; `None` makes holes.
    on: Option<Pba>,
    pages: &'a mut dyn PageTxn,
    freed: &'a mut Freed,
    sharing: &'a mut Sharing,
    /// Blocks that were mapped in the range and were the head's own.
    freed_blocks: u64,
    /// Blocks that were mapped in the range and borrowed.
    dropped_blocks: u64,
}

impl Change<'_> {
    /// The subtree at `at`, changed.
    fn node(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let bounds = shape.slots_of(at.level, at.first, range);
        let Some(page) = slot.pointer().map(PageNo) else {
            return if self.on.is_some() { self.fresh(at, bounds) } else { Ok(slot) };
        };
        let mine = self.ownership.owns(slot, node_end(shape, at));
        if self.on.is_none() && self.covers(at) {
            self.let_go(at, slot, mine)?;
            return Ok(Slot::EMPTY);
        }
        let together = mine && self.together(true, slot)?;
        let node = Node::read(self.pages, page, shape, at)?;
        if self.on.is_none() && node.is_empty(bounds.0, bounds.1) {
            return Ok(slot);
        }
        if mine && !together {
            drop(node);
            self.below(at, page, bounds)?;
            let alone = if self.state.encoding == Encoding::Counted { slot.tagged(0) } else { slot };
            return self.or_nothing(at, alone);
        }
        let copy = match together {
            true => self.unshare(at, page, &node)?,
            false => self.state.encoding.copy(self.pages, &node, shape)?,
        };
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
            self.lose(*slot, self.ownership.owns(*slot, slot_end(self.state.shape, at, index)))?;
        }
        Ok(())
    }

    /// A data block is no longer mapped.
    fn lose(&mut self, slot: Slot, mine: bool) -> Result<()> {
        let Some(on) = slot.pointer() else { return Ok(()) };
        if mine && self.was_last(false, slot)? {
            self.freed_blocks += 1;
            self.freed.push(Extent { start: Pba(on), blocks: 1 });
        } else {
            self.dropped_blocks += 1;
        }
        Ok(())
    }

    /// Whether others own what an owned slot points at too.
    fn together(&self, node: bool, slot: Slot) -> Result<bool> {
        match slot.pointer() {
            Some(number) if self.state.encoding == Encoding::Counted && is_counted(slot) => {
                Ok(Sharing::extra(&self.state, node, number, self.pages)? > 0)
            }
            _ => Ok(false),
        }
    }

    /// This owner lets go. Whether it was the last.
    fn was_last(&mut self, node: bool, slot: Slot) -> Result<bool> {
        match slot.pointer() {
            Some(number) if self.state.encoding == Encoding::Counted && is_counted(slot) => {
                self.sharing.release(&self.state, node, number, self.pages)
            }
            _ => Ok(true),
        }
    }

    /// A copy of a node that others own too: what it owns, both own together from now on (the step of reference counts, one
    /// level). What it borrows, both borrow: all who own it have the same parent in the lineage.
    fn unshare(&mut self, at: Position, page: PageNo, node: &Node) -> Result<PageNo> {
        let (shape, state) = (self.state.shape, self.state);
        let mut bytes = *node.payload();
        let mut runs = NumberRuns::new(|first, length| {
            Sharing::raise(&state, at.level > 0, (first, length), self.pages)
        });
        for (index, slot) in
            (0..).zip(node.slots(0, shape.fanout() - 1)).filter(|(_, slot)| !is_borrowed(*slot))
        {
            if let Some(pointer) = slot.pointer() {
                runs.push(pointer)?;
                set_slot(&mut bytes, index, slot.tagged(COUNTED));
            }
        }
        runs.finish()?;
        let copy = self.pages.alloc(PageKind::TREE)?;
        *self.pages.edit(copy, PageKind::TREE)? = bytes;
        *self.pages.edit(page, PageKind::TREE)? = bytes;
        self.sharing.release(&self.state, true, page.0, self.pages)?;
        Ok(copy)
    }

    /// The whole subtree is unmapped: what is the head's own goes, what is borrowed stays with its owner.
    fn let_go(&mut self, at: Position, slot: Slot, mine: bool) -> Result<()> {
        let Some(page) = slot.pointer().map(PageNo) else { return Ok(()) };
        let mine = mine && self.was_last(true, slot)?;
        let shape = self.state.shape;
        let node = Node::read(self.pages, page, shape, at)?;
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            let mine = mine && self.ownership.owns(slot, slot_end(shape, at, index));
            if at.level == 0 {
                self.lose(slot, mine)?;
            } else {
                self.let_go(child(shape, at, index), slot, mine)?;
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
