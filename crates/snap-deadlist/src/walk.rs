//! Reading trees: what a version holds, and what it holds that another does not.
//!
//! Invariant: a subtree of an older node is not entered, since nothing below a node is younger than it as seen from any
//! version above; two equal slots are one subtree.

use crate::held::Held;
use crate::state::{Line, State, root_slot};
use spinney_core::{PageNo, PageRead, Result};
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Record, Slot};

/// Every node and block of a version's tree that was born after `floor`; without one all, also with births that cannot be.
pub(crate) fn visit(
    state: &State,
    record: &Record,
    birth: u64,
    floor: Option<u32>,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Held) -> Result<()>,
) -> Result<()> {
    let mut walk = Walk { state, floor, pages, each };
    walk.slot(state.tree(record).root_position(), root_slot(record, birth))
}

struct Walk<'a> {
    state: &'a State,
    floor: Option<u32>,
    pages: &'a dyn PageRead,
    each: &'a mut dyn FnMut(Held) -> Result<()>,
}

impl Walk<'_> {
    fn seen(&self, node: bool, slot: Slot) -> Option<Held> {
        Held::of(node, slot.0).filter(|held| self.floor.is_none_or(|floor| held.birth() > floor))
    }
    /// The node that `slot` points at.
    fn slot(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Some(held) = self.seen(true, slot) else {
            return Ok(());
        };
        (self.each)(held)?;
        let node = Node::read(self.pages, PageNo(held.number()), self.state.shape, at)?;
        for (index, slot) in (0..).zip(node.slots(0, self.state.shape.fanout() - 1)) {
            if at.level > 0 {
                self.slot(child(self.state.shape, at, index), slot)?;
            } else if let Some(held) = self.seen(false, slot) {
                (self.each)(held)?;
            }
        }
        Ok(())
    }
}

/// Every node and block that `old` holds and `new` does not. Both are of one size.
pub(crate) fn lost(
    state: &State,
    old: (&Record, Line),
    new: (&Record, Line),
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Held) -> Result<()>,
) -> Result<()> {
    let at = state.tree(old.0).root_position();
    let slots = [old, new].map(|(record, line)| root_slot(record, line.birth_or_cursor));
    lost_below(state, at, slots, pages, each)
}

fn lost_below(
    state: &State,
    at: Position,
    [old, new]: [Slot; 2],
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Held) -> Result<()>,
) -> Result<()> {
    let Some(page) = old.pointer().filter(|_| old != new) else { return Ok(()) };
    if let Some(held) = Held::of(true, old.0) {
        each(held)?;
    }
    let node = Node::read(pages, PageNo(page), state.shape, at)?;
    let other = match new.pointer() {
        Some(page) => Some(Node::read(pages, PageNo(page), state.shape, at)?),
        None => None,
    };
    for (index, old) in (0..).zip(node.slots(0, state.shape.fanout() - 1)) {
        let new = other.as_ref().map_or(Slot::EMPTY, |node| node.slot(index));
        if at.level > 0 {
            lost_below(state, child(state.shape, at, index), [old, new], pages, each)?;
        } else if let Some(held) = Held::of(false, old.0).filter(|_| old != new) {
            each(held)?;
        }
    }
    Ok(())
}
