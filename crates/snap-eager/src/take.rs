//! Taking a version: all at once, as qcow2's internal snapshots do it.
//!
//! Invariant: afterwards both versions have a first level of their own, every second-level table and every block that they reach has one
//! owner more, and no slot on the way says that it has one. Linear in what is mapped.

use crate::planted::{Fault, planted};
use crate::state::State;
use alloc::vec::Vec;
use spinney_core::{PageKind, PageNo, PageTxn, Result, Tally};
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, NumberRuns, Position, Record, Slot};

/// The root of a second first level over the tables of `record`.
pub(crate) fn take(state: &State, record: &Record, pages: &mut dyn PageTxn) -> Result<Option<PageNo>> {
    let at = state.tree(record).root_position();
    match record.root {
        Some(root) => Take { state: *state, pages }.node(at, root).map(Some),
        None => Ok(None),
    }
}

struct Take<'a> {
    state: State,
    pages: &'a mut dyn PageTxn,
}

impl Take<'_> {
    /// A copy of a node of the first level; a table itself, with one owner more.
    fn node(&mut self, at: Position, page: PageNo) -> Result<PageNo> {
        let fanout = self.state.shape.fanout();
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let slots: Vec<Slot> = node.slots(0, fanout - 1).collect();
        self.clear_flags(page, &slots)?;
        if at.level == 0 {
            let blocks = self.state.blocks;
            let mut runs = NumberRuns::new(|first, length| blocks.raise(first, length, self.pages));
            slots.iter().filter_map(|slot| slot.pointer()).try_for_each(|on| runs.push(on))?;
            runs.finish()?;
            self.state.tables.raise(page.0, 1, self.pages)?;
            return Ok(page);
        }
        let copy = node::copy(self.pages, &node)?;
        drop(node);
        for (index, slot) in (0..).zip(slots) {
            let Some(below) = slot.pointer() else { continue };
            let below = self.node(child(self.state.shape, at, index), PageNo(below))?;
            set_slot(self.pages.edit(copy, PageKind::TREE)?, index, Slot::to(below.0));
        }
        Ok(copy)
    }

    /// What the slots point at has more than one owner from now on; what is above the tables keeps one, and its slots no flag.
    fn clear_flags(&mut self, page: PageNo, slots: &[Slot]) -> Result<()> {
        let flagged: Vec<(u64, Slot)> =
            (0..).zip(slots.iter().copied()).filter(|(_, slot)| slot.tag() != 0).collect();
        if flagged.is_empty() || planted(Fault::FlagsStay) {
            return Ok(());
        }
        let bytes = self.pages.edit(page, PageKind::TREE)?;
        let cleared = flagged.len() as u64;
        flagged.into_iter().for_each(|(index, slot)| set_slot(bytes, index, slot.tagged(0)));
        self.pages.tally(Tally::Bits, cleared);
        Ok(())
    }
}
