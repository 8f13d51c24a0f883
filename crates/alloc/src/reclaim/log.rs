//! A queue on pages: released blocks that are not recorded as free yet.
//!
//! Invariant: a run enters in the commit that released it and leaves in the commit that records it as free, so that a crash
//! finds it in one of the two, never in both or in none.

use super::Moment;
use spinney_core::{Extent, Finding, PageNo, PageRead, PageTxn, Result};

/// A log of frees. All its pages have kind [`spinney_core::PageKind::SPACE`].
pub trait FreeLog: Send {
    /// Begin anew, empty. The head page returned keeps its number for life.
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<PageNo>;
    /// Find the log again and load what is queued. Everything read is untrusted: what lies outside or is queued twice is
    /// `Corrupt`.
    fn open(&mut self, universe: Extent, head: PageNo, pages: &dyn PageRead) -> Result<()>;
    /// Close an epoch: queue `released`, which overlap nothing that is queued, and hand over what is recorded as free in this
    /// commit. May give what was only now released.
    fn commit(
        &mut self,
        now: &Moment,
        released: &[Extent],
        pages: &mut dyn PageTxn,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()>;
    /// At most how many runs and blocks `commit` hands over if it is given so many of both. Asked before every write: O(1).
    fn due_bound(&self, runs: u64, blocks: u64) -> (u64, u64);
    /// At most how many pages `commit` would allocate or change if it is given so many runs. Asked before every write: O(1).
    fn pages_bound(&self, runs: u64) -> u64;
    /// Whether commits alone would hand over more.
    fn is_draining(&self, now: &Moment) -> bool;
    /// Every queued run, each block once, in any order.
    fn visit(&self, each: &mut dyn FnMut(Extent));
    /// Every page of the log, once.
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()>;
    /// Rules of its own structure that do not hold; also compares what is in memory with what is on pages.
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()>;
}
