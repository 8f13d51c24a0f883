//! A pass over a hidden version's own tree, beside those of its children: look, let go, or trim (R3 to R6 of section 2.6).
//!
//! Invariant: only nodes that nobody else enters are changed (they are met where no child borrows them), plus, with bits,
//! one bit in the child that becomes the owner. A slot is dealt with in one epoch whole, and the pass can stop before any
//! slot: the cursor is the first logical block that it has still to visit.

use crate::fault::{self, Fault};
use crate::ownership::{Ownership, slot_end};
use crate::state::{Encoding, State};
use spinney_core::{DevId, Error, Extent, PageKind, PageNo, PageTxn, Pba, Result, Tally};
use spinney_snap::Freed;
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Slot};

/// What a pass is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// Find whether anything must be kept; change nothing.
    Scan,
    /// Let go of all.
    Dissolve,
    /// Let go of what no child needs.
    Trim,
}

/// How a pass ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// All was visited.
    Through,
    /// The budget is used up; the cursor says where.
    Paused,
    /// Something must be kept.
    MustKeep,
}

/// What becomes of a slot.
enum After {
    Stays,
    Empty,
    Ends(End),
}

/// A child's slot beside the one visited.
#[derive(Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) child: DevId,
    /// The node that holds the slot; `None` for a root, which the child's record holds.
    pub(crate) page: Option<PageNo>,
    pub(crate) index: u64,
    pub(crate) slot: Slot,
}

/// Who among the children holds what a slot holds.
struct Holders<'a> {
    /// The first that borrows it (K of the notes).
    borrower: Option<&'a Beside>,
    borrowers: usize,
    /// Whether another child has something of its own there (V is not empty).
    diverged: bool,
}

fn holders(slot: Slot, beside: &[Beside]) -> Holders<'_> {
    let mut found = Holders { borrower: None, borrowers: 0, diverged: false };
    for other in beside {
        if other.slot.pointer() == slot.pointer() {
            found.borrower = found.borrower.or(Some(other));
            found.borrowers += 1;
        } else {
            found.diverged |= !other.slot.is_empty();
        }
    }
    found
}

pub(crate) struct Walk<'a> {
    pub(crate) state: State,
    pub(crate) purpose: Purpose,
    pub(crate) ownership: Ownership,
    pub(crate) cursor: u64,
    pub(crate) budget: &'a mut u64,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) freed: &'a mut Freed,
    /// Data blocks of the version that were freed.
    pub(crate) freed_blocks: u64,
    /// Data blocks that a child owns from now on.
    pub(crate) moved: Vec<(DevId, u64)>,
    /// Children whose root is theirs from now on.
    pub(crate) roots: Vec<DevId>,
    /// A borrowed slot was emptied.
    pub(crate) gave_up: bool,
}

impl Walk<'_> {
    /// The whole tree. The root's slot afterwards, and how the pass ended.
    pub(crate) fn tree(&mut self, root_at: Position, root: Slot, beside: &[Beside]) -> Result<(Slot, End)> {
        let above = Position { level: root_at.level + 1, first: 0 };
        if root.is_empty() || slot_end(self.state.shape, above, 0) <= self.cursor {
            return Ok((root, End::Through));
        }
        Ok(match self.slot(above, 0, root, beside)? {
            After::Stays => (root, End::Through),
            After::Empty => (Slot::EMPTY, End::Through),
            After::Ends(end) => (root, end),
        })
    }

    /// The slots of the node on `page`, from the cursor on; `others` are the children's nodes at the same place.
    fn node(&mut self, at: Position, page: PageNo, others: &[(DevId, PageNo)]) -> Result<End> {
        let (shape, last) = (self.state.shape, self.state.shape.fanout() - 1);
        let node = Node::read(self.pages, page, shape, at)?;
        let slots: Vec<Slot> = node.slots(0, last).collect();
        drop(node);
        let mut theirs = Vec::with_capacity(others.len());
        for (child, page) in others {
            theirs.push((*child, *page, Node::read(self.pages, *page, shape, at)?));
        }
        let mut beside = Vec::with_capacity(others.len());
        for (index, slot) in (0..).zip(slots) {
            if slot.is_empty() || slot_end(shape, at, index) <= self.cursor {
                continue;
            }
            beside.clear();
            beside.extend(theirs.iter().map(|(child, page, node)| Beside {
                child: *child,
                page: Some(*page),
                index,
                slot: node.slot(index),
            }));
            match self.slot(at, index, slot, &beside)? {
                After::Stays => {}
                After::Empty => set_slot(self.pages.edit(page, PageKind::TREE)?, index, Slot::EMPTY),
                After::Ends(end) => return Ok(end),
            }
        }
        Ok(End::Through)
    }

    fn slot(&mut self, at: Position, index: u64, slot: Slot, beside: &[Beside]) -> Result<After> {
        let shape = self.state.shape;
        let end = slot_end(shape, at, index);
        let mine = self.ownership.owns(slot, end);
        let holders = holders(slot, beside);
        if mine && at.level > 0 && holders.borrowers == 0 {
            return self.enter(child(shape, at, index), slot, beside);
        }
        if *self.budget == 0 {
            self.cursor = shape.slot_first(at.level, at.first, index).max(self.cursor);
            return Ok(After::Ends(End::Paused));
        }
        *self.budget -= 1;
        match self.purpose {
            Purpose::Scan if !mine => Ok(After::Stays),
            Purpose::Scan => Ok(must_keep(at, &holders)),
            Purpose::Dissolve if !mine => Ok(After::Stays),
            Purpose::Dissolve => self.dissolve(slot, &holders, beside),
            Purpose::Trim => self.trim(at, index, slot, mine, &holders),
        }
    }

    /// An index node of the version's own that no child borrows: below it, children that diverged may borrow.
    fn enter(&mut self, at: Position, slot: Slot, beside: &[Beside]) -> Result<After> {
        let Some(page) = slot.pointer().map(PageNo) else { return Ok(After::Stays) };
        let others: Vec<(DevId, PageNo)> =
            beside.iter().filter_map(|other| Some((other.child, PageNo(other.slot.pointer()?)))).collect();
        match self.node(at, page, &others)? {
            End::Through => {}
            end => return Ok(After::Ends(end)),
        }
        let shape = self.state.shape;
        let empty = match self.purpose {
            Purpose::Scan => false,
            Purpose::Dissolve => true,
            Purpose::Trim => Node::read(self.pages, page, shape, at)?.is_empty(0, shape.fanout() - 1),
        };
        if !empty {
            return Ok(After::Stays);
        }
        *self.budget = self.budget.saturating_sub(1);
        self.pages.free(page, PageKind::TREE)?;
        Ok(After::Empty)
    }

    /// R5: the only borrower becomes the owner, and what nobody borrows goes.
    fn dissolve(&mut self, slot: Slot, holders: &Holders<'_>, beside: &[Beside]) -> Result<After> {
        if fault::is(Fault::EveryBorrower) {
            for other in beside.iter().filter(|other| other.slot.pointer() == slot.pointer()) {
                self.transfer(other, None)?;
            }
        } else if holders.borrowers > 1
            && !fault::is(Fault::HeirAndGrandparent)
            && !fault::is(Fault::HeirAbove)
        {
            let place = spinney_core::Place::Version(beside[0].child);
            return Err(Error::Corrupt { what: "block with several heirs", place });
        }
        match (holders.borrower, slot.pointer()) {
            (Some(heir), _) => self.transfer(heir, None)?,
            (None, Some(on)) => self.free_block(on),
            (None, None) => {}
        }
        Ok(After::Empty)
    }

    /// R6: what several children borrow stays, and with epochs what one borrows too.
    fn trim(
        &mut self,
        at: Position,
        index: u64,
        slot: Slot,
        mine: bool,
        holders: &Holders<'_>,
    ) -> Result<After> {
        if !mine {
            let needed = holders.borrowers > 0 || at.level > 0 && holders.diverged;
            self.gave_up |= !needed;
            return Ok(if needed { After::Stays } else { After::Empty });
        }
        let Some(heir) = holders.borrower else {
            slot.pointer().into_iter().for_each(|on| self.free_block(on));
            return Ok(After::Empty);
        };
        if self.state.encoding == Encoding::Epochs || holders.borrowers > 1 {
            return Ok(After::Stays);
        }
        match at.level {
            0 => self.transfer(heir, Some(1))?,
            1.. if fault::is(Fault::TransferBesideDiverged) => self.transfer(heir, Some(0))?,
            1 if !holders.diverged => {
                let Some(blocks) = self.all_owned(child(self.state.shape, at, index), slot)? else {
                    return Ok(After::Stays);
                };
                self.transfer(heir, Some(blocks))?;
            }
            _ => return Ok(After::Stays),
        }
        Ok(After::Empty)
    }

    /// How many blocks the leaf maps, if it borrows none of them.
    fn all_owned(&self, at: Position, slot: Slot) -> Result<Option<u64>> {
        let Some(page) = slot.pointer().map(PageNo) else { return Ok(None) };
        let shape = self.state.shape;
        let node = Node::read(self.pages, page, shape, at)?;
        let mut blocks = 0;
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)).filter(|(_, slot)| !slot.is_empty())
        {
            if !self.ownership.owns(slot, slot_end(shape, at, index)) {
                return Ok(None);
            }
            blocks += 1;
        }
        Ok(Some(blocks))
    }

    /// `heir` owns what it borrowed: with epochs by the lineage alone, with bits by its bit. `blocks`: what it is booked
    /// for now (a dissolving version books what it passes on at its end).
    fn transfer(&mut self, heir: &Beside, blocks: Option<u64>) -> Result<()> {
        if let Some(blocks) = blocks {
            self.moved.push((heir.child, blocks));
        }
        if self.state.encoding == Encoding::Epochs {
            return Ok(());
        }
        let Some(page) = heir.page else {
            self.roots.push(heir.child);
            return Ok(());
        };
        let owned = self.state.encoding.owned(heir.slot);
        set_slot(self.pages.edit(page, PageKind::TREE)?, heir.index, owned);
        self.pages.tally(Tally::Bits, 1);
        Ok(())
    }

    fn free_block(&mut self, on: u64) {
        self.freed_blocks += 1;
        self.freed.push(Extent { start: Pba(on), blocks: 1 });
    }
}

/// R4.
fn must_keep(at: Position, holders: &Holders<'_>) -> After {
    let keep = holders.borrowers > 1 || at.level > 0 && holders.borrowers > 0 && holders.diverged;
    if keep { After::Ends(End::MustKeep) } else { After::Stays }
}
