//! Changing one map, a layer's or an index: every node of it is its own, so it is changed where it is.
//!
//! Invariant: what becomes a hole in a map that lies before another gets a mark, or what is behind would show through
//! (section 11 of the notes: a discard inside a layer leaves a "zero here", not absence). Works node by node.

use crate::layer::{Sight, mark, sight};
use crate::planted::{Fault, planted};
use alloc::vec::Vec;
use spinney_core::{Extent, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Slot, Tree};

/// One change of one map.
pub(crate) struct Change<'a> {
    /// The map as it was.
    pub(crate) tree: Tree,
    pub(crate) range: LbaRange,
    /// Where the range's first block lies from now on; `None` makes holes.
    pub(crate) on: Option<Pba>,
    /// Whether there is a map behind that a hole must hide.
    pub(crate) marks: bool,
    pub(crate) pages: &'a mut dyn PageTxn,
    /// Who gets the blocks that the map loses; nobody, if it is an index.
    pub(crate) freed: Option<&'a mut Freed>,
    /// Blocks that the map had in the range before.
    pub(crate) lost_blocks: u64,
    /// Something that was seen through the map is not seen any more.
    pub(crate) covered: bool,
}

impl Change<'_> {
    /// Change the map. Returns its root.
    pub(crate) fn run(&mut self) -> Result<Option<PageNo>> {
        let at = self.tree.root_position();
        let slot = self.node(at, self.tree.root_slot())?;
        match sight(slot) {
            Sight::On(page) => Ok(Some(PageNo(page))),
            Sight::Through => Ok(None),
            // A record has no room for a mark.
            Sight::Zero => filled(self.pages, &self.tree, at, slot).map(Some),
        }
    }

    /// The subtree at `at`, changed.
    fn node(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let range = clip(self.tree.shape, at, self.range);
        let end = at.first.saturating_add(self.tree.shape.node_span(at.level)).min(self.tree.blocks);
        if self.on.is_none() && range.start.0 == at.first && range.end().0 == end {
            if let Sight::On(page) = sight(slot) {
                self.give_back(at, PageNo(page))?;
            }
            return Ok(self.hole(slot));
        }
        let page = match sight(slot) {
            Sight::On(page) => PageNo(page),
            Sight::Zero if self.on.is_none() => return Ok(slot),
            Sight::Through if self.on.is_none() && !self.marks => return Ok(slot),
            _ => filled(self.pages, &self.tree, at, slot)?,
        };
        let (low, high) = self.tree.shape.slots_of(at.level, at.first, range);
        if at.level == 0 {
            self.leaf(at, page, (low, high))?;
        } else {
            for index in low..=high {
                let old = Node::slot_on(self.pages, page, self.tree.shape, at, index)?;
                let new = self.node(child(self.tree.shape, at, index), old)?;
                if new != old {
                    set_slot(self.pages.edit(page, PageKind::TREE)?, index, new);
                }
            }
        }
        self.or_nothing(at, page)
    }

    fn leaf(&mut self, at: Position, page: PageNo, (low, high): (u64, u64)) -> Result<()> {
        let node = Node::read(self.pages, page, self.tree.shape, at)?;
        let before: Vec<Slot> = node.slots(low, high).collect();
        drop(node);
        let skip = at.first + low - self.range.start.0;
        let on = self.on.map(|on| on.0 + skip);
        let after: Vec<Slot> = (0..)
            .zip(&before)
            .map(|(count, old)| on.map_or_else(|| self.hole(*old), |on| Slot::to(on + count)))
            .collect();
        self.covered |= on.is_some() && before.contains(&Slot::EMPTY);
        if before != after {
            let bytes = self.pages.edit(page, PageKind::TREE)?;
            (low..).zip(after).for_each(|(index, slot)| set_slot(bytes, index, slot));
        }
        before.into_iter().for_each(|slot| self.lose(slot));
        Ok(())
    }

    /// What a hole leaves in the place of `old`.
    fn hole(&mut self, old: Slot) -> Slot {
        if !self.marks || planted(Fault::HolesWithoutMarks) {
            return Slot::EMPTY;
        }
        self.covered |= old == Slot::EMPTY;
        mark()
    }

    fn lose(&mut self, slot: Slot) {
        let Some(on) = slot.pointer() else { return };
        self.lost_blocks += 1;
        if let Some(freed) = &mut self.freed {
            freed.push(Extent { start: Pba(on), blocks: 1 });
        }
    }

    /// Let go of all that the subtree on `page` has, and of its nodes.
    fn give_back(&mut self, at: Position, page: PageNo) -> Result<()> {
        let node = Node::read(self.pages, page, self.tree.shape, at)?;
        let slots: Vec<Slot> = node.slots(0, self.tree.shape.fanout() - 1).collect();
        drop(node);
        let inside = inside(&self.tree, at) as usize;
        self.covered |= self.marks && slots[..inside].contains(&Slot::EMPTY);
        for (index, slot) in (0..).zip(slots) {
            match sight(slot) {
                Sight::On(page) if at.level > 0 => {
                    self.give_back(child(self.tree.shape, at, index), PageNo(page))?;
                }
                _ => self.lose(slot),
            }
        }
        self.pages.free(page, PageKind::TREE)
    }

    /// The node on `page`, or nothing if the change left nothing in it that anybody could miss.
    fn or_nothing(&mut self, at: Position, page: PageNo) -> Result<Slot> {
        let empty = self.on.is_none() && !self.marks;
        if empty
            && Node::read(self.pages, page, self.tree.shape, at)?.is_empty(0, self.tree.shape.fanout() - 1)
        {
            self.pages.free(page, PageKind::TREE)?;
            return Ok(Slot::EMPTY);
        }
        Ok(Slot::to(page.0))
    }
}

/// A new node of a map, all of whose slots say what `slot`, which has no pointer, says of them all.
pub(crate) fn filled(pages: &mut dyn PageTxn, tree: &Tree, at: Position, slot: Slot) -> Result<PageNo> {
    let page = node::create(pages, tree.shape, at)?;
    if slot != Slot::EMPTY {
        let bytes = pages.edit(page, PageKind::TREE)?;
        (0..inside(tree, at)).for_each(|index| set_slot(bytes, index, slot));
    }
    Ok(page)
}

/// Slots of the node at `at` under which there is a block of the version.
fn inside(tree: &Tree, at: Position) -> u64 {
    let slots = tree.blocks.saturating_sub(at.first).div_ceil(tree.shape.slot_span(at.level));
    slots.min(tree.shape.fanout())
}
