//! Looking through a layer for what is not needed: what a hidden layer has and nobody sees, and marks with nothing behind them.
//!
//! Invariant: a block is let go of only if no version that users know sees it. Since each layer says what it sees through, that is
//! told by the slots over it in the layers before it.

use crate::layer::{Sight, sight, sight_at};
use crate::planted::{Fault, planted};
use crate::state::{Kin, State};
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, LbaRange, PageKind, PageNo, PageRead, PageTxn, Pba, Result};
use spinney_snap::Freed;
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::{child, clip};
use spinney_snap_tree::{Node, Position, Slot};

/// Whether a version that users know sees all that is behind `fronts` under the slot at `level` that covers `lba`. `but`: a version
/// that is taken for hidden.
pub(crate) fn is_seen(
    state: &State,
    fronts: &[Kin],
    (level, lba): (u32, u64),
    but: Option<DevId>,
    pages: &dyn PageRead,
) -> Result<bool> {
    // Not by recursion: hidden layers may lie on hidden layers by the thousand.
    let (mut silent, mut own) = (Vec::new(), None::<Vec<Kin>>);
    loop {
        let asked = own.as_deref().unwrap_or(fronts);
        for front in asked.iter().take(if planted(Fault::HeirDecides) { 1 } else { usize::MAX }) {
            if sight_at(&state.tree(front), level, lba, pages)? != Sight::Through {
                continue;
            }
            if !front.layer.hidden && but != Some(front.dev) {
                return Ok(true);
            }
            silent.push(*front);
        }
        let Some(next) = silent.pop() else { return Ok(false) };
        own = Some(state.fronts(&next, pages)?);
    }
}

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// Blocks that nobody sees, where these layers lie on the one that is swept.
    Unseen(Vec<Kin>),
    /// Marks.
    Marks,
}

/// What is to be done with a slot.
enum Verdict {
    Keep,
    Enter,
    Drop,
}

/// One sweep of a part of one layer.
pub(crate) struct Sweep<'a> {
    pub(crate) state: State,
    pub(crate) wanted: Wanted,
    pub(crate) range: LbaRange,
    /// Slots that may still be looked at.
    pub(crate) budget: u64,
    pub(crate) pages: &'a mut dyn PageTxn,
    pub(crate) freed: &'a mut Freed,
    /// Where the budget ended.
    pub(crate) stopped_at: Option<u64>,
}

impl Sweep<'_> {
    /// Sweep the layer of `kin`, whose record is stored if its root goes. Whether all of the range was done.
    pub(crate) fn run(&mut self, kin: &mut Kin) -> Result<bool> {
        let at = self.state.tree(kin).root_position();
        if self.range.blocks > 0
            && let Some(root) = kin.record.root
            && self.node(at, root)?
        {
            kin.record.root = None;
            kin.put(&self.state, self.pages)?;
        }
        Ok(self.stopped_at.is_none())
    }

    /// Whether the node is gone.
    fn node(&mut self, at: Position, page: PageNo) -> Result<bool> {
        let shape = self.state.shape;
        let node = Node::read(self.pages, page, shape, at)?;
        let (low, high) = shape.slots_of(at.level, at.first, clip(shape, at, self.range));
        let slots: Vec<Slot> = node.slots(low, high).collect();
        drop(node);
        let mut changed = false;
        for (index, slot) in (low..).zip(slots) {
            let first = shape.slot_first(at.level, at.first, index).max(self.range.start.0);
            if slot == Slot::EMPTY {
                continue;
            }
            if self.budget == 0 {
                self.stopped_at = Some(first);
                return Ok(false);
            }
            // The way down to where the last call stopped costs nothing, or a small budget would get no further.
            let gone = match self.judge(at.level, first, slot)? {
                Verdict::Keep => false,
                Verdict::Drop => true,
                Verdict::Enter => {
                    let page = PageNo(slot.pointer().expect("only nodes are entered"));
                    self.node(child(shape, at, index), page)?
                }
            };
            self.budget = self.budget.saturating_sub(1);
            if gone {
                set_slot(self.pages.edit(page, PageKind::TREE)?, index, Slot::EMPTY);
                changed = true;
            }
            if self.stopped_at.is_some() {
                return Ok(false);
            }
        }
        let empty = |node: Node| node.slots(0, shape.fanout() - 1).all(|slot| slot == Slot::EMPTY);
        if changed && empty(Node::read(self.pages, page, shape, at)?) {
            self.pages.free(page, PageKind::TREE)?;
            return Ok(true);
        }
        Ok(false)
    }

    fn judge(&mut self, level: u32, lba: u64, slot: Slot) -> Result<Verdict> {
        Ok(match (&self.wanted, sight(slot)) {
            (Wanted::Marks, Sight::Zero) => Verdict::Drop,
            (Wanted::Marks, _) if level == 0 => Verdict::Keep,
            (Wanted::Marks, _) => Verdict::Enter,
            (Wanted::Unseen(_), Sight::Through | Sight::Zero) => Verdict::Keep,
            (Wanted::Unseen(fronts), Sight::On(number)) => {
                if is_seen(&self.state, fronts, (level, lba), None, self.pages)? {
                    Verdict::Keep
                } else if level > 0 {
                    Verdict::Enter
                } else {
                    self.freed.push(Extent { start: Pba(number), blocks: 1 });
                    Verdict::Drop
                }
            }
        })
    }
}

/// In a range of `kin` something that was seen through it is not seen any more: the hidden layers behind it let go of what
/// nobody sees now.
pub(crate) fn let_go_behind(
    state: &State,
    kin: &Kin,
    range: LbaRange,
    pages: &mut dyn PageTxn,
    freed: &mut Freed,
) -> Result<()> {
    let mut next = state.back(kin, pages)?;
    while let Some(mut back) = next.filter(|back| back.layer.hidden) {
        let fronts = state.fronts(&back, pages)?;
        // Of one block it is plain where the looking may end: where it was seen until now, or where another still sees it.
        let one = (0, range.start.0);
        let says = sight_at(&state.tree(&back), 0, one.1, pages)? != Sight::Through;
        if range.blocks == 1 && is_seen(state, &fronts, one, None, pages)? {
            return Ok(());
        }
        let (wanted, budget, stopped_at) = (Wanted::Unseen(fronts), u64::MAX, None);
        Sweep { state: *state, wanted, range, budget, pages, freed, stopped_at }.run(&mut back)?;
        if range.blocks == 1 && says {
            return Ok(());
        }
        next = state.back(&back, pages)?;
    }
    Ok(())
}
