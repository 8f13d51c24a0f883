//! Background work: merging deleted layers into what lies on them, and letting deleted ones go.
//!
//! Invariant: after each slot that is moved or let go of, every version maps what it did. What is dealt with leaves its tree in
//! the same step, so a crash between any two steps loses and repeats nothing. Only map entries move, never data: all layers lie in one
//! pool.

use crate::apart;
use crate::change::filled;
use crate::layer::{Sight, sight};
use crate::lineage::{again, detach, settle, splice};
use crate::planted::{Fault, planted};
use crate::state::{INDEX, Kin, State};
use crate::sweep::{Sweep, Wanted};
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Lba, LbaRange, PageKind, PageNo, PageTxn, Pba, Result};
use spinney_snap::{Freed, Progress};
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Record, Slot, Tree};

/// At most `budget` slots and nodes.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    freed: &mut Freed,
) -> Result<Progress> {
    if state.jobs(pages)? == 0 {
        return Ok(Progress::default()); // as the bound has it, whatever else a damaged table says
    }
    let mut work = Work { state: *state, budget, pages, freed };
    while work.budget > 0 {
        if let Some((dev, record)) = state.zombies.first(work.pages)? {
            work.zombie(dev, record)?;
        } else if let Some(dev) = state.table.first_pending(work.pages)? {
            work.layer(dev)?;
        } else {
            break;
        }
    }
    let mut from = DevId(0);
    while work.budget > 0
        && let Some(dev) = state.table.next_leaving(from, work.pages)?
    {
        let kin = state.kin(dev, work.pages)?;
        work.budget -= apart::advance(state, kin, work.budget, work.pages)?;
        from = DevId(dev.0.saturating_add(1)); // whether it is done or waits for copies
    }
    let done = budget - work.budget;
    Ok(Progress { done, left: state.jobs(pages)? })
}

struct Work<'a> {
    state: State,
    budget: u64,
    pages: &'a mut dyn PageTxn,
    freed: &'a mut Freed,
}

impl Work<'_> {
    /// What can be done for a pending layer.
    fn layer(&mut self, dev: DevId) -> Result<()> {
        let kin = self.state.kin(dev, self.pages)?;
        if !kin.layer.hidden {
            let stray = kin.layer.marked && kin.layer.back.is_none();
            return if stray { self.sweep(kin, Wanted::Marks) } else { settle(&self.state, dev, self.pages) };
        }
        let fronts = self.state.fronts(&kin, self.pages)?;
        match fronts[..] {
            [] => {
                self.budget -= 1;
                settle(&self.state, dev, self.pages)?;
                detach(&self.state, &kin, self.pages)
            }
            [front] => self.merge(kin, front),
            _ => self.sweep(kin, Wanted::Unseen(fronts)),
        }
    }

    /// Look at a layer from where the last look ended.
    fn sweep(&mut self, mut kin: Kin, wanted: Wanted) -> Result<()> {
        let marks = matches!(wanted, Wanted::Marks);
        let start = kin.layer.cursor.min(kin.record.blocks);
        let range = LbaRange { start: Lba(start), blocks: kin.record.blocks - start };
        let (state, budget) = (self.state, self.budget);
        let mut sweep =
            Sweep { state, wanted, range, budget, pages: self.pages, freed: self.freed, stopped_at: None };
        let done = sweep.run(&mut kin)?;
        self.budget = sweep.budget;
        kin.layer.cursor = sweep.stopped_at.unwrap_or(0);
        kin.layer.marked &= !(marks && done);
        kin.put(&self.state, self.pages)?;
        if !done {
            return Ok(());
        }
        settle(&self.state, kin.dev, self.pages)?;
        match self.state.back(&kin, self.pages)? {
            Some(back) => again(&self.state, back, self.pages),
            None => Ok(()),
        }
    }

    /// One layer is left that lies on the hidden `back`: what it does not say, `back` says to it.
    fn merge(&mut self, mut back: Kin, mut front: Kin) -> Result<()> {
        let at = self.state.tree(&back).root_position();
        if let Some(from) = back.record.root {
            if back.layer.marked && !front.layer.marked {
                front.layer.marked = true;
                front.put(&self.state, self.pages)?;
            }
            let gone = match front.record.root {
                Some(to) => {
                    let (hides, tree) = (back.layer.back.is_some(), self.state.tree(&front));
                    Merge { work: self, tree, hides }.node(at, from, to)?
                }
                None => {
                    self.budget -= 1;
                    front.record.root = back.record.root;
                    true
                }
            };
            if !gone {
                return Ok(());
            }
            back.record.root = None;
            back.put(&self.state, self.pages)?;
            front.put(&self.state, self.pages)?;
        }
        if self.budget > 0 {
            self.budget -= 1;
            splice(&self.state, &back, front, self.pages)?;
        }
        Ok(())
    }

    /// What a layer had that left its chain.
    fn zombie(&mut self, dev: DevId, mut record: Record) -> Result<()> {
        let at = Kin::of(dev, record).map(|kin| self.state.tree(&kin).root_position())?;
        if let Some(root) = record.root {
            if !self.drop_node(at, root, true)? {
                return Ok(());
            }
            record.root = None;
            self.state.zombies.put(dev, &record, self.pages)?;
        }
        if record.own[INDEX] != 0 {
            if self.budget == 0 || !self.drop_node(at, PageNo(record.own[INDEX]), false)? {
                return Ok(());
            }
            record.own[INDEX] = 0;
            self.state.zombies.put(dev, &record, self.pages)?;
        }
        if self.budget > 0 {
            self.budget -= 1;
            self.state.zombies.remove(dev, self.pages)?;
            self.state.remove_job(self.pages)?;
        }
        Ok(())
    }

    /// Let go of what the node holds, then of the node. Whether it is gone; if not, the budget is.
    fn drop_node(&mut self, at: Position, page: PageNo, owns: bool) -> Result<bool> {
        let fanout = self.state.shape.fanout();
        let slots = self.slots(at, page)?;
        let mut handled = 0;
        for (index, slot) in (0..).zip(&slots) {
            if !self.drop_slot(at, index, *slot, owns)? {
                break;
            }
            handled += 1;
        }
        if handled == fanout && self.budget > 0 {
            self.budget -= 1;
            self.pages.free(page, PageKind::TREE)?;
            return Ok(true);
        }
        if slots[..handled as usize].iter().any(|slot| *slot != Slot::EMPTY) {
            let bytes = self.pages.edit(page, PageKind::TREE)?;
            (0..handled).for_each(|index| set_slot(bytes, index, Slot::EMPTY));
        }
        Ok(false)
    }

    /// Whether the slot is done with.
    fn drop_slot(&mut self, at: Position, index: u64, slot: Slot, owns: bool) -> Result<bool> {
        let Some(number) = slot.pointer() else { return Ok(true) };
        if self.budget == 0 {
            return Ok(false);
        }
        if at.level > 0 {
            return self.drop_node(child(self.state.shape, at, index), PageNo(number), owns);
        }
        // An index has no block: all of a leaf goes at the price of the node.
        if owns {
            self.budget -= 1;
            self.freed.push(Extent { start: Pba(number), blocks: 1 });
        }
        Ok(true)
    }

    fn slots(&self, at: Position, page: PageNo) -> Result<Vec<Slot>> {
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        Ok(node.slots(0, self.state.shape.fanout() - 1).collect())
    }
}

/// A layer on its way into the one before it.
struct Merge<'a, 'b> {
    work: &'a mut Work<'b>,
    /// The map of the one before.
    tree: Tree,
    /// Whether there is a layer behind both, from which marks hide.
    hides: bool,
}

impl Merge<'_, '_> {
    /// Move what the node on `from` says and that on `to` does not, then free it. Whether it is gone; if not, the budget is.
    fn node(&mut self, at: Position, from: PageNo, to: PageNo) -> Result<bool> {
        let (back, front) = (self.work.slots(at, from)?, self.work.slots(at, to)?);
        for (index, (back, front)) in (0..).zip(back.into_iter().zip(front)) {
            if back == Slot::EMPTY {
                continue;
            }
            if self.work.budget == 0 || !self.slot(at, index, (from, back), (to, front))? {
                return Ok(false);
            }
            set_slot(self.work.pages.edit(from, PageKind::TREE)?, index, Slot::EMPTY);
        }
        if self.work.budget == 0 {
            return Ok(false);
        }
        self.work.budget -= 1;
        self.work.pages.free(from, PageKind::TREE)?;
        Ok(true)
    }

    /// One slot that is not empty. Whether it is done with.
    fn slot(
        &mut self,
        at: Position,
        index: u64,
        (from, back): (PageNo, Slot),
        (to, front): (PageNo, Slot),
    ) -> Result<bool> {
        let shape = self.tree.shape;
        let below = || child(shape, at, index);
        let through = match planted(Fault::MergeOverwrites) {
            true => at.level == 0,
            false => sight(front) == Sight::Through,
        };
        match (sight(back), sight(front)) {
            (Sight::Zero, _) if !self.hides => self.work.budget -= 1,
            _ if through => {
                self.work.budget -= 1;
                set_slot(self.work.pages.edit(to, PageKind::TREE)?, index, back);
            }
            (Sight::On(block), _) if at.level == 0 => {
                self.work.budget -= 1;
                self.work.freed.push(Extent { start: Pba(block), blocks: 1 });
            }
            (Sight::On(page), Sight::On(other)) => return self.node(below(), PageNo(page), PageNo(other)),
            (Sight::On(page), _) => return self.work.drop_node(below(), PageNo(page), true),
            // The front layer says more than the mark: go through it below.
            (_, Sight::On(other)) if at.level > 0 => {
                self.work.budget -= 1;
                let page = filled(self.work.pages, &self.tree, below(), back)?;
                set_slot(self.work.pages.edit(from, PageKind::TREE)?, index, Slot::to(page.0));
                return self.node(below(), page, PageNo(other));
            }
            _ => self.work.budget -= 1,
        }
        Ok(true)
    }
}
