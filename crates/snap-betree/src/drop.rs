//! Dropping the maps of deleted versions, in steps as small as asked for.
//!
//! Invariant: what is left of a map is exactly what is still to be let go: an entry goes in the step that lets its content go, so a
//! crash finds the cursor in the map itself. A node that something else points at too is let go, never entered (Rodeh's "drop").

use crate::inner::{Inner, hiding};
use crate::state::{State, ZOMBIES_LEFT};
use crate::writer::{Held, Writer};
use alloc::vec::Vec;
use spinney_core::{DevId, PageKind, PageNo, PageRead, Result};
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::{Node, Position, Record, Slot};

/// Leave the map of a deleted version to `tend`, unless another version has it too.
pub(crate) fn bury(writer: &mut Writer<'_>, dev: DevId, record: &Record) -> Result<()> {
    let Some(root) = record.root else { return Ok(()) };
    if writer.is_shared(root)? {
        return writer.lower_node(root);
    }
    let state = writer.state;
    state.zombies.put(dev, record, writer.pages)?;
    state.add(ZOMBIES_LEFT, 1, writer.pages)
}

/// Let go of all that a version maps, now.
pub(crate) fn all(writer: &mut Writer<'_>, record: &Record) -> Result<()> {
    let at = writer.geometry().root(record.blocks);
    let mut drop = Drop { writer, budget: u64::MAX };
    record.root.map_or(Ok(true), |root| drop.pointer(at, root)).map(|_| ())
}

/// Let go of at most `budget` entries and nodes of deleted versions. How many.
pub(crate) fn tend(writer: &mut Writer<'_>, budget: u64) -> Result<u64> {
    let state = writer.state;
    let mut left = budget;
    while left > 0 {
        let Some((dev, record)) = state.zombies.first(writer.pages)? else { break };
        let at = state.geometry.root(record.blocks);
        let mut drop = Drop { writer, budget: left };
        let gone = record.root.map_or(Ok(true), |root| drop.pointer(at, root))?;
        left = drop.budget;
        if gone {
            state.zombies.remove(dev, writer.pages)?;
            state.add(ZOMBIES_LEFT, -1, writer.pages)?;
            left = left.saturating_sub(u64::from(record.root.is_none()));
        }
    }
    Ok(budget - left)
}

/// Deleted versions that have still something.
pub(crate) fn left(state: &State, pages: &dyn PageRead) -> Result<u64> {
    state.anchor.get(ZOMBIES_LEFT, pages)
}

struct Drop<'a, 'b> {
    writer: &'a mut Writer<'b>,
    budget: u64,
}

impl Drop<'_, '_> {
    /// Let go of a pointer at a node. Whether it is gone; if not, the budget is.
    fn pointer(&mut self, at: Position, page: PageNo) -> Result<bool> {
        if self.budget == 0 {
            return Ok(false);
        }
        if self.writer.is_shared(page)? {
            self.budget -= 1;
            self.writer.lower_node(page)?;
            return Ok(true);
        }
        if at.level == 0 { self.leaf(at, page) } else { self.inner(at, page) }
    }

    fn leaf(&mut self, at: Position, page: PageNo) -> Result<bool> {
        let shape = self.writer.geometry().shape;
        let leaf = Node::read(self.writer.pages, page, shape, at)?;
        let full: Vec<(u64, Slot)> =
            (0..).zip(leaf.slots(0, shape.fanout() - 1)).filter(|(_, slot)| !slot.is_empty()).collect();
        core::mem::drop(leaf);
        let now = &full[..full.len().min(usize::try_from(self.budget).unwrap_or(usize::MAX))];
        self.budget -= now.len() as u64;
        self.writer.release_blocks(now.iter().filter_map(|(_, slot)| slot.pointer()))?;
        if now.len() == full.len() && self.budget > 0 {
            self.budget -= 1;
            self.writer.free(page)?;
            return Ok(true);
        }
        let bytes = self.writer.pages.edit(page, PageKind::TREE)?;
        now.iter().for_each(|(index, _)| set_slot(bytes, *index, Slot::EMPTY));
        Ok(false)
    }

    fn inner(&mut self, at: Position, page: PageNo) -> Result<bool> {
        let inner = Inner::read(self.writer.pages, page, &self.writer.geometry(), at)?;
        let before = hiding(&inner.messages);
        let entries = |inner: &Inner| {
            inner.messages.len() + inner.pivots.iter().filter(|pivot| !pivot.is_empty()).count()
        };
        let entries_before = entries(&inner);
        let mut node = Held { page, inner, beyond: 0 };
        let all = self.entries(&mut node)?;
        let gone = all && self.budget > 0;
        self.writer.change_hidden(before, &node.inner.messages);
        if gone {
            self.budget -= 1;
            self.writer.free(page)?;
        } else if all || entries(&node.inner) != entries_before {
            self.writer.store(&node)?; // a full pool may have no pages for nodes that only lie on the way
        }
        Ok(gone)
    }

    /// Children, then messages, then what the GOTO leads to. Whether all are gone.
    fn entries(&mut self, node: &mut Held) -> Result<bool> {
        let geometry = self.writer.geometry();
        for index in 0..geometry.pivots {
            if let Some(child) = node.inner.pivots[index].pointer() {
                if !self.pointer(geometry.child(node.inner.at, index), PageNo(child))? {
                    return Ok(false);
                }
                node.inner.pivots[index] = Slot::EMPTY;
            }
        }
        let rest =
            node.inner.messages.len().saturating_sub(usize::try_from(self.budget).unwrap_or(usize::MAX));
        let gone = node.inner.messages.split_off(rest);
        self.budget -= gone.len() as u64;
        self.writer.release_messages(&gone)?;
        let Some(target) = node.inner.goto else { return Ok(node.inner.messages.is_empty()) };
        if !node.inner.messages.is_empty() || !self.goto(node, target)? {
            return Ok(false);
        }
        (node.inner.goto, node.inner.depth) = (None, 0);
        Ok(true)
    }

    /// As [`Drop::pointer`], at the same position.
    fn goto(&mut self, node: &Held, target: PageNo) -> Result<bool> {
        let below = Inner::read(self.writer.pages, target, &self.writer.geometry(), node.inner.at)?;
        crate::view::follows(target, below.depth, Some(node.inner.depth))?;
        self.pointer(node.inner.at, target)
    }
}
