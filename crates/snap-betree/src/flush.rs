//! Writing: a message into the root's buffer, and flushes of full buffers.
//!
//! Invariant: a node with a second pointer at it is not given anything. Instead of it comes a node of one's own with a GOTO to it; once both
//! have a buffer full together, the node takes over what the GOTO leads to. A leaf is copied when a batch lands. What a message
//! lies over is let go of when it lands, not before. A flush goes down one path and changes no content, so any node may flush.

use crate::geometry::Geometry;
use crate::inner::{Inner, Message, hiding};
use crate::planted::{Fault, planted};
use crate::view::{chain, follows, merge};
use crate::writer::{Held, Writer};
use alloc::vec::Vec;
use spinney_core::{Error, PageKind, PageNo, Result};
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::{Node, Position, Slot};

/// The messages for child `index`, as a range of places in the buffer.
fn batch(geometry: &Geometry, inner: &Inner, index: usize) -> core::ops::Range<usize> {
    let child = geometry.child(inner.at, index);
    let last = index + 1 == geometry.pivots;
    let end = if last { u64::MAX } else { geometry.end(child) };
    let low = inner.messages.partition_point(|message| message.lba < child.first);
    let high = inner.messages.partition_point(|message| message.lba < end);
    low..high.max(low)
}

/// What the planted fault leaves of a batch.
fn without_holes(mut batch: Vec<Message>, child: &Inner) -> Vec<Message> {
    let meets = |lba: &u64| child.messages.binary_search_by_key(lba, |message| message.lba).is_ok();
    batch.retain(|message| message.on().is_some() || meets(&message.lba));
    batch
}

impl Writer<'_> {
    /// A node to be changed, in memory: that on `page` if nothing else points at it, else one in front of it.
    pub(crate) fn own(&mut self, at: Position, page: Option<PageNo>, incoming: usize) -> Result<Held> {
        let geometry = self.geometry();
        let Some(page) = page else {
            return Ok(Held { page: self.alloc()?, inner: Inner::empty(&geometry, at), beyond: 0 });
        };
        let line = chain(&geometry, at, page, self.pages)?;
        let all: usize = line.iter().map(|(_, inner)| inner.messages.len()).sum();
        let (_, first) = line.into_iter().next().expect("a line has a first node");
        if !self.is_shared(page)? || planted(Fault::FlushIntoShared) {
            let beyond = all - first.messages.len();
            return Ok(Held { page, inner: first, beyond });
        }
        let depth = first.depth + 1;
        let inner = Inner { depth, goto: Some(page), ..Inner::empty(&geometry, at) };
        let mut node = Held { page: self.alloc()?, inner, beyond: all };
        if depth > self.state.choice.goto_max || all + incoming > geometry.messages {
            self.take_over(&mut node)?;
        }
        Ok(node)
    }

    /// What the GOTO leads to becomes the node's own, which has no GOTO then. What others point at as well is copied.
    pub(crate) fn take_over(&mut self, node: &mut Held) -> Result<()> {
        let geometry = self.geometry();
        let (mut next, mut depth, mut alone) = (node.inner.goto.take(), node.inner.depth, true);
        let mut messages = core::mem::take(&mut node.inner.messages);
        let before = hiding(&messages);
        while let Some(page) = next {
            let inner = Inner::read(self.pages, page, &geometry, node.inner.at)?;
            follows(page, inner.depth, Some(depth))?;
            (next, depth) = (inner.goto, inner.depth);
            let stays = alone && self.is_shared(page)?;
            if stays {
                self.lower_node(page)?;
                alone = false;
            }
            let mut lost = Vec::new();
            messages = merge(&messages, &inner.messages, &mut |message| lost.push(*message));
            if alone {
                self.release_messages(&lost)?;
                self.change_hidden(hiding(&inner.messages), &[]);
                self.free(page)?;
            } else {
                let is_lost = |m: &&Message| lost.binary_search_by_key(&m.lba, |lost| lost.lba).is_ok();
                let kept = inner.messages.iter().filter(|message| !is_lost(message));
                if !planted(Fault::TakenWithoutCounts) {
                    self.raise_blocks(kept.filter_map(Message::on))?;
                }
                if next.is_none() {
                    self.raise_nodes(inner.pivots.iter().filter_map(|pivot| pivot.pointer()))?;
                }
            }
            node.inner.pivots = inner.pivots;
        }
        if messages.len() > geometry.messages {
            return Err(Error::corrupt_page("messages of a line of GOTOs", node.page));
        }
        self.change_hidden(before, &messages);
        node.inner.messages = messages;
        (node.inner.depth, node.beyond) = (0, 0);
        Ok(())
    }

    /// A message from the writer. `mapped`: whether the version maps the block now.
    pub(crate) fn insert(&mut self, root: &mut Held, lba: u64, on: Option<u64>, mapped: bool) -> Result<()> {
        let find = |inner: &Inner| inner.messages.binary_search_by_key(&lba, |message| message.lba);
        if find(&root.inner).is_err() {
            if on.is_none() && !mapped {
                return Ok(());
            }
            self.make_room(root)?;
        }
        match find(&root.inner) {
            Ok(place) => {
                let old = root.inner.messages[place];
                self.release_messages(&[old])?;
                match Message::new(lba, on, false).instead_of(&old) {
                    Some(message) => root.inner.messages[place] = message,
                    None => drop(root.inner.messages.remove(place)),
                }
            }
            Err(place) => {
                root.inner.messages.insert(place, Message::new(lba, on, mapped));
                self.hidden += i64::from(mapped);
            }
        }
        if root.inner.goto.is_none() && root.inner.messages.len() > self.geometry().rest {
            self.flush_fullest(root)?;
        }
        Ok(())
    }

    /// Room for one message more.
    fn make_room(&mut self, node: &mut Held) -> Result<()> {
        let messages = self.geometry().messages;
        if node.inner.goto.is_some() {
            if node.inner.messages.len() + node.beyond < messages {
                return Ok(());
            }
            self.take_over(node)?;
        }
        while node.inner.messages.len() >= messages {
            self.flush_fullest(node)?;
        }
        Ok(())
    }

    /// Flush to the child with the most messages. The node has no GOTO.
    fn flush_fullest(&mut self, node: &mut Held) -> Result<()> {
        let geometry = self.geometry();
        let fullest =
            (0..geometry.pivots).rev().max_by_key(|index| batch(&geometry, &node.inner, *index).len());
        self.flush(node, fullest.unwrap_or(0), usize::MAX).map(|_| ())
    }

    /// Move messages for a child to it: those that it has room for, and at most so many. How many. The node has no GOTO.
    pub(crate) fn flush(&mut self, node: &mut Held, index: usize, most: usize) -> Result<usize> {
        let geometry = self.geometry();
        let places = batch(&geometry, &node.inner, index);
        let want = places.len().min(most);
        if want == 0 {
            return Ok(0);
        }
        let at = geometry.child(node.inner.at, index);
        let pivot = node.inner.pivots[index];
        if at.level == 0 {
            let batch: Vec<Message> = node.inner.messages.drain(places.start..places.start + want).collect();
            node.inner.pivots[index] = self.land(at, pivot, &batch)?;
            self.change_hidden(hiding(&batch), &[]);
            return Ok(want);
        }
        let mut child = self.own(at, pivot.pointer().map(PageNo), want)?;
        let moved = want.min(self.room(&mut child, want)?);
        let batch: Vec<Message> = node.inner.messages.drain(places.start..places.start + moved).collect();
        let before = hiding(&batch) + hiding(&child.inner.messages);
        let batch = if planted(Fault::ForgottenHole) { without_holes(batch, &child.inner) } else { batch };
        let mut lost = Vec::new();
        child.inner.messages = merge(&batch, &child.inner.messages, &mut |message| lost.push(*message));
        self.release_messages(&lost)?;
        self.change_hidden(before, &child.inner.messages);
        node.inner.pivots[index] = if child.inner.is_empty() {
            self.free(child.page)?;
            Slot::EMPTY
        } else {
            self.store(&child)?;
            Slot::to(child.page.0)
        };
        Ok(moved)
    }

    /// How many messages a child takes, at least one, after a flush of its own if `want` are more than it should have.
    fn room(&mut self, child: &mut Held, want: usize) -> Result<usize> {
        let Geometry { messages, rest, .. } = self.geometry();
        if child.inner.goto.is_some() {
            if child.inner.messages.len() + child.beyond + want <= messages {
                return Ok(want);
            }
            self.take_over(child)?;
        }
        if child.inner.messages.len() + want > rest {
            self.flush_fullest(child)?;
        }
        Ok(messages.saturating_sub(child.inner.messages.len()))
    }

    /// Messages reach their leaf, and what they lay over is let go of.
    fn land(&mut self, at: Position, pivot: Slot, batch: &[Message]) -> Result<Slot> {
        let shape = self.geometry().shape;
        let (page, shared) = match pivot.pointer().map(PageNo) {
            None => (node::create(self.pages, shape, at)?, false),
            Some(page) => {
                let shared = self.is_shared(page)? && !planted(Fault::FlushIntoShared);
                (if shared { self.copy_leaf(at, page, batch)? } else { page }, shared)
            }
        };
        let leaf = Node::read(self.pages, page, shape, at)?;
        let old: Vec<Slot> = batch.iter().map(|message| leaf.slot(message.lba - at.first)).collect();
        drop(leaf);
        let bytes = self.pages.edit(page, PageKind::TREE)?;
        for message in batch {
            set_slot(bytes, message.lba - at.first, message.on().map_or(Slot::EMPTY, Slot::to));
        }
        if !shared {
            self.release_blocks(old.into_iter().filter_map(Slot::pointer))?;
        }
        if Node::read(self.pages, page, shape, at)?.is_empty(0, shape.fanout() - 1) {
            self.free(page)?;
            return Ok(Slot::EMPTY);
        }
        Ok(Slot::to(page.0))
    }

    /// A copy of a leaf that others point at too. What the batch replaces the old leaf keeps.
    fn copy_leaf(&mut self, at: Position, page: PageNo, batch: &[Message]) -> Result<PageNo> {
        let shape = self.geometry().shape;
        let leaf = Node::read(self.pages, page, shape, at)?;
        self.lower_node(page)?;
        let copy = node::copy(self.pages, &leaf)?;
        let kept = (at.first..).zip(leaf.slots(0, shape.fanout() - 1));
        let kept = kept.filter(|(lba, _)| batch.binary_search_by_key(lba, |message| message.lba).is_err());
        if !planted(Fault::CopyWithoutCounts) {
            self.raise_blocks(kept.filter_map(|(_, slot)| slot.pointer()))?;
        }
        Ok(copy)
    }
}
