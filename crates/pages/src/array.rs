//! `RadixArray`: a sparse array of leaf pages by index, for bitmaps, reference counts and checksums.
//!
//! Invariant: the height follows from `leaves` alone, so a descent takes a fixed number of steps whatever the pages hold,
//! and the root keeps its number for life. An interior page below the root has at least one child. Knows nothing of what
//! a leaf holds.

use crate::fields::{page_at, put_u64};
use core::ops::Range;
use spinney_core::{
    Error, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result, look,
};
use std::collections::BTreeSet;

/// Page numbers on an interior page. Eight bytes each, the whole payload: an interior page has no header, because its
/// level follows from the path to it.
pub const FAN_OUT: u64 = (PAYLOAD_BYTES / 8) as u64;

/// A sparse array of up to `leaves` pages. A handle: copies name the same array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RadixArray {
    root: PageNo,
    kind: PageKind,
    leaves: u64,
    levels: u32,
}

/// Interior levels (at least the root) for so many leaves.
fn levels_for(leaves: u64) -> u32 {
    let (mut levels, mut reach) = (1, FAN_OUT);
    while reach < leaves {
        levels += 1;
        reach = reach.saturating_mul(FAN_OUT);
    }
    levels
}

/// Leaves under one child of an interior page `level` levels above the leaves (1: the child is a leaf).
fn child_leaves(level: u32) -> u64 {
    FAN_OUT.saturating_pow(level - 1)
}

impl RadixArray {
    /// A new array whose indexes are `0..leaves`, all absent. Allocates the root only.
    pub fn create(kind: PageKind, leaves: u64, pages: &mut dyn PageTxn) -> Result<RadixArray> {
        let root = pages.alloc(kind)?;
        Ok(RadixArray { root, kind, leaves, levels: levels_for(leaves) })
    }

    /// The array that `create` made with the same `kind` and `leaves`. Errors: `Corrupt` if the root cannot be read or
    /// points past the last leaf; deeper pages are verified as they are reached.
    pub fn open(root: PageNo, kind: PageKind, leaves: u64, pages: &dyn PageRead) -> Result<RadixArray> {
        let array = RadixArray { root, kind, leaves, levels: levels_for(leaves) };
        let used = leaves.div_ceil(child_leaves(array.levels));
        let page = pages.read(root, kind)?;
        match (used..FAN_OUT).all(|slot| page_at(&page[..], slot as usize).is_none()) {
            true => Ok(array),
            false => Err(Error::corrupt_page("radix array root", root)),
        }
    }

    /// The same without a look at the root, for owners that open it for each call: every page is verified as it is
    /// reached, and a root that points past the last leaf goes unseen.
    #[must_use]
    pub fn at(root: PageNo, kind: PageKind, leaves: u64) -> RadixArray {
        RadixArray { root, kind, leaves, levels: levels_for(leaves) }
    }

    /// The root page, for the owner's root record.
    #[must_use]
    pub fn root(&self) -> PageNo {
        self.root
    }

    /// How many indexes there are.
    #[must_use]
    pub fn leaves(&self) -> u64 {
        self.leaves
    }

    fn check_index(&self, index: u64) -> Result<()> {
        match index < self.leaves {
            true => Ok(()),
            false => Err(Error::OutOfRange { start: index, length: 1, limit: self.leaves }),
        }
    }

    fn slot(index: u64, level: u32) -> usize {
        (index / child_leaves(level) % FAN_OUT) as usize
    }

    fn child(&self, page: PageNo, slot: usize, pages: &dyn PageRead) -> Result<Option<PageNo>> {
        look(pages, page, self.kind, |bytes| page_at(&bytes[..], slot))
    }

    /// The page of leaf `index`, if it exists. Errors: `OutOfRange`, `Corrupt`.
    pub fn leaf(&self, index: u64, pages: &dyn PageRead) -> Result<Option<PageNo>> {
        self.check_index(index)?;
        let mut page = self.root;
        for level in (1..=self.levels).rev() {
            match self.child(page, Self::slot(index, level), pages)? {
                Some(child) => page = child,
                None => return Ok(None),
            }
        }
        Ok(Some(page))
    }

    /// The bytes of leaf `index`; `None` if absent (then they count as zeros). Errors: `OutOfRange`, `Corrupt`.
    pub fn read(&self, index: u64, pages: &dyn PageRead) -> Result<Option<PageRef>> {
        self.leaf(index, pages)?.map(|page| pages.read(page, self.kind)).transpose()
    }

    /// What `see` makes of the bytes of leaf `index`, by [`look`]; `None` if it is absent. Errors: `OutOfRange`, `Corrupt`.
    pub fn look<T>(
        &self,
        index: u64,
        pages: &dyn PageRead,
        see: impl Fn(&Payload) -> T,
    ) -> Result<Option<T>> {
        self.leaf(index, pages)?.map(|page| look(pages, page, self.kind, see)).transpose()
    }

    /// The bytes of leaf `index` to change; made of zeros if absent. Errors: `OutOfRange`, `Corrupt`, `NoPages`.
    pub fn edit<'a>(&self, index: u64, pages: &'a mut dyn PageTxn) -> Result<&'a mut Payload> {
        self.check_index(index)?;
        let mut page = self.root;
        for level in (1..=self.levels).rev() {
            let slot = Self::slot(index, level);
            page = match self.child(page, slot, pages)? {
                Some(child) => child,
                None => {
                    let child = pages.alloc(self.kind)?;
                    put_u64(pages.edit(page, self.kind)?, slot * 8, child.0);
                    child
                }
            };
        }
        pages.edit(page, self.kind)
    }

    /// Free leaf `index` and each interior page that it leaves empty, never the root. Absent: nothing happens.
    pub fn remove(&self, index: u64, pages: &mut dyn PageTxn) -> Result<()> {
        self.check_index(index)?;
        self.remove_below(self.root, self.levels, index, pages).map(|_empty| ())
    }

    /// Whether `page` is now empty.
    fn remove_below(&self, page: PageNo, level: u32, index: u64, pages: &mut dyn PageTxn) -> Result<bool> {
        let slot = Self::slot(index, level);
        let Some(child) = page_at(&pages.read(page, self.kind)?[..], slot) else {
            return Ok(false);
        };
        if level > 1 && !self.remove_below(child, level - 1, index, pages)? {
            return Ok(false);
        }
        pages.free(child, self.kind)?;
        let bytes = pages.edit(page, self.kind)?;
        put_u64(bytes, slot * 8, 0);
        Ok(bytes.iter().all(|byte| *byte == 0))
    }

    /// The leaves of `range` (clipped to `leaves`) that exist, in index order. Reads interior pages only. Errors: `Corrupt`
    /// if a page is met twice: pages that form no tree would be walked as often as there are ways to them.
    pub fn visit(
        &self,
        range: Range<u64>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, PageNo) -> Flow,
    ) -> Result<()> {
        let range = range.start..range.end.min(self.leaves);
        let (mut met, step) = (BTreeSet::new(), |visited| match visited {
            Visited::Interior(_) => Flow::Continue,
            Visited::Leaf(index, page) => each(index, page),
        });
        Walk { kind: self.kind, range, pages, met: &mut met, each: step }.array(self)
    }

    /// Every page of the array, once, the root first. Reads interior pages only. Errors: `Corrupt` as [`RadixArray::visit`].
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.visit_new_pages(&mut BTreeSet::new(), pages, each)
    }

    /// The same for one array of several: `Corrupt`, too, if a page is in `met`; each page is added to it.
    pub fn visit_new_pages(
        &self,
        met: &mut BTreeSet<PageNo>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(PageNo),
    ) -> Result<()> {
        let step = |visited| {
            let (Visited::Interior(page) | Visited::Leaf(_, page)) = visited;
            each(page);
            Flow::Continue
        };
        Walk { kind: self.kind, range: 0..u64::MAX, pages, met, each: step }.array(self)
    }

    /// Free every page, the root too; every copy of the handle is dead.
    pub fn destroy(self, pages: &mut dyn PageTxn) -> Result<()> {
        let mut all = Vec::new();
        self.visit_pages(pages, &mut |page| all.push(page))?;
        all.into_iter().try_for_each(|page| pages.free(page, self.kind))
    }

    /// At most how many pages `edit` or `remove` of so many leaves allocates, changes or frees.
    #[must_use]
    pub fn pages_bound(&self, leaves_touched: u64) -> u64 {
        let touched = leaves_touched.min(self.leaves);
        let at_level = |level| touched.min(self.leaves.div_ceil(FAN_OUT.saturating_pow(level)));
        (0..=self.levels).map(at_level).fold(0, u64::saturating_add)
    }
}

/// A page of an array, and a leaf's index.
enum Visited {
    Interior(PageNo),
    Leaf(u64, PageNo),
}

/// A walk over part of an array. `met`: every page so far, as a page has one place.
struct Walk<'a, F: FnMut(Visited) -> Flow> {
    kind: PageKind,
    range: Range<u64>,
    pages: &'a dyn PageRead,
    met: &'a mut BTreeSet<PageNo>,
    each: F,
}

impl<F: FnMut(Visited) -> Flow> Walk<'_, F> {
    fn array(mut self, array: &RadixArray) -> Result<()> {
        self.page(array.root, array.levels, 0).map(|_flow| ())
    }

    /// The page `level` levels above the leaves (0: a leaf), whose first leaf is `first`.
    fn page(&mut self, page: PageNo, level: u32, first: u64) -> Result<Flow> {
        if !self.met.insert(page) {
            return Err(Error::corrupt_page("radix array (a page is in two places)", page));
        }
        if level == 0 {
            return Ok((self.each)(Visited::Leaf(first, page)));
        }
        if (self.each)(Visited::Interior(page)) == Flow::Stop {
            return Ok(Flow::Stop);
        }
        let step = child_leaves(level);
        let bytes = self.pages.read(page, self.kind)?;
        for slot in self.range.start.saturating_sub(first) / step..FAN_OUT {
            let at = first.saturating_add(slot.saturating_mul(step));
            if at >= self.range.end {
                break;
            }
            let Some(child) = page_at(&bytes[..], slot as usize) else { continue };
            if self.page(child, level - 1, at)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }
}
