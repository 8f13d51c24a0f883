//! A node of the map as it stands on a page: read, searched, never trusted.
//!
//! Invariant: `parse` has bounded the count and the level, so that no later step leaves the page or recurses without
//! end; cells of variable width are bounded one by one as they are read. An interior node's first key is blank and
//! stands for "below everything"; nobody compares with it. Knows nothing of other pages.

use super::order::{u64_from, u128_from};
use super::shape::*;
use crate::fields::{u16_at, u32_at, u64_at};
use spinney_core::{Error, PageNo, Payload, Result};

/// Bytes of a processor's cache line: a matter of speed only.
const LINE_BYTES: usize = 64;

/// A parsed node.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) bytes: &'a Payload,
    pub(super) page: PageNo,
    pub(super) shape: Shape,
    pub(super) count: usize,
}

pub(super) fn corrupt(page: PageNo) -> Error {
    Error::corrupt_page("map node", page)
}

/// The layout that a page says it has.
pub(super) fn layout_of(bytes: &Payload) -> Option<Layout> {
    let layout = match bytes[LAYOUT_AT] {
        0 => Layout::Variable,
        1 => Layout::Fixed {
            key_bytes: u16_at(bytes, KEY_BYTES_AT),
            value_bytes: u16_at(bytes, VALUE_BYTES_AT),
        },
        _ => return None,
    };
    layout.is_sound().then_some(layout)
}

impl<'a> Node<'a> {
    /// Errors: `Corrupt` unless it is a node of this layout whose count fits.
    pub(super) fn parse(layout: Layout, page: PageNo, bytes: &'a Payload) -> Result<Node<'a>> {
        let level = bytes[LEVEL_AT];
        let node = Node { bytes, page, shape: layout.at(level), count: usize::from(u16_at(bytes, COUNT_AT)) };
        let known = u32_at(bytes, MAGIC_AT) == MAGIC && bytes[VERSION_AT] == VERSION && level <= LEVEL_MAX;
        let filled = level == 0 || node.count > 0;
        match known && filled && node.has_layout() {
            true => Ok(node),
            false => Err(corrupt(page)),
        }
    }

    fn has_layout(&self) -> bool {
        match self.shape.layout {
            Layout::Fixed { key_bytes, value_bytes } => {
                self.bytes[LAYOUT_AT] == 1
                    && u16_at(self.bytes, KEY_BYTES_AT) == key_bytes
                    && u16_at(self.bytes, VALUE_BYTES_AT) == value_bytes
                    && self.count <= self.shape.capacity()
            }
            Layout::Variable => {
                let (slots_end, heap) = (HEADER_BYTES + self.count * SLOT_BYTES, self.heap());
                self.bytes[LAYOUT_AT] == 0 && slots_end <= heap && heap <= self.bytes.len()
            }
        }
    }

    /// The same, which must stand on `level`: what keeps any walk finite.
    pub(super) fn parse_at(layout: Layout, level: u8, page: PageNo, bytes: &'a Payload) -> Result<Node<'a>> {
        Node::parse(layout, page, bytes).and_then(|node| match node.shape.level == level {
            true => Ok(node),
            false => Err(corrupt(page)),
        })
    }

    /// Variable layout: where the lowest cell starts.
    pub(super) fn heap(&self) -> usize {
        usize::from(u16_at(self.bytes, HEAP_AT))
    }

    pub(super) fn level(&self) -> u8 {
        self.shape.level
    }

    /// What its cells take, by its own account (`Run::append_node` finds out the truth).
    pub(super) fn cost(&self) -> usize {
        match self.shape.layout {
            Layout::Fixed { .. } => self.count,
            Layout::Variable => usize::from(u16_at(self.bytes, LIVE_AT)) + self.count * SLOT_BYTES,
        }
    }

    /// Key and value number `index`, which must be below the count. Errors: `Corrupt` if the cell leaves the page.
    pub(super) fn cell(&self, index: usize) -> Result<(&'a [u8], &'a [u8])> {
        let Some((key, value)) = self.shape.widths() else { return self.slotted_cell(index) };
        let keys = HEADER_BYTES + index * key;
        let values = HEADER_BYTES + self.shape.capacity() * key + index * value;
        Ok((&self.bytes[keys..keys + key], &self.bytes[values..values + value]))
    }

    fn slotted_cell(&self, index: usize) -> Result<(&'a [u8], &'a [u8])> {
        let at = usize::from(u16_at(self.bytes, HEADER_BYTES + index * SLOT_BYTES));
        let heap = self.heap();
        let cell = self.bytes.get(at..).filter(|cell| at >= heap && cell.len() >= LENGTHS_BYTES);
        let cell = cell.ok_or(corrupt(self.page))?;
        let (key, value) = (usize::from(u16_at(cell, 0)), usize::from(u16_at(cell, 2)));
        let limit = if self.level() == 0 { ENTRY_BYTES_MAX } else { ENTRY_BYTES_MAX + CHILD_BYTES };
        match cell[LENGTHS_BYTES..].get(..key + value) {
            Some(body) if key + value <= limit => Ok(body.split_at(key)),
            _ => Err(corrupt(self.page)),
        }
    }

    pub(super) fn key(&self, index: usize) -> Result<&'a [u8]> {
        self.cell(index).map(|(key, _value)| key)
    }

    /// An interior node's child. Errors: `Corrupt` if the cell holds no page number.
    pub(super) fn child(&self, index: usize) -> Result<PageNo> {
        let (_, value) = self.cell(index)?;
        match value.len() == CHILD_BYTES {
            true => Ok(PageNo(u64_at(value, 0))),
            false => Err(corrupt(self.page)),
        }
    }

    /// How many keys are below `key` (or at most `key`), the blank first key of an interior node included.
    pub(super) fn rank(&self, key: &[u8], or_equal: bool) -> Result<usize> {
        let from = usize::from(self.level() > 0);
        match (self.shape.widths(), key.len()) {
            (Some((8, _)), 8) => Ok(from + self.rank_fixed(from, key, or_equal, u64_from)),
            (Some((16, _)), 16) => Ok(from + self.rank_fixed(from, key, or_equal, u128_from)),
            _ => self.rank_bytes(from, key, or_equal),
        }
    }

    /// Keys as numbers: the fast way for widths that a register holds.
    ///
    /// Counting instead of halving: first over the first key of each cache line, whose loads do not wait for each other,
    /// then inside one line. On a page that is not in the processor's cache that is two misses, where halving takes five.
    fn rank_fixed<const N: usize, T: Ord + Copy>(
        &self,
        from: usize,
        key: &[u8],
        or_equal: bool,
        number: impl Fn([u8; N]) -> T,
    ) -> usize {
        let (keys, _none) =
            self.bytes[HEADER_BYTES + from * N..HEADER_BYTES + self.count * N].as_chunks::<N>();
        let wanted = number(key.try_into().expect("the caller matched the width"));
        let below = |found: &&[u8; N]| match or_equal {
            true => number(**found) <= wanted,
            false => number(**found) < wanted,
        };
        let lines = keys.iter().step_by(LINE_BYTES / N).filter(below).count();
        let line = lines.saturating_sub(1) * (LINE_BYTES / N);
        line + keys[line..].iter().take(LINE_BYTES / N).filter(below).count()
    }

    fn rank_bytes(&self, from: usize, key: &[u8], or_equal: bool) -> Result<usize> {
        let (mut low, mut high) = (from, self.count);
        while low < high {
            let middle = low.midpoint(high);
            let found = self.key(middle)?;
            if found < key || (or_equal && found == key) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// In a leaf: `Ok` where the key is, or `Err` where it would go.
    pub(super) fn find(&self, key: &[u8]) -> Result<Result<usize, usize>> {
        let at = self.rank(key, false)?;
        let here = at < self.count && self.key(at)? == key;
        Ok(if here { Ok(at) } else { Err(at) })
    }

    /// In an interior node: which child covers `key`.
    pub(super) fn child_index(&self, key: &[u8]) -> Result<usize> {
        self.rank(key, true).map(|rank| rank - 1)
    }
}
