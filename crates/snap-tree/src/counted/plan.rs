//! Where a write goes.
//!
//! Invariant: the plan covers the range once, in order; a block is offered for overwriting only if every node above it
//! and the block itself have one owner.

use super::state::State;
use crate::owners::OwnerReader;
use crate::plan::Steps;
use crate::tree::{child, clip};
use crate::{Node, Position, Slot};
use spinney_core::{DevId, Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::WritePlan;

/// In place where this version is the only owner.
pub(crate) fn overwrite(
    state: &State,
    dev: DevId,
    range: LbaRange,
    pages: &dyn PageRead,
    plan: &mut WritePlan,
) -> Result<()> {
    let tree = state.tree(&state.writable(dev, range, pages)?);
    if range.blocks == 0 {
        return Ok(());
    }
    let steps = Steps { near: tree.behind(range.start, pages)?, plan };
    let mut walk = Walk { state: *state, range, pages, counts: state.blocks.reader(pages), steps };
    walk.node(tree.root_position(), tree.root_slot(), false)
}

struct Walk<'a> {
    state: State,
    range: LbaRange,
    pages: &'a dyn PageRead,
    counts: OwnerReader<'a>,
    steps: Steps<'a>,
}

impl Walk<'_> {
    fn node(&mut self, at: Position, slot: Slot, shared: bool) -> Result<()> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let Some(page) = slot.pointer() else {
            self.steps.place(range.start, range.blocks, None);
            return Ok(());
        };
        let shared = shared || self.state.nodes.extra(page, self.pages)? > 0;
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        let (low, high) = shape.slots_of(at.level, at.first, range);
        for (index, slot) in (low..).zip(node.slots(low, high)) {
            if at.level > 0 {
                self.node(child(shape, at, index), slot, shared)?;
                continue;
            }
            let at = Lba(at.first + index);
            match slot.pointer() {
                Some(on) if !shared && self.counts.extra(on)? == 0 => self.steps.overwrite(at, Pba(on)),
                old => self.steps.place(at, 1, old),
            }
        }
        Ok(())
    }
}
