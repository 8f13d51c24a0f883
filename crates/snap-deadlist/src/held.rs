//! What a version's tree holds: an index node or a data block, with the epoch of its birth.
//!
//! Invariant: never empty. Two holders mean the same thing exactly when the word is the same, since neither a node nor a
//! block is moved.

use spinney_snap_tree::Slot;

/// Births have 24 bits, the tag of a slot.
pub(crate) const BIRTH_LIMIT: u32 = 1 << 24;
const TAG_SHIFT: u32 = 40;

/// A node or a block. Orders by kind, birth and number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Held {
    /// Whether it is an index node.
    pub(crate) node: bool,
    word: u64,
}

impl Held {
    /// From a slot's word, unless that is empty.
    pub(crate) fn of(node: bool, word: u64) -> Option<Held> {
        (!Slot(word).is_empty()).then_some(Held { node, word })
    }
    /// The slot's word: birth, then number + 1.
    pub(crate) fn word(self) -> u64 {
        self.word
    }
    /// The epoch in which it was made.
    pub(crate) fn birth(self) -> u32 {
        Slot(self.word).tag()
    }
    /// Page or block.
    pub(crate) fn number(self) -> u64 {
        Slot(self.word).pointer().unwrap_or_default()
    }
    /// No word of a birth up to `floor` is as large.
    pub(crate) fn first_word_after(floor: u32) -> u64 {
        u64::from(floor + 1) << TAG_SHIFT
    }
}
