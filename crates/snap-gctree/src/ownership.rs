//! Whether a version owns what a slot of its tree points at, or borrows it from an older one.
//!
//! Invariant: borrowed means that the parent version's slot at the same place holds the same pointer; both encodings are
//! a record of that fact, and the checker compares. Knows nothing of deletes but the cursor rule: wherever the cursor of a
//! dissolving version has passed, its children stand on its parent already (section 2.7 of the notes).

use crate::lineage;
use crate::member::Member;
use crate::state::{Encoding, State};
use spinney_core::{PageKind, PageNo, PageRead, PageTxn, Result};
use spinney_snap_tree::node::{self, set_slot};
use spinney_snap_tree::{Node, Position, Shape, Slot};

/// The bit of a tag that says "an older version owns this".
const BORROWED: u32 = 1;
/// The bit of a tag that says "maybe others own this too".
pub(crate) const COUNTED: u32 = 2;

/// Whether the bits of a tag (not an epoch) say that an older version owns it.
pub(crate) fn is_borrowed(slot: Slot) -> bool {
    slot.tag() & BORROWED != 0
}

/// Whether the bits of a tag say that others may own it too.
pub(crate) fn is_counted(slot: Slot) -> bool {
    slot.tag() & COUNTED != 0
}

impl Encoding {
    /// What `slot` is in a version that begins as a copy.
    pub(crate) fn borrowed(self, slot: Slot) -> Slot {
        match self {
            Encoding::Epochs => slot,
            Encoding::Bits | Encoding::Counted if slot.is_empty() => slot,
            Encoding::Bits | Encoding::Counted => slot.tagged(BORROWED),
        }
    }
    /// The tag of a slot whose content is born in `epoch`.
    pub(crate) fn newborn(self, epoch: u32) -> u32 {
        if self == Encoding::Epochs { epoch } else { 0 }
    }
    /// Whether a tag can be, `epoch` being the open one.
    pub(crate) fn is_tag(self, tag: u32, epoch: u32) -> bool {
        match self {
            Encoding::Epochs => tag > 0 && tag <= epoch,
            Encoding::Bits => tag <= BORROWED,
            Encoding::Counted => tag <= COUNTED,
        }
    }
    /// The same slot, owned from now on.
    pub(crate) fn owned(self, slot: Slot) -> Slot {
        match self {
            Encoding::Epochs => slot,
            Encoding::Bits | Encoding::Counted => slot.tagged(slot.tag() & !BORROWED),
        }
    }
    /// A copy of `node` whose every slot is borrowed.
    pub(crate) fn copy(self, pages: &mut dyn PageTxn, node: &Node, shape: Shape) -> Result<PageNo> {
        let page = node::copy(pages, node)?;
        if self != Encoding::Epochs {
            let bytes = pages.edit(page, PageKind::TREE)?;
            for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
                set_slot(bytes, index, self.borrowed(slot));
            }
        }
        Ok(page)
    }
}

/// What decides for the slots of one version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ownership {
    encoding: Encoding,
    /// What is born later is owned.
    threshold: u32,
    /// A dissolving parent's cursor, and the threshold before it.
    passed: Option<(u64, u32)>,
}

impl Ownership {
    pub(crate) fn of(state: &State, member: &Member, pages: &dyn PageRead) -> Result<Ownership> {
        let none = Ownership { encoding: state.encoding, threshold: 0, passed: None };
        if state.encoding != Encoding::Epochs {
            return Ok(none);
        }
        let Some((_, parent)) = lineage::parent(state, member, pages)? else { return Ok(none) };
        let passed =
            match parent.stage.is_dissolving() && !crate::fault::is(crate::fault::Fault::NoCursorRule) {
                true => {
                    let older = lineage::parent(state, &parent, pages)?;
                    Some((parent.cursor, older.map_or(0, |(_, older)| older.frozen)))
                }
                false => None,
            };
        Ok(Ownership { threshold: parent.frozen, passed, ..none })
    }
    /// Whether the slot's content is the version's own; its range of logical blocks ends at `end`.
    pub(crate) fn owns(&self, slot: Slot, end: u64) -> bool {
        let threshold = match self.passed {
            Some((cursor, threshold)) if end <= cursor => threshold,
            _ => self.threshold,
        };
        match self.encoding {
            Encoding::Epochs => slot.tag() > threshold,
            Encoding::Bits | Encoding::Counted => !is_borrowed(slot),
        }
    }
}

/// Where the range of slot `index` of the node at `at` ends (saturating).
pub(crate) fn slot_end(shape: Shape, at: Position, index: u64) -> u64 {
    shape.slot_first(at.level, at.first, index).saturating_add(shape.slot_span(at.level))
}

/// Where the range of the node at `at` ends (saturating).
pub(crate) fn node_end(shape: Shape, at: Position) -> u64 {
    at.first.saturating_add(shape.node_span(at.level))
}
