//! One version's whole map: pages of slots by number, none shared with another version.
//!
//! Invariant: a leaf exists only while a slot of it points somewhere. A slot is a block's number plus one, 0 is a hole.

use core::ops::Range;
use spinney_core::{Flow, LbaRange, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Payload, Result};
use spinney_pages::RadixArray;
use spinney_snap_tree::{Record, Slot};

/// Slots of a leaf.
pub(crate) const SLOTS: u64 = (PAYLOAD_BYTES / 8) as u64;

/// A version's map. A handle.
#[derive(Clone, Copy)]
pub(crate) struct Map {
    pub(crate) array: RadixArray,
    pub(crate) blocks: u64,
}

/// A slot of a leaf; absent leaves are holes.
pub(crate) fn slot(leaf: Option<&Payload>, at: u64) -> Slot {
    let place = (at % SLOTS) as usize * 8;
    leaf.map_or(Slot::EMPTY, |bytes| {
        Slot(u64::from_le_bytes(*bytes[place..].first_chunk().expect("a slot lies inside its page")))
    })
}

fn set_slot(leaf: &mut Payload, at: u64, slot: Slot) {
    let place = (at % SLOTS) as usize * 8;
    leaf[place..place + 8].copy_from_slice(&slot.0.to_le_bytes());
}

/// The blocks of a leaf.
fn slots_of(index: u64) -> Range<u64> {
    index * SLOTS..(index * SLOTS).saturating_add(SLOTS)
}

/// Leaves that hold so many blocks.
fn leaves(blocks: u64) -> u64 {
    blocks.div_ceil(SLOTS)
}

/// The parts of a range (not empty) that lie in one leaf each.
pub(crate) fn parts(range: LbaRange) -> impl Iterator<Item = (u64, Range<u64>)> {
    let (start, end) = (range.start.0, range.end().0);
    let part =
        move |leaf: u64| (leaf, start.max(leaf * SLOTS)..end.min((leaf * SLOTS).saturating_add(SLOTS)));
    (start / SLOTS..end.div_ceil(SLOTS)).map(part)
}

impl Map {
    pub(crate) fn create(blocks: u64, pages: &mut dyn PageTxn) -> Result<Map> {
        Ok(Map { array: RadixArray::create(PageKind::TREE, leaves(blocks), pages)?, blocks })
    }
    pub(crate) fn open(record: &Record, pages: &dyn PageRead) -> Result<Map> {
        let root = record.root.unwrap_or(PageNo(0));
        let array = RadixArray::open(root, PageKind::TREE, leaves(record.blocks), pages)?;
        Ok(Map { array, blocks: record.blocks })
    }
    /// The same without a look at the root, for one request: whatever is reached is verified as it is.
    pub(crate) fn at(record: &Record) -> Map {
        let root = record.root.unwrap_or(PageNo(0));
        let array = RadixArray::at(root, PageKind::TREE, leaves(record.blocks));
        Map { array, blocks: record.blocks }
    }
    /// Each block of a range, in order, and where it is.
    pub(crate) fn visit(
        &self,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, Slot) -> Result<()>,
    ) -> Result<()> {
        for (index, part) in parts(range) {
            if part.end - part.start == 1 {
                let found = self.array.look(index, pages, |leaf| slot(Some(leaf), part.start))?;
                each(part.start, found.unwrap_or(Slot::EMPTY))?;
                continue;
            }
            let leaf = self.array.read(index, pages)?;
            part.into_iter().try_for_each(|at| each(at, slot(leaf.as_deref(), at)))?;
        }
        Ok(())
    }
    /// The parts of a range in leaves that there are, in order, each with its leaf.
    pub(crate) fn visit_parts(
        &self,
        range: LbaRange,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Range<u64>, &Payload),
    ) -> Result<()> {
        let (start, end) = (range.start.0, range.end().0);
        let mut done = Ok(());
        self.array.visit(start / SLOTS..end.div_ceil(SLOTS), pages, &mut |index, page| {
            let leaf = slots_of(index);
            done = pages
                .read(page, PageKind::TREE)
                .map(|bytes| each(start.max(leaf.start)..end.min(leaf.end), &bytes));
            if done.is_ok() { Flow::Continue } else { Flow::Stop }
        })?;
        done
    }
    /// Every leaf that there is, until told to stop.
    pub(crate) fn visit_leaves(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64) -> Result<Flow>,
    ) -> Result<()> {
        let mut done = Ok(Flow::Continue);
        self.array.visit(0..self.array.leaves(), pages, &mut |index, _| {
            done = each(index);
            if done == Ok(Flow::Continue) { Flow::Continue } else { Flow::Stop }
        })?;
        done.map(|_| ())
    }
    /// The first leaf that there is.
    pub(crate) fn first_leaf(&self, pages: &dyn PageRead) -> Result<Option<u64>> {
        let mut first = None;
        self.visit_leaves(pages, &mut |index| {
            first = Some(index);
            Ok(Flow::Stop)
        })?;
        Ok(first)
    }
    /// Where each mapped block of a part of one leaf is.
    pub(crate) fn visit_part(
        &self,
        index: u64,
        part: Range<u64>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let leaf = self.array.read(index, pages)?;
        part.into_iter().filter_map(|at| slot(leaf.as_deref(), at).pointer()).try_for_each(each)
    }
    /// The first part of a leaf that maps no more than `most` blocks: all of the leaf if it can be, also slots past the
    /// end, where none should be.
    pub(crate) fn mapped_part(&self, index: u64, most: u64, pages: &dyn PageRead) -> Result<Range<u64>> {
        let leaf = self.array.read(index, pages)?;
        let whole = slots_of(index);
        let mut mapped = whole.clone().filter(|at| !slot(leaf.as_deref(), *at).is_empty());
        let end = mapped.nth(most.min(SLOTS) as usize).unwrap_or(whole.end);
        Ok(whole.start..end)
    }
    /// Every block that is mapped, leaf by leaf; also slots past the end, where none should be.
    pub(crate) fn visit_mapped(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<()> {
        self.visit_leaves(pages, &mut |index| {
            let leaf = self.array.read(index, pages)?;
            slots_of(index)
                .try_for_each(|at| slot(leaf.as_deref(), at).pointer().map_or(Ok(()), |on| each(at, on)))?;
            Ok(Flow::Continue)
        })
    }
    /// Point a part of one leaf elsewhere: at `on` and what follows it, or nowhere. Returns what was there.
    pub(crate) fn change(
        &self,
        index: u64,
        part: Range<u64>,
        on: Option<u64>,
        pages: &mut dyn PageTxn,
    ) -> Result<Vec<u64>> {
        let leaf = self.array.read(index, pages)?;
        let before = part.clone().filter_map(|at| slot(leaf.as_deref(), at).pointer()).collect();
        drop(leaf);
        let bytes = self.array.edit(index, pages)?;
        for (at, count) in part.zip(0..) {
            set_slot(bytes, at, on.map_or(Slot::EMPTY, |on| Slot::to(on + count)));
        }
        if on.is_none() && bytes.iter().all(|byte| *byte == 0) {
            self.array.remove(index, pages)?;
        }
        Ok(before)
    }
    /// A copy of every leaf.
    pub(crate) fn copy(&self, pages: &mut dyn PageTxn) -> Result<Map> {
        let copy = Map::create(self.blocks, pages)?;
        let mut all = Vec::new();
        self.array.visit(0..self.array.leaves(), pages, &mut |index, page| {
            all.push((index, page));
            Flow::Continue
        })?;
        for (index, page) in all {
            let bytes = pages.read(page, PageKind::TREE)?;
            *copy.array.edit(index, pages)? = *bytes;
        }
        Ok(copy)
    }
}
