//! Where a write goes, for schemes that redirect all or tell by a slot alone what they own.
//!
//! Invariant: the plan covers the range once, in order. Knows not what makes a slot owned.

use crate::tree::Stretch;
use crate::{Slot, Tree};
use spinney_core::{Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::{Step, WritePlan};

/// All of the range anew, near the block before it: a write that continues another lies behind it if it can.
pub fn redirect(tree: &Tree, range: LbaRange, pages: &dyn PageRead, plan: &mut WritePlan) -> Result<()> {
    if range.blocks > 0 {
        let near = tree.behind(range.start, pages)?;
        plan.0.push(Step::Place { at: range.start, blocks: range.blocks, near });
    }
    Ok(())
}

/// In place where `owned` says that the version is the only owner of what the slot of a block points at.
pub fn overwrite(
    tree: &Tree,
    range: LbaRange,
    pages: &dyn PageRead,
    plan: &mut WritePlan,
    owned: &dyn Fn(Lba, Slot) -> bool,
) -> Result<()> {
    if range.blocks == 0 {
        return Ok(());
    }
    let mut steps = Steps { near: tree.behind(range.start, pages)?, plan };
    tree.visit(range, pages, &mut |stretch| match stretch {
        Stretch::Hole(hole) => steps.place(hole.start, hole.blocks, None),
        Stretch::Leaf(part, node, low) => {
            for (at, slot) in (part.start.0..).zip(node.slots(low, low + part.blocks - 1)) {
                match slot.pointer() {
                    Some(on) if owned(Lba(at), slot) => steps.overwrite(Lba(at), Pba(on)),
                    old => steps.place(Lba(at), 1, old),
                }
            }
        }
    })
}

/// A plan that grows block by block.
pub struct Steps<'a> {
    /// Where the next block would lie best.
    pub near: Option<Pba>,
    /// The plan.
    pub plan: &'a mut WritePlan,
}

impl Steps<'_> {
    /// The next block may be written where it is.
    pub fn overwrite(&mut self, at: Lba, on: Pba) {
        match self.plan.0.last_mut() {
            Some(Step::Overwrite { on: last, .. }) if last.end() == on => last.blocks += 1,
            _ => self.plan.0.push(Step::Overwrite { at, on: Extent::new(on, 1) }),
        }
        self.near = Some(Pba(on.0 + 1));
    }
    /// The next blocks go elsewhere than `old`.
    pub fn place(&mut self, at: Lba, more: u64, old: Option<u64>) {
        match self.plan.0.last_mut() {
            Some(Step::Place { blocks, .. }) => *blocks += more,
            _ => self.plan.0.push(Step::Place { at, blocks: more, near: self.near }),
        }
        self.near = old.map(|on| Pba(on + 1));
    }
}
