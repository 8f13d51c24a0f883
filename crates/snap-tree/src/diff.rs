//! The difference of two versions: a walk of both trees in lock step that stops where they share a node.
//!
//! Invariant: two equal pointers are equal content (shared nodes and blocks are never changed), so a shared subtree is
//! skipped unread, and the cost follows the change (nodes that differ, in both trees).

use crate::node::{Node, Position};
use crate::tree::{child, clip};
use crate::{Shape, Slot, Tree};
use spinney_core::{Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Delta;

/// Where the two maps differ inside `range`, in order, each piece as long as it can be. A range past the end of one of
/// them is a hole there. Errors: `Corrupt`, `OutOfRange` (past the end of both).
pub fn diff(
    old: &Tree,
    new: &Tree,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Delta),
) -> Result<()> {
    let larger = if old.blocks > new.blocks { old } else { new };
    larger.contains(range)?;
    if range.blocks == 0 {
        return Ok(());
    }
    let mut walk = Walk { shape: new.shape, range, pages, deltas: Deltas::new(each) };
    let sides = [Side::of(old), Side::of(new)];
    walk.node(larger.root_position(), sides)?;
    walk.deltas.finish();
    Ok(())
}

/// Joins differences that touch, in the map and in both versions.
pub struct Deltas<'a> {
    last: Option<Delta>,
    each: &'a mut dyn FnMut(Delta),
}

impl<'a> Deltas<'a> {
    /// Nothing so far; `each` gets the joined differences.
    pub fn new(each: &'a mut dyn FnMut(Delta)) -> Deltas<'a> {
        Deltas { last: None, each }
    }
    /// The next block, whether it differs or not.
    pub fn push(&mut self, at: Lba, old: Option<Pba>, new: Option<Pba>) {
        if old == new {
            return;
        }
        if let Some(last) = &mut self.last {
            let next = |start: Option<Pba>| start.map(|start| Pba(start.0 + last.blocks));
            if last.at.0 + last.blocks == at.0 && next(last.old) == old && next(last.new) == new {
                last.blocks += 1;
                return;
            }
            (self.each)(*last);
        }
        self.last = Some(Delta { at, blocks: 1, old, new });
    }
    /// No block follows.
    pub fn finish(self) {
        if let Some(last) = self.last {
            (self.each)(last);
        }
    }
}

/// One of the two trees at some position: a slot, and the level of the node that it points at. A tree that is lower
/// than the walk is the first slot of nodes that do not exist.
#[derive(Clone, Copy)]
struct Side {
    slot: Slot,
    level: u32,
}

impl Side {
    fn of(tree: &Tree) -> Side {
        Side { slot: tree.root_slot(), level: tree.root_position().level }
    }
    fn load(self, shape: Shape, at: Position, pages: &dyn PageRead) -> Result<Option<Node>> {
        match self.slot.pointer() {
            Some(page) if self.level == at.level => Node::read(pages, PageNo(page), shape, at).map(Some),
            _ => Ok(None),
        }
    }
    /// The side under slot `index` of the node at `at`, whose content is `node`.
    fn below(self, at: Position, node: Option<&Node>, index: u64) -> Side {
        if self.level < at.level {
            let slot = if index == 0 && at.first == 0 { self.slot } else { Slot::EMPTY };
            return Side { slot, level: self.level };
        }
        let slot = node.map_or(Slot::EMPTY, |node| node.slot(index));
        Side { slot, level: self.level.saturating_sub(1) }
    }
}

struct Walk<'a> {
    shape: Shape,
    range: LbaRange,
    pages: &'a dyn PageRead,
    deltas: Deltas<'a>,
}

impl Walk<'_> {
    fn node(&mut self, at: Position, sides: [Side; 2]) -> Result<()> {
        let [old, new] = sides;
        if old.slot.pointer() == new.slot.pointer() {
            return Ok(());
        }
        let nodes = [old.load(self.shape, at, self.pages)?, new.load(self.shape, at, self.pages)?];
        let (low, high) = self.shape.slots_of(at.level, at.first, clip(self.shape, at, self.range));
        for index in low..=high {
            let old = old.below(at, nodes[0].as_ref(), index);
            let new = new.below(at, nodes[1].as_ref(), index);
            if at.level == 0 {
                let (old, new) = (old.slot.pointer().map(Pba), new.slot.pointer().map(Pba));
                self.deltas.push(Lba(at.first + index), old, new);
            } else {
                self.node(child(self.shape, at, index), [old, new])?;
            }
        }
        Ok(())
    }
}
