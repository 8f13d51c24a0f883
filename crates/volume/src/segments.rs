//! Metadata that grows: the page area gets runs from the allocator under test, and gives them back.
//!
//! Invariant: a run is in the area only from the commit whose superblock lists it, and is released only when nothing durable
//! lies in it. The pages that growing by a block takes are left alone while a block is free, so such a pool does not end for want of
//! pages. Knows no page's content.

use crate::{Placement, Pool};
use spinney_alloc::{Class, Want};
use spinney_core::{Error, Extent, Result};

/// Of the area: how much it grows at least, if blocks are plenty. A half keeps segments few (each one half as large again as all
/// before it) and a fresh one no emptier than two thirds.
const GROWTH_DIVISOR: u64 = 2;
/// A share of the free blocks that growing for comfort leaves alone: only need takes more than an eighth.
const COMFORT_DIVISOR: u64 = 8;
/// Pages moved by a commit for a cut: 512 KiB of writes, little beside a commit's own.
const MOVES_MAX: u64 = 128;

impl Pool {
    /// Blocks of the metadata area, those by which it has grown included.
    #[must_use]
    pub fn metadata_blocks(&self) -> u64 {
        self.pages.area_blocks()
    }

    /// The runs of data blocks by which the metadata area has grown, in the order of their coming.
    #[must_use]
    pub fn segments(&self) -> &[Extent] {
        self.segments.runs()
    }

    /// Data blocks that metadata took: its segments, and what their table needs beyond the first part.
    #[must_use]
    pub fn segment_blocks(&self) -> u64 {
        let runs: u64 = self.segments().iter().map(|run| run.blocks).sum();
        runs + self.segments.table_blocks().count() as u64
    }

    /// Give the page store `pages` more places, and more than that while blocks are plenty. Returns whether it got any blocks.
    pub(crate) fn grow_metadata(&mut self, pages: u64) -> Result<bool> {
        let before = self.pages.area_blocks();
        let needed =
            self.pages.blocks_for_more(pages).filter(|_| self.options.placement == Placement::Segments);
        let Some(needed) = needed else { return Ok(false) };
        let comfort = self.unreserved().saturating_sub(self.kept_from(None));
        let mut wanted = needed.max((before / GROWTH_DIVISOR).min(comfort / COMFORT_DIVISOR));
        while wanted > 0 {
            let Some(run) = self.take_segment(wanted)? else { break };
            wanted = wanted.saturating_sub(run.blocks);
        }
        Ok(self.pages.area_blocks() > before)
    }

    /// What must be left so that the area can grow, while there is a block to grow by.
    pub(crate) fn growth_pages(&self) -> Result<u64> {
        let grows = self.options.placement == Placement::Segments && self.unreserved() > 0;
        if grows { self.pages_for_change(1) } else { Ok(0) }
    }

    /// One more run of up to `blocks` blocks, as many as there are pages to write that down; `None` if there are none of either.
    fn take_segment(&mut self, blocks: u64) -> Result<Option<Extent>> {
        let table = u64::from(self.segments.is_full());
        let mut blocks = blocks.min(self.unreserved().saturating_sub(table));
        while blocks > 0 && self.pages_for_change(blocks)? > self.pages.room() {
            blocks /= 2;
        }
        if blocks == 0 {
            return Ok(None);
        }
        self.whole(|pool| {
            if table > 0 {
                let block = pool.take_run(1)?;
                pool.segments.store_full(block.start, &*pool.device)?;
            }
            let run = pool.take_run(blocks)?;
            pool.pages.grow(run)?;
            pool.segments.push(run);
            Ok(Some(run))
        })
    }

    fn take_run(&mut self, blocks: u64) -> Result<Extent> {
        let mut grant = self.allocator.reserve(blocks)?;
        let want = Want { class: Class::Metadata, ..Want::up_to(blocks) };
        let run = self.allocator.allocate(&want, &mut grant, &self.pages);
        self.allocator.settle(grant);
        run
    }

    /// At most how many pages the commit needs if `blocks` blocks, and a block of the table, are taken or released.
    fn pages_for_change(&self, blocks: u64) -> Result<u64> {
        self.pages_needed(&[], 1 + blocks)
    }

    /// Before a commit encodes: move some pages out of the run that is to go.
    pub(crate) fn move_for_cut(&mut self) -> Result<()> {
        let spare = self.pages.room().saturating_sub(self.pages_needed(&[], 0)?);
        let budget = MOVES_MAX.min(spare / 2);
        self.whole(|pool| pool.pages.move_for_cut(budget)).map(|_| ())
    }

    /// After a commit: grow while a commit's room is left, give back what has been empty for long.
    pub(crate) fn resize_metadata(&mut self) -> Result<()> {
        if self.options.placement == Placement::Area {
            return Ok(());
        }
        let reserve = self.reserve_pages()?;
        if self.pages.room() < reserve.max(self.pages.pages_total() / 4) {
            return self.grow_metadata(1).map(|_| ());
        }
        let Some(last) = self.segments.runs().last().copied() else { return Ok(()) };
        let after = self.pages.area_blocks() - last.blocks;
        if self.pages_for_change(last.blocks)? <= self.pages.room() && self.pages.finish_cut()? {
            return self.whole(Pool::release_segment);
        }
        // It grew when a quarter was free: five eighths of the shorter area free again is far from that.
        if !self.pages.is_cutting() {
            self.pages.begin_cut(after, (after / 8 * 5).max(reserve.saturating_mul(2)));
        }
        Ok(())
    }

    fn release_segment(&mut self) -> Result<()> {
        let (run, table) = self.segments.pop();
        let table = table.map(|start| Extent { start, blocks: 1 });
        run.into_iter().chain(table).try_for_each(|run| self.allocator.release(run, &self.pages))
    }

    /// Grow for what was refused. Errors: `refused`, if that brought nothing.
    pub(crate) fn grow_for(&mut self, refused: Error) -> Result<()> {
        let Error::NoPages { needed, free } = refused else { return Err(refused) };
        if self.grow_metadata(needed.saturating_sub(free).max(1))? { Ok(()) } else { Err(refused) }
    }
}
