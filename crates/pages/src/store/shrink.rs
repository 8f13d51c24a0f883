//! Making the area shorter: a fence, pages moved to before it, and the cut.
//!
//! Invariant: nothing is cut off that the last committed root or an open view reaches. Page numbers are stable, so an area
//! shrinks no further than to the chunk of the highest number in use. Who gets the blocks is the caller's business.

use super::layout::{FANOUT, LEVELS_MAX, Layout, leaves_below};
use super::{PageStore, format};
use spinney_core::{PageNo, PageTxn, Result};

/// A cut that has begun.
#[derive(Clone, Copy)]
pub(super) struct Cut {
    /// Blocks that the area will have.
    blocks: u64,
    /// And places.
    pub(super) places: u64,
    /// The first place that goes.
    fence: u64,
    /// The next leaf of the map to look through for pages behind the fence.
    leaf: u64,
}

impl PageStore {
    /// Blocks of the area.
    #[must_use]
    pub fn area_blocks(&self) -> u64 {
        self.shared.area().blocks()
    }

    /// How many blocks to add to the area for `pages` more places. Errors: `None` if no area can be so large.
    #[must_use]
    pub fn blocks_for_more(&self, pages: u64) -> Option<u64> {
        let area = self.shared.area();
        let needed = Layout::blocks_for(area.layout.places().checked_add(pages)?)?;
        Some(needed.saturating_sub(area.blocks()))
    }

    /// Begin to make the area `blocks` blocks long: no place behind that is given out any more. To be called with no
    /// change open. Returns false, and nothing changed, if the pages would not fit with `spare` places free, or a page has a number that
    /// the shorter area lacks.
    pub fn begin_cut(&mut self, blocks: u64, spare: u64) -> bool {
        assert!(self.changes.is_empty() && !self.pending, "a cut begins between epochs");
        let shorter = Layout::new(blocks);
        let fits = self.live.total().saturating_add(spare) <= shorter.places();
        let numbers_end = shorter.numbers_end();
        if blocks >= self.area_blocks()
            || !fits
            || self.numbers.last().is_some_and(|last| last >= numbers_end)
        {
            return false;
        }
        let fence = shorter.blocks_end();
        self.places.put_fence(fence);
        self.cut = Some(Cut { blocks, places: shorter.places(), fence, leaf: 0 });
        true
    }

    /// Whether a cut has begun.
    #[must_use]
    pub fn is_cutting(&self) -> bool {
        self.cut.is_some()
    }

    /// Give up a cut that has begun.
    pub fn cancel_cut(&mut self) {
        self.cut = None;
        self.places.lift_fence();
    }

    /// Change up to `budget` pages that live behind the fence, so that the next seal moves them. Returns how many; 0 if there
    /// is none left, or no room. Errors: `Corrupt`, `Io`.
    pub fn move_for_cut(&mut self, budget: u64) -> Result<u64> {
        let Some(mut cut) = self.cut else { return Ok(0) };
        let (budget, mut moved) = (budget.min(self.room()), 0);
        let leaves = self.shared.area().layout.numbers_end() / FANOUT;
        while moved < budget && cut.leaf < leaves {
            let behind = self.pages_behind(cut.fence, cut.leaf)?;
            let left = (budget - moved) as usize;
            for (number, kind) in behind.iter().take(left) {
                self.edit(PageNo(*number), *kind)?;
                moved += 1;
            }
            if behind.len() > left {
                break;
            }
            cut.leaf += 1;
        }
        self.cut = Some(cut);
        Ok(moved)
    }

    /// The unchanged pages of one leaf of the map that live behind the fence.
    fn pages_behind(&self, fence: u64, leaf: u64) -> Result<Vec<(u64, spinney_core::PageKind)>> {
        let Some((_, page)) = self.snapshot().map_page(0, leaf)? else { return Ok(Vec::new()) };
        let behind = |slot| {
            let entry = format::entry(&page, slot).filter(|entry| entry.place >= fence)?;
            let number = leaf * FANOUT + slot;
            self.changes.get(number).is_none().then_some((number, entry.kind))
        };
        Ok((0..FANOUT).filter_map(behind).collect())
    }

    /// Cut the area if nothing needs what goes. Returns whether that was done; whoever opens the store later must list the shorter
    /// area. To be called between epochs. Errors: `Corrupt`, `Io`.
    pub fn finish_cut(&mut self) -> Result<bool> {
        let Some(cut) = self.cut else { return Ok(false) };
        assert!(self.changes.is_empty() && !self.pending, "a cut ends between epochs");
        self.reclaim();
        let area = self.shared.area();
        let shorter = area.cut(cut.blocks);
        let gone = area.layout.places() - shorter.layout.places();
        let viewed = self.shared.views().oldest().is_some();
        if viewed || self.places.fenced() < gone || !self.map_ends_before(&shorter.layout)? {
            return Ok(false);
        }
        self.places.truncate(&shorter.layout);
        self.numbers.truncate(&shorter.layout);
        self.shared.set_area(shorter);
        self.cut = None;
        Ok(true)
    }

    /// Whether no map page lies where `shorter` has no slot for it.
    fn map_ends_before(&self, shorter: &Layout) -> Result<bool> {
        let leaves = shorter.numbers_end() / FANOUT;
        for level in 0..LEVELS_MAX - 1 {
            let first = leaves.div_ceil(leaves_below(level).unwrap_or(u64::MAX));
            let Some((_, parent)) = self.snapshot().map_page(level + 1, first / FANOUT)? else { continue };
            if (first % FANOUT..FANOUT).any(|slot| format::entry(&parent, slot).is_some()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
