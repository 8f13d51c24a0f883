//! Letting go of a deleted version with counted slots (GCT-C of section 2.6 of the notes): no anchor is ever needed.
//!
//! Invariant: what several children borrow, they own together from then on, and a count says how many slots own it. Each
//! step is valid by itself, and what was dealt with is not met again: the tree is its own cursor. Nodes that survive with
//! another owner are changed only in their tags.

use crate::ownership::{COUNTED, is_borrowed, is_counted};
use crate::sharing::Sharing;
use crate::state::State;
use crate::walk::Beside;
use spinney_core::{DevId, Extent, PageKind, PageNo, PageTxn, Pba, Result, Tally};
use spinney_snap::Freed;
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Slot};
use std::collections::BTreeSet;

pub(crate) struct Release<'a> {
    pub(crate) state: State,
    pub(crate) budget: &'a mut u64,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) sharing: &'a mut Sharing,
    pub(crate) freed: &'a mut Freed,
    /// Children whose root is theirs from now on, and whether together with others.
    pub(crate) roots: Vec<(DevId, bool)>,
}

/// A slot with the nodes of children that have one beside it.
struct Held<'a> {
    at: Position,
    borrowers: Vec<&'a Beside>,
    /// Nodes of children that diverged here.
    diverged: Vec<PageNo>,
}

fn held<'a>(at: Position, slot: Slot, beside: &'a [Beside]) -> Held<'a> {
    let same = |other: &&Beside| other.slot.pointer() == slot.pointer();
    let borrowers = beside.iter().filter(same).filter(|other| is_borrowed(other.slot)).collect();
    let others = beside.iter().filter(|other| !same(other));
    let diverged: BTreeSet<PageNo> = others.filter_map(|other| other.slot.pointer().map(PageNo)).collect();
    Held { at, borrowers, diverged: diverged.into_iter().collect() }
}

impl Release<'_> {
    /// The slot of the version's own tree that `at` (of the node that has it) and `slot` say. Whether it is dealt with and can be
    /// emptied; if not, the budget is used up.
    pub(crate) fn slot(&mut self, at: Position, index: u64, slot: Slot, beside: &[Beside]) -> Result<bool> {
        let Some(pointer) = slot.pointer() else { return Ok(true) };
        let held = held(at, slot, beside);
        let below = (at.level > 0).then(|| child(self.state.shape, at, index));
        let shared =
            is_counted(slot) && Sharing::extra(&self.state, below.is_some(), pointer, self.pages)? > 0;
        if !held.borrowers.is_empty() || shared {
            if let Some(below) = below
                && !self.push_down(below, PageNo(pointer), &held.diverged)?
            {
                return Ok(false);
            }
            return self.pass_on(&held, pointer, shared);
        }
        if let Some(below) = below {
            if !self.node(below, PageNo(pointer), &held.diverged)? {
                return Ok(false);
            }
            self.pay();
            self.pages.free(PageNo(pointer), PageKind::TREE)?;
            return Ok(true);
        }
        if *self.budget == 0 {
            return Ok(false);
        }
        self.pay();
        self.freed.push(Extent { start: Pba(pointer), blocks: 1 });
        Ok(true)
    }

    fn pay(&mut self) {
        *self.budget = self.budget.saturating_sub(1);
    }

    /// The version's ownership goes to the borrowers, or, if there is none, to those that own it together with it.
    fn pass_on(&mut self, held: &Held<'_>, pointer: u64, shared: bool) -> Result<bool> {
        if *self.budget == 0 {
            return Ok(false);
        }
        let node = held.at.level > 0;
        if held.borrowers.is_empty() {
            self.pay();
            self.sharing.release(&self.state, node, pointer, self.pages)?;
            return Ok(true);
        }
        let together = shared || held.borrowers.len() > 1;
        for (count, heir) in (0..).zip(&held.borrowers) {
            self.pay();
            self.own(heir, together)?;
            if count > 0 {
                Sharing::raise(&self.state, node, (pointer, 1), self.pages)?;
            }
        }
        Ok(true)
    }

    /// `heir` owns what it borrowed; `together`: with others.
    fn own(&mut self, heir: &Beside, together: bool) -> Result<()> {
        let Some(page) = heir.page else {
            self.roots.push((heir.child, together));
            return Ok(());
        };
        let slot = heir.slot.tagged(if together { COUNTED } else { 0 });
        set_slot(self.pages.edit(page, PageKind::TREE)?, heir.index, slot);
        self.pages.tally(Tally::Bits, 1);
        Ok(())
    }

    /// The children's nodes at a place.
    fn beside(&self, at: Position, others: &[PageNo]) -> Result<Vec<(PageNo, Node)>> {
        others.iter().map(|page| Ok((*page, Node::read(self.pages, *page, self.state.shape, at)?))).collect()
    }

    /// A node that only this version owns and no child borrows: let go of all that it owns. Whether that is done.
    fn node(&mut self, at: Position, page: PageNo, others: &[PageNo]) -> Result<bool> {
        let last = self.state.shape.fanout() - 1;
        let slots: Vec<Slot> = Node::read(self.pages, page, self.state.shape, at)?.slots(0, last).collect();
        let theirs = self.beside(at, others)?;
        for (index, slot) in (0..).zip(slots).filter(|(_, slot)| !slot.is_empty() && !is_borrowed(*slot)) {
            let beside = row(&theirs, index);
            if !self.slot(at, index, slot, &beside)? {
                return Ok(false);
            }
            set_slot(self.pages.edit(page, PageKind::TREE)?, index, Slot::EMPTY);
        }
        Ok(true)
    }

    /// The node on `page` survives with another owner, and `others` may borrow what it owns: they own it together from now
    /// on. Whether that is done.
    fn push_down(&mut self, at: Position, page: PageNo, others: &[PageNo]) -> Result<bool> {
        if others.is_empty() {
            return Ok(true);
        }
        let last = self.state.shape.fanout() - 1;
        let slots: Vec<Slot> = Node::read(self.pages, page, self.state.shape, at)?.slots(0, last).collect();
        let theirs = self.beside(at, others)?;
        for (index, slot) in (0..).zip(slots).filter(|(_, slot)| !is_borrowed(*slot)) {
            let Some(pointer) = slot.pointer() else { continue };
            let beside = row(&theirs, index);
            let held = held(at, slot, &beside);
            if at.level > 0
                && !self.push_down(child(self.state.shape, at, index), PageNo(pointer), &held.diverged)?
            {
                return Ok(false);
            }
            for heir in &held.borrowers {
                if *self.budget == 0 {
                    return Ok(false);
                }
                self.pay();
                self.own(heir, true)?;
                Sharing::raise(&self.state, at.level > 0, (pointer, 1), self.pages)?;
                set_slot(self.pages.edit(page, PageKind::TREE)?, index, slot.tagged(COUNTED));
            }
        }
        Ok(true)
    }
}

/// Slots at the same place of several nodes.
fn row(nodes: &[(PageNo, Node)], index: u64) -> Vec<Beside> {
    let slot = |(page, node): &(PageNo, Node)| Beside {
        child: DevId(0),
        page: Some(*page),
        index,
        slot: node.slot(index),
        behind: Vec::new(),
    };
    nodes.iter().map(slot).collect()
}
