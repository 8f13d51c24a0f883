//! Who owns what: raising and lowering counts, and what they keep alive.
//!
//! Invariant: a node's count is the number of pointers at it (pivots, GOTOs, roots), a data block's the number of entries that name it
//! (messages, slots of leaves), each beyond the first. What a change of messages hides or uncovers is added up until `close`.

use crate::geometry::Geometry;
use crate::inner::{Inner, Message, hiding};
use crate::state::{HELD, HIDDEN, State};
use spinney_core::{Extent, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::{NumberRuns, counts};

/// Count pages to look at when the epoch closes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Emptied {
    pub(crate) nodes: counts::Emptied,
    pub(crate) blocks: counts::Emptied,
}

/// A node in memory, and the page that it is for.
pub(crate) struct Held {
    pub(crate) page: PageNo,
    pub(crate) inner: Inner,
    /// Messages of the nodes that its GOTO leads to.
    pub(crate) beyond: usize,
}

/// Pages to change, and what comes of it.
pub(crate) struct Writer<'a> {
    pub(crate) state: State,
    pub(crate) pages: &'a mut dyn PageTxn,
    freed: &'a mut Freed,
    emptied: &'a mut Emptied,
    /// Messages that hide something: so many more.
    pub(crate) hidden: i64,
    /// Data blocks held: so many more.
    pub(crate) held: i64,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        state: State,
        pages: &'a mut dyn PageTxn,
        emptied: &'a mut Emptied,
        freed: &'a mut Freed,
    ) -> Writer<'a> {
        Writer { state, pages, freed, emptied, hidden: 0, held: 0 }
    }
    pub(crate) fn geometry(&self) -> Geometry {
        self.state.geometry
    }
    /// Put down what was added up.
    pub(crate) fn close(&mut self) -> Result<()> {
        for (word, delta) in [(HIDDEN, &mut self.hidden), (HELD, &mut self.held)] {
            let delta = core::mem::take(delta);
            if delta != 0 {
                self.state.add(word, delta, self.pages)?;
            }
        }
        Ok(())
    }
    /// Put a node on its page.
    pub(crate) fn store(&mut self, node: &Held) -> Result<()> {
        node.inner.store(&self.geometry(), node.page, self.pages)
    }
    /// Whether a node has a second pointer at it.
    pub(crate) fn is_shared(&self, page: PageNo) -> Result<bool> {
        Ok(self.state.nodes.extra(page.0, self.pages)? > 0)
    }
    /// One pointer more at each of these nodes.
    pub(crate) fn raise_nodes(&mut self, nodes: impl Iterator<Item = u64>) -> Result<()> {
        let mut runs = NumberRuns::new(|first, length| self.state.nodes.raise(first, length, self.pages));
        nodes.into_iter().try_for_each(|page| runs.push(page))?;
        runs.finish()
    }
    /// One pointer less at a node that has another.
    pub(crate) fn lower_node(&mut self, page: PageNo) -> Result<()> {
        self.state.nodes.release(page.0, 1, self.pages, &mut self.emptied.nodes, &mut |_, _| ())
    }
    /// One entry more for each of these data blocks.
    pub(crate) fn raise_blocks(&mut self, blocks: impl Iterator<Item = u64>) -> Result<()> {
        let mut runs = NumberRuns::new(|first, length| self.state.blocks.raise(first, length, self.pages));
        blocks.into_iter().try_for_each(|on| runs.push(on))?;
        runs.finish()
    }
    /// One entry less for each of these data blocks; those that now have none are freed.
    pub(crate) fn release_blocks(&mut self, blocks: impl Iterator<Item = u64>) -> Result<()> {
        let Writer { state, pages, freed, emptied, held, .. } = self;
        let mut runs = NumberRuns::new(|first, length| {
            let last = &mut |start, blocks| {
                freed.push(Extent { start: Pba(start), blocks });
                *held -= blocks as i64;
            };
            state.blocks.release(first, length, &mut **pages, &mut emptied.blocks, last)
        });
        blocks.into_iter().try_for_each(|on| runs.push(on))?;
        runs.finish()
    }
    pub(crate) fn release_messages(&mut self, messages: &[Message]) -> Result<()> {
        self.release_blocks(messages.iter().filter_map(Message::on))
    }
    /// The messages of a node, or of a part of one, are others now.
    pub(crate) fn change_hidden(&mut self, before: i64, after: &[Message]) {
        self.hidden += hiding(after) - before;
    }
    pub(crate) fn alloc(&mut self) -> Result<PageNo> {
        self.pages.alloc(PageKind::TREE)
    }
    pub(crate) fn free(&mut self, page: PageNo) -> Result<()> {
        self.pages.free(page, PageKind::TREE)
    }
}
