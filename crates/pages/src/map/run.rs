//! A run of cells in memory: the content of one node, or of several neighbours, on its way to new pages.
//!
//! Invariant: all cells are of one shape, in key order if the pages were; its cost is the sum of its cells' costs.
//! Fixed widths are moved in bulk. Knows no page numbers beyond those that interior cells hold.

use super::edit;
use super::node::{Node, corrupt};
use super::shape::*;
use crate::fields::{put_u16, u64_at};
use core::ops::Range;
use spinney_core::{PageNo, Payload, Result};

/// Cells of one shape. `ends` (where key and value end in their arrays) is kept for the variable layout only.
pub(super) struct Run {
    shape: Shape,
    keys: Vec<u8>,
    values: Vec<u8>,
    ends: Vec<(usize, usize)>,
    count: usize,
}

impl Run {
    pub(super) fn new(shape: Shape) -> Run {
        Run { shape, keys: Vec::new(), values: Vec::new(), ends: Vec::new(), count: 0 }
    }
    pub(super) fn shape(&self) -> Shape {
        self.shape
    }
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// In the shape's unit.
    pub(super) fn cost(&self) -> usize {
        self.cost_of(0..self.count)
    }

    pub(super) fn cost_of(&self, cells: Range<usize>) -> usize {
        match self.shape.layout {
            Layout::Fixed { .. } => cells.len(),
            Layout::Variable => {
                let (from, to) = (self.start(cells.start), self.start(cells.end));
                to.0 - from.0 + to.1 - from.1 + cells.len() * (SLOT_BYTES + LENGTHS_BYTES)
            }
        }
    }

    /// Where cell `index` (or the end of the run) starts in both arrays.
    fn start(&self, index: usize) -> (usize, usize) {
        match self.shape.widths() {
            Some((key, value)) => (index * key, index * value),
            None => index.checked_sub(1).map_or((0, 0), |before| self.ends[before]),
        }
    }

    pub(super) fn key(&self, index: usize) -> &[u8] {
        &self.keys[self.start(index).0..self.start(index + 1).0]
    }
    pub(super) fn value(&self, index: usize) -> &[u8] {
        &self.values[self.start(index).1..self.start(index + 1).1]
    }
    /// The child in an interior cell.
    pub(super) fn child(&self, index: usize) -> PageNo {
        PageNo(u64_at(self.value(index), 0))
    }

    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.keys.extend_from_slice(key);
        self.values.extend_from_slice(value);
        self.count += 1;
        if self.shape.layout == Layout::Variable {
            self.ends.push((self.keys.len(), self.values.len()));
        }
    }

    /// Cells `cells` of a node of the same shape. Errors: `Corrupt`.
    pub(super) fn append_node(&mut self, node: &Node<'_>, cells: Range<usize>) -> Result<()> {
        assert!(node.shape == self.shape, "a run has one shape");
        let Some((key, value)) = self.shape.widths() else {
            let first = self.count;
            for index in cells {
                if self.shape.level > 0 {
                    node.child(index)?;
                }
                let (key, value) = node.cell(index)?;
                self.push(key, value);
            }
            // Slots that name one cell many times would make a node that no page can hold.
            let fits = self.cost_of(first..self.count) <= self.shape.capacity();
            return if fits { Ok(()) } else { Err(corrupt(node.page)) };
        };
        let values = HEADER_BYTES + self.shape.capacity() * key;
        self.keys.extend_from_slice(&node.bytes[HEADER_BYTES..][cells.start * key..cells.end * key]);
        self.values.extend_from_slice(&node.bytes[values..][cells.start * value..cells.end * value]);
        self.count += cells.len();
        Ok(())
    }

    /// Another run of the same shape.
    pub(super) fn append_run(&mut self, other: &Run) {
        let (keys, values) = (self.keys.len(), self.values.len());
        self.ends.extend(other.ends.iter().map(|(key, value)| (key + keys, value + values)));
        self.keys.extend_from_slice(&other.keys);
        self.values.extend_from_slice(&other.values);
        self.count += other.count;
    }

    /// Give cell `index` another key (an interior node's blank first key becomes what its parent called it).
    pub(super) fn set_key(&mut self, index: usize, key: &[u8]) {
        let old = self.start(index).0..self.start(index + 1).0;
        let old_bytes = old.len();
        self.keys.splice(old, key.iter().copied());
        for (end, _) in self.ends.iter_mut().skip(index) {
            *end = *end - old_bytes + key.len();
        }
    }

    /// Where to cut the run into at least `pages` pages of about equal cost, each within the capacity: the end of each.
    pub(super) fn cuts(&self, pages: usize) -> Vec<usize> {
        (pages..=self.count)
            .map(|pages| self.even_cuts(pages))
            .find(|cuts| self.all_fit(cuts))
            .unwrap_or_else(|| (1..=self.count).collect())
    }

    fn all_fit(&self, cuts: &[usize]) -> bool {
        let starts = core::iter::once(0).chain(cuts.iter().copied());
        starts.zip(cuts).all(|(from, to)| self.cost_of(from..*to) <= self.shape.capacity())
    }

    fn even_cuts(&self, pages: usize) -> Vec<usize> {
        let total = self.cost();
        let (mut cuts, mut at) = (Vec::with_capacity(pages), 0);
        for page in 1..=pages {
            let target = total * page / pages;
            at = match self.shape.layout {
                Layout::Fixed { .. } => target,
                Layout::Variable => self.nearest_cut(at, target),
            };
            cuts.push(if page == pages { self.count } else { at });
        }
        cuts.dedup();
        cuts
    }

    /// The cell boundary after `from` whose cost from the run's start is nearest to `target`.
    fn nearest_cut(&self, from: usize, target: usize) -> usize {
        let mut at = from;
        while at < self.count && self.cost_of(0..at + 1) <= target {
            at += 1;
        }
        let under = target - self.cost_of(0..at).min(target);
        let over = if at < self.count { self.cost_of(0..at + 1) - target } else { usize::MAX };
        if over < under || at == from { (at + 1).min(self.count) } else { at }
    }

    /// What tells cells before `cut` from those after it: at a leaf of variable width the shortest such key.
    pub(super) fn separator(&self, cut: usize) -> &[u8] {
        let (left, right) = (self.key(cut - 1), self.key(cut));
        if self.shape.level > 0 || self.shape.layout != Layout::Variable {
            return right;
        }
        let common = left.iter().zip(right).take_while(|(a, b)| a == b).count();
        &right[..right.len().min(common + 1)]
    }

    /// Make `bytes` a node of these cells, which must fit.
    pub(super) fn write(&self, cells: Range<usize>, bytes: &mut Payload) {
        edit::init(bytes, self.shape);
        put_u16(bytes, COUNT_AT, cells.len() as u16);
        match self.shape.widths() {
            Some((key, value)) => self.write_fixed(cells, key, value, bytes),
            None => self.write_slotted(cells, bytes),
        }
    }

    fn write_fixed(&self, cells: Range<usize>, key: usize, value: usize, bytes: &mut Payload) {
        let values = HEADER_BYTES + self.shape.capacity() * key;
        bytes[HEADER_BYTES..].fill(0);
        bytes[HEADER_BYTES..][..cells.len() * key]
            .copy_from_slice(&self.keys[cells.start * key..cells.end * key]);
        bytes[values..][..cells.len() * value]
            .copy_from_slice(&self.values[cells.start * value..cells.end * value]);
        if self.shape.level > 0 {
            bytes[HEADER_BYTES..][..key].fill(0);
        }
    }

    fn write_slotted(&self, cells: Range<usize>, bytes: &mut Payload) {
        bytes[HEADER_BYTES..].fill(0);
        let mut heap = bytes.len();
        let first = cells.start;
        for (slot, index) in cells.enumerate() {
            let blank = self.shape.level > 0 && index == first;
            let (key, value) = (if blank { &[][..] } else { self.key(index) }, self.value(index));
            heap -= LENGTHS_BYTES + key.len() + value.len();
            put_u16(bytes, heap, key.len() as u16);
            put_u16(bytes, heap + 2, value.len() as u16);
            bytes[heap + LENGTHS_BYTES..][..key.len()].copy_from_slice(key);
            bytes[heap + LENGTHS_BYTES + key.len()..][..value.len()].copy_from_slice(value);
            put_u16(bytes, HEADER_BYTES + slot * SLOT_BYTES, heap as u16);
        }
        let live = bytes.len() - heap;
        put_u16(bytes, HEAP_AT, heap as u16);
        put_u16(bytes, LIVE_AT, live as u16);
    }
}
