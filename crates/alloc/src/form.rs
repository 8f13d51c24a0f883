//! The persistent half of an allocator: how free space is kept on pages.
//!
//! Invariant: after `commit` returned a root, `open` with it yields exactly the free set of that moment; the previous
//! root's set can be had as long as that epoch's pages can be read. It chooses no blocks and knows no device.

use crate::{Changes, FreeView};
use spinney_core::{Extent, Finding, PageNo, PageRead, PageTxn, Result, Root};

/// A form of free space on pages. All its pages have kind [`spinney_core::PageKind::SPACE`].
pub trait SpaceForm: Send {
    /// Begin anew: write whatever represents the free set `free` over `universe`.
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root>;
    /// Find the form again; checks the root against `universe`, loads no runs.
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()>;
    /// Every free run that touches `within`, clipped, each block once, in any order. Everything read is untrusted:
    /// overlapping or outside runs are `Corrupt`. `within` lets a caller load by region.
    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()>;
    /// At most how many pages `commit` would allocate or change for `changes` changed runs of `blocks` blocks in all,
    /// with at most `runs` free runs afterwards. Asked before every write: must be O(1).
    fn pages_bound(&self, changes: u64, blocks: u64, runs: u64) -> u64;
    /// Encode the epoch's changes. `free` is the free set after them. Owed: the new root, within `pages_bound`.
    fn commit(&mut self, changes: &Changes, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root>;
    /// Every page that belongs to the form, once.
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()>;
    /// Rules of its own structure that do not hold (order, counts, summaries).
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()>;
}
