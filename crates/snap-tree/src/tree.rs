//! A version's map as a radix tree, and reading it: stretches, lookup.
//!
//! Invariant: every block of a range is reported exactly once, in order. Reads each node on the way once per range, not
//! once per block. Knows no sharing.

use crate::node::{Node, Position};
use crate::{Shape, Slot};
use spinney_core::{Error, Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Run;

/// The map of one version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tree {
    /// Its geometry.
    pub shape: Shape,
    /// The root node; none if every block is a hole.
    pub root: Option<PageNo>,
    /// Logical blocks.
    pub blocks: u64,
}

/// A stretch of a tree inside one leaf, or a hole.
pub enum Stretch<'a> {
    /// Nothing is mapped there.
    Hole(LbaRange),
    /// The leaf and the index of its first slot inside the range; one slot a block.
    Leaf(LbaRange, &'a Node, u64),
}

/// The part of `range` under the node at `at` (they touch).
#[must_use]
pub fn clip(shape: Shape, at: Position, range: LbaRange) -> LbaRange {
    let start = range.start.0.max(at.first);
    let end = range.end().0.min(at.first.saturating_add(shape.node_span(at.level)));
    LbaRange::new(Lba(start), end - start)
}

impl Tree {
    /// Where the root stands.
    #[must_use]
    pub fn root_position(&self) -> Position {
        Position { level: self.shape.root_level(self.blocks), first: 0 }
    }
    /// The root's slot, as if a node above held it.
    #[must_use]
    pub fn root_slot(&self) -> Slot {
        self.root.map_or(Slot::EMPTY, |page| Slot::to(page.0))
    }
    /// Errors: `OutOfRange` if `range` passes the end.
    pub fn contains(&self, range: LbaRange) -> Result<()> {
        if range.end().0 <= self.blocks {
            return Ok(());
        }
        Err(Error::OutOfRange { start: range.start.0, length: range.blocks, limit: self.blocks })
    }
    /// The range's stretches in order. Errors: `Corrupt`, `OutOfRange`.
    pub fn visit(&self, range: LbaRange, pages: &dyn PageRead, each: &mut dyn FnMut(Stretch)) -> Result<()> {
        self.contains(range)?;
        if range.blocks == 0 {
            return Ok(());
        }
        visit(self.shape, self.root_position(), self.root_slot(), range, pages, each)
    }
    /// The range's runs in order, holes included, each as long as it can be. Errors: `Corrupt`, `OutOfRange`.
    pub fn lookup(&self, range: LbaRange, pages: &dyn PageRead, each: &mut dyn FnMut(Run)) -> Result<()> {
        if range.blocks == 1 {
            let on = self.get(range.start, pages)?.pointer().map(Pba);
            each(Run { at: range.start, blocks: 1, on });
            return Ok(());
        }
        let mut runs = Runs::new(each);
        self.visit(range, pages, &mut |stretch| match stretch {
            Stretch::Hole(range) => runs.push(range.start, range.blocks, None),
            Stretch::Leaf(range, node, low) => {
                for (at, slot) in (range.start.0..).zip(node.slots(low, low + range.blocks - 1)) {
                    runs.push(Lba(at), 1, slot.pointer().map(Pba));
                }
            }
        })?;
        runs.finish();
        Ok(())
    }
    /// The block behind the one that holds the logical block before `at`: where a write that continues another wants to
    /// lie. Errors: `Corrupt`, `OutOfRange`.
    pub fn behind(&self, at: Lba, pages: &dyn PageRead) -> Result<Option<Pba>> {
        match at.0.checked_sub(1) {
            Some(before) => Ok(self.get(Lba(before), pages)?.pointer().map(|on| Pba(on + 1))),
            None => Ok(None),
        }
    }
    /// Whether any block of the range is mapped. Errors: `Corrupt`, `OutOfRange`.
    pub fn maps_any(&self, range: LbaRange, pages: &dyn PageRead) -> Result<bool> {
        let mut any = false;
        self.visit(range, pages, &mut |stretch| {
            if let Stretch::Leaf(range, node, low) = stretch {
                any |= !node.is_empty(low, low + range.blocks - 1);
            }
        })?;
        Ok(any)
    }
    /// Calls `each` for every slot past the end that points somewhere; there should be none. Errors: `Corrupt`.
    pub fn visit_past_end(&self, pages: &dyn PageRead, each: &mut dyn FnMut()) -> Result<()> {
        let (mut at, mut slot) = (self.root_position(), self.root_slot());
        while let Some(page) = slot.pointer() {
            let node = Node::read(pages, PageNo(page), self.shape, at)?;
            let span = self.shape.slot_span(at.level);
            let inside = self.blocks.saturating_sub(at.first).div_ceil(span);
            (inside..self.shape.fanout()).filter(|index| !node.slot(*index).is_empty()).for_each(|_| each());
            let Some(last) = inside.checked_sub(1) else { break };
            if at.level == 0 {
                break;
            }
            slot = node.slot(last);
            at = child(self.shape, at, last);
        }
        Ok(())
    }
    /// Where one block is. Errors: `Corrupt`, `OutOfRange`.
    pub fn get(&self, at: Lba, pages: &dyn PageRead) -> Result<Slot> {
        self.contains(LbaRange { start: at, blocks: 1 })?;
        let mut slot = self.root_slot();
        let mut position = self.root_position();
        loop {
            let Some(page) = slot.pointer() else { return Ok(Slot::EMPTY) };
            let index = (at.0 - position.first) / self.shape.slot_span(position.level);
            slot = Node::slot_on(pages, PageNo(page), self.shape, position, index)?;
            if position.level == 0 {
                return Ok(slot);
            }
            position = child(self.shape, position, index);
        }
    }
}

/// Consecutive numbers made one run: calls `each` with (first, length).
pub struct NumberRuns<F: FnMut(u64, u64) -> Result<()>> {
    first: u64,
    length: u64,
    each: F,
}

impl<F: FnMut(u64, u64) -> Result<()>> NumberRuns<F> {
    /// No number so far.
    pub fn new(each: F) -> NumberRuns<F> {
        NumberRuns { first: 0, length: 0, each }
    }
    /// The next number.
    pub fn push(&mut self, number: u64) -> Result<()> {
        if self.length > 0 && self.first + self.length == number {
            self.length += 1;
            return Ok(());
        }
        let done = self.finish();
        (self.first, self.length) = (number, 1);
        done
    }
    /// No number follows.
    pub fn finish(&mut self) -> Result<()> {
        let length = std::mem::take(&mut self.length);
        if length > 0 { (self.each)(self.first, length) } else { Ok(()) }
    }
}

/// The position of the child under slot `index`.
#[must_use]
pub fn child(shape: Shape, at: Position, index: u64) -> Position {
    Position { level: at.level - 1, first: shape.slot_first(at.level, at.first, index) }
}

fn visit(
    shape: Shape,
    at: Position,
    slot: Slot,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Stretch),
) -> Result<()> {
    let range = clip(shape, at, range);
    let Some(page) = slot.pointer() else {
        each(Stretch::Hole(range));
        return Ok(());
    };
    let node = Node::read(pages, PageNo(page), shape, at)?;
    let (low, high) = shape.slots_of(at.level, at.first, range);
    if at.level == 0 {
        each(Stretch::Leaf(range, &node, low));
        return Ok(());
    }
    (low..)
        .zip(node.slots(low, high))
        .try_for_each(|(index, slot)| visit(shape, child(shape, at, index), slot, range, pages, each))
}

/// Joins runs that touch, on both sides of the map.
pub struct Runs<'a> {
    last: Option<Run>,
    each: &'a mut dyn FnMut(Run),
}

impl<'a> Runs<'a> {
    /// Nothing so far; `each` gets the joined runs.
    pub fn new(each: &'a mut dyn FnMut(Run)) -> Runs<'a> {
        Runs { last: None, each }
    }
    /// The next blocks.
    pub fn push(&mut self, at: Lba, blocks: u64, on: Option<Pba>) {
        if let Some(last) = &mut self.last {
            if last.on.map(|start| Pba(start.0 + last.blocks)) == on {
                last.blocks += blocks;
                return;
            }
            (self.each)(*last);
        }
        self.last = Some(Run { at, blocks, on });
    }
    /// No block follows.
    pub fn finish(self) {
        if let Some(last) = self.last {
            (self.each)(last);
        }
    }
}
