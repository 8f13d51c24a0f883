//! How many slots own a node or a block together (`gct-c` only).
//!
//! Invariant: a count is of the owners beyond the first, and only what a slot calls counted can have one; a slot may call
//! counted what it owns alone by now. Knows not who the owners are.

use crate::state::State;
use spinney_core::{PageRead, PageTxn, Result};
use spinney_snap_tree::{Counts, counts};

/// Count pages that were left empty since the last commit: only where to look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sharing {
    nodes: counts::Emptied,
    blocks: counts::Emptied,
}

fn table(state: &State, node: bool) -> Counts {
    if node { state.nodes } else { state.blocks }
}

impl Sharing {
    /// Owners beyond the first, of a page if `node`, else of a data block.
    pub(crate) fn extra(state: &State, node: bool, number: u64, pages: &dyn PageRead) -> Result<u32> {
        table(state, node).extra(number, pages)
    }
    /// One more owner for each of a run of numbers.
    pub(crate) fn raise(
        state: &State,
        node: bool,
        (first, length): (u64, u64),
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        table(state, node).raise(first, length, pages)
    }
    /// One owner less. Whether it was the last.
    pub(crate) fn release(
        &mut self,
        state: &State,
        node: bool,
        number: u64,
        pages: &mut dyn PageTxn,
    ) -> Result<bool> {
        let mut last = false;
        let emptied = if node { &mut self.nodes } else { &mut self.blocks };
        table(state, node).release(number, 1, pages, emptied, &mut |_, _| last = true)?;
        Ok(last)
    }
    /// Give empty count pages back.
    pub(crate) fn trim(&mut self, state: &State, pages: &mut dyn PageTxn) -> Result<()> {
        state.nodes.trim(&mut self.nodes, pages)?;
        state.blocks.trim(&mut self.blocks, pages)
    }
    /// At most how many pages `trim` touches.
    pub(crate) fn trim_bound(&self) -> u64 {
        let anchor = u64::from(!self.nodes.is_empty() || !self.blocks.is_empty());
        anchor + Counts::pages_bound(&self.nodes) + Counts::pages_bound(&self.blocks)
    }
}
