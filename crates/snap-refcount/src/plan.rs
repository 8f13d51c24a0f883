//! Where a write goes.
//!
//! Invariant: the plan covers the range once, in order; a block is offered for overwriting only if every node above it
//! and the block itself have one owner.

use crate::state::State;
use spinney_core::{DevId, Extent, Lba, LbaRange, PageNo, PageRead, Pba, Result};
use spinney_snap::{Step, WritePlan};
use spinney_snap_tree::counts::CountReader;
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Slot};

/// All of the range anew, near the block before it: a write that continues another lies behind it if it can.
pub(crate) fn redirect(
    state: &State,
    dev: DevId,
    range: LbaRange,
    pages: &dyn PageRead,
    plan: &mut WritePlan,
) -> Result<()> {
    let tree = state.tree(&state.writable(dev, range, pages)?);
    if range.blocks > 0 {
        let near = tree.behind(range.start, pages)?;
        plan.0.push(Step::Place { at: range.start, blocks: range.blocks, near });
    }
    Ok(())
}

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
    let last = tree.behind(range.start, pages)?;
    let mut walk = Walk { state: *state, range, pages, counts: state.blocks.reader(pages), plan, near: last };
    walk.node(tree.root_position(), tree.root_slot(), false)
}

struct Walk<'a> {
    state: State,
    range: LbaRange,
    pages: &'a dyn PageRead,
    counts: CountReader<'a>,
    plan: &'a mut WritePlan,
    near: Option<Pba>,
}

impl Walk<'_> {
    fn node(&mut self, at: Position, slot: Slot, shared: bool) -> Result<()> {
        let shape = self.state.shape;
        let range = clip(shape, at, self.range);
        let Some(page) = slot.pointer() else {
            self.place(range.start, range.blocks, None);
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
                Some(on) if !shared && self.counts.extra(on)? == 0 => self.overwrite(at, Pba(on)),
                old => self.place(at, 1, old),
            }
        }
        Ok(())
    }
    fn overwrite(&mut self, at: Lba, on: Pba) {
        match self.plan.0.last_mut() {
            Some(Step::Overwrite { on: last, .. }) if last.end() == on => last.blocks += 1,
            _ => self.plan.0.push(Step::Overwrite { at, on: Extent::new(on, 1) }),
        }
        self.near = Some(Pba(on.0 + 1));
    }
    fn place(&mut self, at: Lba, more: u64, old: Option<u64>) {
        match self.plan.0.last_mut() {
            Some(Step::Place { blocks, .. }) => *blocks += more,
            _ => self.plan.0.push(Step::Place { at, blocks: more, near: self.near }),
        }
        self.near = old.map(|on| Pba(on + 1));
    }
}
