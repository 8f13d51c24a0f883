//! Reading a map: the newest message on the way down decides, then the leaf.
//!
//! Invariant: changes nothing. A node and those that its GOTO leads to are one: their messages together, newer over older, and the
//! pivots of the last. Every block of a range is reported once, in order.

use crate::geometry::Geometry;
use crate::inner::{Inner, Message, Said, between};
use alloc::vec::Vec;
use spinney_core::{Error, Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::Run;
use spinney_snap_tree::{Node, Position, Record, Runs, Slot};

/// A node and those that its GOTO leads to, newest first. Errors: `Corrupt`.
pub(crate) fn chain(
    geometry: &Geometry,
    at: Position,
    page: PageNo,
    pages: &dyn PageRead,
) -> Result<Vec<(PageNo, Inner)>> {
    let mut line: Vec<(PageNo, Inner)> = Vec::new();
    let mut next = Some(page);
    while let Some(page) = next {
        let inner = Inner::read(pages, page, geometry, at)?;
        follows(page, inner.depth, line.last().map(|(_, last)| last.depth))?;
        next = inner.goto;
        line.push((page, inner));
    }
    Ok(line)
}

/// A GOTO leads to a node of smaller depth. Errors: `Corrupt`.
pub(crate) fn follows(page: PageNo, depth: u8, before: Option<u8>) -> Result<()> {
    let right = before.is_none_or(|before| depth < before);
    if right { Ok(()) } else { Err(Error::corrupt_page("depth of a GOTO's target", page)) }
}

/// Both, the newer in front of the older. `lost` gets what of the older is replaced.
pub(crate) fn merge(newer: &[Message], older: &[Message], lost: &mut dyn FnMut(&Message)) -> Vec<Message> {
    let mut merged = Vec::with_capacity(newer.len() + older.len());
    let mut older = older.iter().peekable();
    for message in newer {
        while let Some(before) = older.next_if(|before| before.lba < message.lba) {
            merged.push(*before);
        }
        match older.next_if(|before| before.lba == message.lba) {
            Some(before) => {
                lost(before);
                merged.extend(message.instead_of(before));
            }
            None => merged.push(*message),
        }
    }
    merged.extend(older);
    merged
}

/// A map: its geometry, and where its root is.
#[derive(Clone, Copy)]
pub(crate) struct Map {
    pub(crate) geometry: Geometry,
    pub(crate) root: Option<PageNo>,
    pub(crate) blocks: u64,
}

impl Map {
    pub(crate) fn of(geometry: Geometry, record: &Record) -> Map {
        Map { geometry, root: record.root, blocks: record.blocks }
    }
    pub(crate) fn root_at(&self) -> Position {
        self.geometry.root(self.blocks)
    }
    /// Where one block is. Errors: `Corrupt`.
    pub(crate) fn get(&self, lba: u64, pages: &dyn PageRead) -> Result<Option<u64>> {
        Ok(entry(&self.geometry, self.root_at(), self.root, lba, pages)?.flatten())
    }
    /// The block behind that of the logical block before: where a write that continues another wants to lie.
    pub(crate) fn behind(&self, lba: u64, pages: &dyn PageRead) -> Result<Option<Pba>> {
        match lba.checked_sub(1) {
            Some(before) => Ok(self.get(before, pages)?.map(|on| Pba(on + 1))),
            None => Ok(None),
        }
    }
    /// The range's runs in order, holes included. Errors: `Corrupt`.
    pub(crate) fn lookup(
        &self,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Run),
    ) -> Result<()> {
        if range.blocks == 1 {
            let on = self.get(range.start.0, pages)?.map(Pba);
            each(Run { at: range.start, blocks: 1, on });
            return Ok(());
        }
        if range.blocks == 0 {
            return Ok(());
        }
        let mut walk = Walk { geometry: self.geometry, range, pages, runs: Runs::new(each) };
        walk.node(self.root_at(), self.root, &[])?;
        walk.runs.finish();
        Ok(())
    }
    /// Each mapped block of the range.
    pub(crate) fn mapped(&self, range: LbaRange, pages: &dyn PageRead) -> Result<Vec<u64>> {
        let mut mapped = Vec::new();
        self.lookup(range, pages, &mut |run| {
            if run.on.is_some() {
                mapped.extend(run.at.0..run.at.0 + run.blocks);
            }
        })?;
        Ok(mapped)
    }
}

/// The first that is said about the block at the node or below it: a message, or a leaf's slot that is not empty. Errors: `Corrupt`.
pub(crate) fn entry(
    geometry: &Geometry,
    at: Position,
    page: Option<PageNo>,
    lba: u64,
    pages: &dyn PageRead,
) -> Result<Option<Option<u64>>> {
    let (mut at, mut next, mut depth_before) = (at, page, None);
    while let Some(page) = next {
        if at.level == 0 {
            let slot = Node::slot_on(pages, page, geometry.shape, at, lba - at.first)?;
            return Ok(slot.pointer().map(Some));
        }
        match Inner::ask(pages, page, geometry, at, lba)? {
            Said::Message(on) => return Ok(Some(on)),
            Said::Goto(target, depth) => {
                follows(page, depth, depth_before)?;
                (next, depth_before) = (Some(target), Some(depth));
            }
            Said::Child(child) => {
                next = child.map(PageNo);
                at = geometry.child(at, geometry.index(at, lba));
                depth_before = None;
            }
        }
    }
    Ok(None)
}

/// The slots of a leaf from the block `start` on.
pub(crate) fn slots(leaf: &Node, at: Position, range: LbaRange) -> impl Iterator<Item = (u64, Slot)> + '_ {
    let (low, high) = (range.start.0 - at.first, range.end().0 - at.first);
    (range.start.0..).zip(leaf.slots(low, high - 1))
}

struct Walk<'a> {
    geometry: Geometry,
    range: LbaRange,
    pages: &'a dyn PageRead,
    runs: Runs<'a>,
}

impl Walk<'_> {
    /// The part of the range under a node, below the messages `over` it.
    fn node(&mut self, at: Position, page: Option<PageNo>, over: &[Message]) -> Result<()> {
        let Some(range) = self.geometry.clip(at, self.range) else { return Ok(()) };
        let over = between(over, range.start.0, range.end().0);
        let Some(page) = page else {
            self.holes(range, over);
            return Ok(());
        };
        if at.level == 0 {
            let leaf = Node::read(self.pages, page, self.geometry.shape, at)?;
            let mut over = over.iter().peekable();
            for (lba, slot) in slots(&leaf, at, range) {
                let message = over.next_if(|message| message.lba == lba);
                let on = message.map_or(slot.pointer(), Message::on);
                self.runs.push(Lba(lba), 1, on.map(Pba));
            }
            return Ok(());
        }
        let (over, pivots) = self.together(at, page, range, over)?;
        let (low, high) =
            (self.geometry.index(at, range.start.0), self.geometry.index(at, range.end().0 - 1));
        (low..=high).try_for_each(|index| {
            self.node(self.geometry.child(at, index), pivots[index].pointer().map(PageNo), &over)
        })
    }

    /// The messages over the children of a node, and these.
    fn together(
        &self,
        at: Position,
        page: PageNo,
        range: LbaRange,
        over: &[Message],
    ) -> Result<(Vec<Message>, Vec<Slot>)> {
        let mut over = over.to_vec();
        let mut pivots = Vec::new();
        for (_, inner) in chain(&self.geometry, at, page, self.pages)? {
            let messages = between(&inner.messages, range.start.0, range.end().0);
            over = if messages.is_empty() { over } else { merge(&over, messages, &mut |_| ()) };
            pivots = inner.pivots;
        }
        Ok((over, pivots))
    }

    /// Nothing but messages.
    fn holes(&mut self, range: LbaRange, over: &[Message]) {
        let mut next = range.start.0;
        for message in over {
            if message.lba > next {
                self.runs.push(Lba(next), message.lba - next, None);
            }
            self.runs.push(Lba(message.lba), 1, message.on().map(Pba));
            next = message.lba + 1;
        }
        if next < range.end().0 {
            self.runs.push(Lba(next), range.end().0 - next, None);
        }
    }
}
