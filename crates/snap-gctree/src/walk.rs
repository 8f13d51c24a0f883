//! A pass over a hidden version's own tree, beside those of its children: look, let go, or trim (R3 to R6 of section 2.6).
//!
//! Invariant: only nodes that nobody else enters are changed (they are met where no child borrows them), plus, with bits,
//! one bit in the child that becomes the owner. A slot is dealt with in one epoch whole, and the pass can stop before any
//! slot: the cursor is the first logical block that it has still to visit.

use crate::fault::{self, Fault};
use crate::ownership::{Ownership, slot_end};
use crate::state::{Encoding, State};
use core::ops::Range;
use spinney_core::{DevId, Error, Extent, PageKind, PageNo, PageTxn, Pba, Result, Tally};
use spinney_snap::Freed;
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Ahead, Node, Position, Slot};

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
#[derive(Clone)]
pub(crate) struct Beside {
    pub(crate) child: DevId,
    /// The node that holds the slot; `None` for a root, which the child's record holds.
    pub(crate) page: Option<PageNo>,
    pub(crate) index: u64,
    pub(crate) slot: Slot,
    /// For a trim, of a hidden child: the slots of its own children, for whom it may hold what it borrows.
    pub(crate) behind: Vec<Beside>,
}

/// A child's node beside the one visited, and those behind it.
struct Other {
    child: DevId,
    page: PageNo,
    node: Node,
    behind: Vec<Other>,
}

/// The nodes that these slots lead to.
fn nodes_of(beside: &[Beside], nodes: &mut Vec<PageNo>) {
    for other in beside {
        nodes.extend(other.slot.pointer().map(PageNo));
        nodes_of(&other.behind, nodes);
    }
}

fn row(others: &[Other], index: u64) -> Vec<Beside> {
    let beside = |other: &Other| Beside {
        child: other.child,
        page: Some(other.page),
        index,
        slot: other.node.slot(index),
        behind: row(&other.behind, index),
    };
    others.iter().map(beside).collect()
}

/// Who has a node of its own where `slot` is: the children, and where a hidden one only passes `slot` on, those behind it. None if
/// one that is not hidden borrows the whole.
fn diverged(slot: Slot, beside: &[Beside]) -> Option<Vec<&Beside>> {
    let mut found = Vec::new();
    for other in beside.iter().filter(|other| !other.slot.is_empty()) {
        match other.slot.pointer() == slot.pointer() {
            false => found.push(other),
            true if other.behind.is_empty() => return None,
            true => found.extend(diverged(slot, &other.behind)?),
        }
    }
    Some(found)
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
    /// Data blocks of the version's own that a trim found and kept.
    pub(crate) kept_blocks: u64,
    /// A borrowed slot was emptied, or only passes on what is below it: the parent may need less.
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

    /// The children's nodes at a place.
    fn others<'a>(&self, at: Position, beside: impl Iterator<Item = &'a Beside>) -> Result<Vec<Other>> {
        let mut others = Vec::new();
        for beside in beside {
            let Some(page) = beside.slot.pointer().map(PageNo) else { continue };
            let node = Node::read(self.pages, page, self.state.shape, at)?;
            let behind = self.others(at, beside.behind.iter())?;
            others.push(Other { child: beside.child, page, node, behind });
        }
        Ok(others)
    }

    /// The slots of the node on `page`, from the cursor on; `others` are the children's nodes at the same place.
    fn node(&mut self, at: Position, page: PageNo, others: &[Other]) -> Result<End> {
        let (shape, last) = (self.state.shape, self.state.shape.fanout() - 1);
        let node = Node::read(self.pages, page, shape, at)?;
        let slots: Vec<Slot> = node.slots(0, last).collect();
        drop(node);
        let mut ahead = Ahead::default();
        for (index, slot) in (0..).zip(slots.iter().copied()) {
            if slot.is_empty() || slot_end(shape, at, index) <= self.cursor {
                continue;
            }
            if let Some(group) = ahead.group(at, index) {
                self.prefetch(at, group, &slots, others);
            }
            match self.slot(at, index, slot, &row(others, index))? {
                After::Stays => {}
                After::Empty => set_slot(self.pages.edit(page, PageKind::TREE)?, index, Slot::EMPTY),
                After::Ends(end) => return Ok(end),
            }
        }
        Ok(End::Through)
    }

    /// Have the leaves that the pass is about to enter in memory, and the children's beside them.
    fn prefetch(&self, at: Position, group: Range<u64>, slots: &[Slot], others: &[Other]) {
        let mut leaves = Vec::new();
        for (index, slot) in group.clone().zip(slots.iter().copied().skip(group.start as usize)) {
            let end = slot_end(self.state.shape, at, index);
            if slot.is_empty() || end <= self.cursor || !self.ownership.owns(slot, end) {
                continue;
            }
            let beside = row(others, index);
            if self.purpose == Purpose::Trim || holders(slot, &beside).borrowers == 0 {
                leaves.extend(slot.pointer().map(PageNo));
                nodes_of(&beside, &mut leaves);
            }
        }
        self.pages.prefetch(&leaves, PageKind::TREE);
    }

    fn slot(&mut self, at: Position, index: u64, slot: Slot, beside: &[Beside]) -> Result<After> {
        let shape = self.state.shape;
        let end = slot_end(shape, at, index);
        let mine = self.ownership.owns(slot, end);
        let holders = holders(slot, beside);
        if mine && at.level > 0 && holders.borrowers == 0 {
            return self.enter(child(shape, at, index), slot, beside);
        }
        if self.purpose == Purpose::Trim
            && mine
            && at.level > 0
            && !self.passes_on(at, index, slot, &holders)?
        {
            return self.keep(child(shape, at, index), slot, beside);
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
            Purpose::Trim if mine => self.trim(slot, at, index, &holders),
            Purpose::Trim => Ok(self.trim_borrowed(at, slot, &holders, beside)),
        }
    }

    /// An index node of the version's own that no child borrows: below it, children that diverged may borrow.
    fn enter(&mut self, at: Position, slot: Slot, beside: &[Beside]) -> Result<After> {
        let Some(page) = slot.pointer().map(PageNo) else { return Ok(After::Stays) };
        let others = self.others(at, beside.iter())?;
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

    /// An index node of the version's own that stays, since a child borrows it. Where all who do are hidden and pass it on, it is looked
    /// through for what none behind them needs: they would hold it for ever, having no node of their own there.
    fn keep(&mut self, at: Position, slot: Slot, beside: &[Beside]) -> Result<After> {
        let Some(page) = slot.pointer().map(PageNo) else { return Ok(After::Stays) };
        let end = match diverged(slot, beside) {
            Some(behind) if !behind.is_empty() => {
                let others = self.others(at, behind.into_iter())?;
                self.node(at, page, &others)?
            }
            _ => self.count(at, page)?,
        };
        Ok(if end == End::Through { After::Stays } else { After::Ends(end) })
    }

    /// How many data blocks below a node that stays whole are the version's own. A unit for each leaf.
    fn count(&mut self, at: Position, page: PageNo) -> Result<End> {
        let shape = self.state.shape;
        if at.level == 0 && *self.budget == 0 {
            self.cursor = self.cursor.max(at.first);
            return Ok(End::Paused);
        }
        let node = Node::read(self.pages, page, shape, at)?;
        let ahead = |index| slot_end(shape, at, index) > self.cursor;
        let slots = (0..).zip(node.slots(0, shape.fanout() - 1)).filter(|(index, _)| ahead(*index));
        let owned = slots.filter(|(index, slot)| {
            !slot.is_empty() && self.ownership.owns(*slot, slot_end(shape, at, *index))
        });
        let owned: Vec<(u64, Slot)> = owned.collect();
        if at.level == 0 {
            *self.budget -= 1;
            self.kept_blocks += owned.len() as u64;
            return Ok(End::Through);
        }
        let mut ahead = Ahead::default();
        for (index, slot) in owned.iter().copied() {
            let Some(page) = slot.pointer().map(PageNo) else { continue };
            if let Some(group) = ahead.group(at, index) {
                let leaves = owned.iter().filter(|(index, _)| group.contains(index));
                let leaves: Vec<PageNo> = leaves.filter_map(|(_, slot)| slot.pointer().map(PageNo)).collect();
                self.pages.prefetch(&leaves, PageKind::TREE);
            }
            match self.count(child(shape, at, index), page)? {
                End::Through => {}
                end => return Ok(end),
            }
        }
        Ok(End::Through)
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

    /// R6: whether a trim makes the only child that borrows an index node its owner. With epochs none.
    fn passes_on(&self, at: Position, index: u64, slot: Slot, holders: &Holders<'_>) -> Result<bool> {
        if self.state.encoding == Encoding::Epochs || holders.borrowers != 1 {
            return Ok(false);
        }
        if fault::is(Fault::TransferBesideDiverged) {
            return Ok(true);
        }
        let leaf = child(self.state.shape, at, index);
        Ok(at.level == 1 && !holders.diverged && self.all_owned(leaf, slot)?.is_some())
    }

    /// R6: what several children borrow stays, and with epochs what one borrows too.
    fn trim(&mut self, slot: Slot, at: Position, index: u64, holders: &Holders<'_>) -> Result<After> {
        let Some(heir) = holders.borrower else {
            slot.pointer().into_iter().for_each(|on| self.free_block(on));
            return Ok(After::Empty);
        };
        if self.state.encoding == Encoding::Epochs || holders.borrowers > 1 {
            self.kept_blocks += 1;
            return Ok(After::Stays);
        }
        let blocks = match at.level {
            0 => 1,
            _ => self.all_owned(child(self.state.shape, at, index), slot)?.unwrap_or(0),
        };
        self.transfer(heir, Some(blocks))?;
        Ok(After::Empty)
    }

    /// What the version borrows stays if a child needs it; it may only pass it on.
    fn trim_borrowed(&mut self, at: Position, slot: Slot, holders: &Holders<'_>, beside: &[Beside]) -> After {
        let needed = holders.borrowers > 0 || at.level > 0 && holders.diverged;
        self.gave_up |= !needed || at.level > 0 && diverged(slot, beside).is_some();
        if needed { After::Stays } else { After::Empty }
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
