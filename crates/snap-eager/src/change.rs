//! Changing a version's map: its first level is its own and is changed where it is; a table with a second owner is copied.
//!
//! Invariant: a block is counted once for each version that maps it, and not for each table that names it: so copying a table
//! counts nothing. A slot whose flag is set is not looked up.

use crate::planted::{Fault, planted};
use crate::state::{Emptied, State, copied, is_copied};
use alloc::vec::Vec;
use spinney_core::{Extent, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, NumberRuns, Position, Slot};

/// One change of one version.
pub(crate) struct Change<'a> {
    pub(crate) state: State,
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
    /// The subtree at `at`, changed.
    pub(crate) fn node(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let shape = self.state.shape;
        let (low, high) = shape.slots_of(at.level, at.first, clip(shape, at, self.range));
        let slot = match slot.pointer() {
            Some(_) => slot,
            None if self.on.is_none() => return Ok(slot),
            None => copied(node::create(self.pages, shape, at)?.0),
        };
        let page = PageNo(slot.pointer().expect("a node"));
        let node = Node::read(self.pages, page, shape, at)?;
        let before: Vec<Slot> = node.slots(low, high).collect();
        drop(node);
        if self.on.is_none() && before.iter().all(|slot| slot.is_empty()) {
            return Ok(slot);
        }
        let slot = match at.level {
            0 => self.table(at, slot, low, &before)?,
            _ => {
                for (index, old) in (low..=high).zip(before) {
                    let new = self.node(child(shape, at, index), old)?;
                    if new != old {
                        set_slot(self.pages.edit(page, PageKind::TREE)?, index, new);
                    }
                }
                slot
            }
        };
        self.or_nothing(at, slot)
    }

    /// Change slots of a table, in a copy if it has another owner.
    fn table(&mut self, at: Position, slot: Slot, low: u64, before: &[Slot]) -> Result<Slot> {
        let mut page = PageNo(slot.pointer().expect("a table"));
        if !is_copied(slot) && self.state.tables.extra(page.0, self.pages)? > 0 {
            let node = Node::read(self.pages, page, self.state.shape, at)?;
            let copy = node::copy(self.pages, &node)?;
            self.state.tables.release(page.0, 1, self.pages, &mut self.emptied.tables, &mut |_, _| ())?;
            if planted(Fault::CopyCounts) {
                let all = node.slots(0, self.state.shape.fanout() - 1).filter_map(Slot::pointer);
                all.into_iter().try_for_each(|on| self.state.blocks.raise(on, 1, self.pages))?;
            }
            page = copy;
        }
        let on = self.on.map(|on| on.0 + at.first + low - self.range.start.0);
        let bytes = self.pages.edit(page, PageKind::TREE)?;
        for (index, count) in (low..).zip(0..before.len() as u64) {
            set_slot(bytes, index, on.map_or(Slot::EMPTY, |on| copied(on + count)));
        }
        for slot in before.iter().filter(|slot| is_copied(**slot)) {
            self.lost_blocks += 1;
            if let Some(on) = slot.pointer() {
                self.freed.push(Extent { start: Pba(on), blocks: 1 });
            }
        }
        let mut runs = NumberRuns::new(|first, length| {
            self.lost_blocks += length;
            release(&self.state, first, length, self.pages, self.emptied, self.freed)
        });
        let looked_up = before.iter().filter(|slot| !is_copied(**slot)).filter_map(|slot| slot.pointer());
        looked_up.into_iter().try_for_each(|on| runs.push(on))?;
        runs.finish()?;
        Ok(copied(page.0))
    }

    /// The node, or nothing if the change left it empty.
    fn or_nothing(&mut self, at: Position, slot: Slot) -> Result<Slot> {
        let shape = self.state.shape;
        let page = PageNo(slot.pointer().expect("a node"));
        if self.on.is_none() && Node::read(self.pages, page, shape, at)?.is_empty(0, shape.fanout() - 1) {
            self.pages.free(page, PageKind::TREE)?;
            return Ok(Slot::EMPTY);
        }
        Ok(slot)
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
