//! `RadixArray`: a sparse array of leaf pages by index, for bitmaps, reference counts and checksums.
//!
//! Invariant: the height follows from `leaves` alone, so a descent takes a fixed number of steps whatever the pages hold,
//! and the root keeps its number for life. An interior page below the root has at least one child. Knows nothing of what
//! a leaf holds.

use crate::fields::{page_at, put_u64};
use core::ops::Range;
use spinney_core::{
    Error, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result,
};

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

    /// The page of leaf `index`, if it exists. Errors: `OutOfRange`, `Corrupt`.
    pub fn leaf(&self, index: u64, pages: &dyn PageRead) -> Result<Option<PageNo>> {
        self.check_index(index)?;
        let mut page = self.root;
        for level in (1..=self.levels).rev() {
            match page_at(&pages.read(page, self.kind)?[..], Self::slot(index, level)) {
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

    /// The bytes of leaf `index` to change; made of zeros if absent. Errors: `OutOfRange`, `Corrupt`, `NoPages`.
    pub fn edit<'a>(&self, index: u64, pages: &'a mut dyn PageTxn) -> Result<&'a mut Payload> {
        self.check_index(index)?;
        let mut page = self.root;
        for level in (1..=self.levels).rev() {
            let slot = Self::slot(index, level);
            let found = page_at(&pages.read(page, self.kind)?[..], slot);
            page = match found {
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

    /// The leaves of `range` (clipped to `leaves`) that exist, in index order. Reads interior pages only.
    pub fn visit(
        &self,
        range: Range<u64>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, PageNo) -> Flow,
    ) -> Result<()> {
        let range = range.start..range.end.min(self.leaves);
        self.visit_below(self.root, self.levels, 0, &range, pages, each).map(|_flow| ())
    }

    fn visit_below(
        &self,
        page: PageNo,
        level: u32,
        first: u64,
        range: &Range<u64>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, PageNo) -> Flow,
    ) -> Result<Flow> {
        let step = child_leaves(level);
        let bytes = pages.read(page, self.kind)?;
        let from = range.start.saturating_sub(first) / step;
        for slot in from..FAN_OUT {
            let at = first.saturating_add(slot.saturating_mul(step));
            if at >= range.end {
                break;
            }
            let Some(child) = page_at(&bytes[..], slot as usize) else { continue };
            let flow = match level {
                1 => each(at, child),
                _ => self.visit_below(child, level - 1, at, range, pages, each)?,
            };
            if flow == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// Every page of the array, once, the root first. Reads interior pages only.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        each(self.root);
        self.visit_pages_below(self.root, self.levels, pages, each)
    }

    fn visit_pages_below(
        &self,
        page: PageNo,
        level: u32,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(PageNo),
    ) -> Result<()> {
        let bytes = pages.read(page, self.kind)?;
        for child in (0..FAN_OUT as usize).filter_map(|slot| page_at(&bytes[..], slot)) {
            each(child);
            if level > 1 {
                self.visit_pages_below(child, level - 1, pages, each)?;
            }
        }
        Ok(())
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
