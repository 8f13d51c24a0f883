//! What a node of the map looks like: its header, its layout, and how much fits.
//!
//! Invariant: a shape's capacity holds at least four cells, so that a split always leaves both halves with some. Costs
//! and capacities share one unit per layout: cells where the width is fixed, bytes where it is not.

use spinney_core::PAYLOAD_BYTES;

pub(super) const MAGIC: u32 = u32::from_le_bytes(*b"OMAP");
pub(super) const VERSION: u8 = 1;

/// Offsets of the header's fields.
pub(super) const MAGIC_AT: usize = 0;
pub(super) const VERSION_AT: usize = 4;
pub(super) const LAYOUT_AT: usize = 5;
pub(super) const LEVEL_AT: usize = 6;
pub(super) const COUNT_AT: usize = 8;
/// Fixed: bytes of a key. Variable: offset of the lowest cell.
pub(super) const KEY_BYTES_AT: usize = 10;
pub(super) const HEAP_AT: usize = 10;
/// Fixed: bytes of a leaf's value. Variable: bytes of the cells in use.
pub(super) const VALUE_BYTES_AT: usize = 12;
pub(super) const LIVE_AT: usize = 12;
pub(super) const HEADER_BYTES: usize = 16;
/// What is left for cells.
pub(super) const BODY_BYTES: usize = PAYLOAD_BYTES - HEADER_BYTES;

/// A slot and the two lengths before a cell of variable width.
pub(super) const SLOT_BYTES: usize = 2;
pub(super) const LENGTHS_BYTES: usize = 4;
/// An interior cell's value is a page number.
pub(super) const CHILD_BYTES: usize = 8;

/// The most bytes of key and value together in the variable layout: four such cells fit on a page.
pub const ENTRY_BYTES_MAX: usize = 1000;
/// Levels above this are taken for damage. Each level at least doubles the leaves, so no real map comes near.
pub(super) const LEVEL_MAX: u8 = 31;

/// How cells are laid out; chosen when a map is created and written on each of its pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// Keys and values of any length, [`ENTRY_BYTES_MAX`] together: a slotted page.
    Variable,
    /// Every key and every value has the same width: two dense arrays, searched without slots.
    Fixed {
        /// Bytes of a key, at least 1.
        key_bytes: u16,
        /// Bytes of a value, may be 0 (a set).
        value_bytes: u16,
    },
}

impl Layout {
    /// Whether pages of this layout hold at least four cells at every level.
    pub(super) fn is_sound(self) -> bool {
        match self {
            Layout::Variable => true,
            Layout::Fixed { key_bytes, .. } => {
                key_bytes > 0 && (0..2).all(|level| self.at(level).capacity() >= 4)
            }
        }
    }
    /// The shape of nodes `level` levels above the leaves.
    pub(super) fn at(self, level: u8) -> Shape {
        Shape { layout: self, level }
    }
}

/// The layout of one level's nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Shape {
    pub(super) layout: Layout,
    pub(super) level: u8,
}

impl Shape {
    /// Widths of key and value, where they are fixed.
    pub(super) fn widths(self) -> Option<(usize, usize)> {
        match self.layout {
            Layout::Variable => None,
            Layout::Fixed { key_bytes, .. } if self.level > 0 => Some((usize::from(key_bytes), CHILD_BYTES)),
            Layout::Fixed { key_bytes, value_bytes } => {
                Some((usize::from(key_bytes), usize::from(value_bytes)))
            }
        }
    }
    /// What a page holds, in units of `cost`.
    pub(super) fn capacity(self) -> usize {
        self.widths().map_or(BODY_BYTES, |(key, value)| BODY_BYTES / (key + value))
    }
    /// What a cell takes.
    pub(super) fn cost(self, key_bytes: usize, value_bytes: usize) -> usize {
        match self.layout {
            Layout::Variable => SLOT_BYTES + LENGTHS_BYTES + key_bytes + value_bytes,
            Layout::Fixed { .. } => 1,
        }
    }
    /// Below this a page is merged with its neighbours: a third.
    pub(super) fn is_underfull(self, cost: usize) -> bool {
        cost * 3 < self.capacity()
    }
}
