//! One commit: the order on which every promise rests.
//!
//! Invariant: data and pages are on the device and flushed before the superblock that reaches them is written, and that
//! is flushed before any block that it let go of is reused. An error after encoding began closes the pool.

use crate::Pool;
use crate::superblock::Superblock;
use spinney_core::{Epoch, Result, Root};

/// The roots of one epoch.
struct Roots {
    pages: Root,
    allocator: Root,
    scheme: Root,
    back_references: Root,
}

impl Pool {
    /// All writes that returned before are durable when this returns: by a record in the intent log where that holds all of them, else by a
    /// commit. A pool on which nothing changes goes on, a budget a flush, until what deletes left is done, what its scheme wishes for is
    /// copied, and its reclaim policy has let go of what it would with time.
    pub fn flush(&mut self) -> Result<()> {
        self.alive()?;
        self.reap_if_possible()?;
        if self.flush_to_log()? {
            return Ok(());
        }
        if self.dirty.any {
            return self.commit();
        }
        self.work_in_background()?;
        let waits = self.dirty.any || self.allocator.is_draining(self.pages.oldest_view());
        if waits { self.close_epoch() } else { Ok(()) }
    }

    /// Commit when enough data waits.
    pub(crate) fn commit_if_due(&mut self) -> Result<()> {
        if self.dirty.blocks >= self.options.commit_blocks { self.commit() } else { Ok(()) }
    }

    /// Background work, then close the epoch and make it durable.
    pub(crate) fn commit(&mut self) -> Result<()> {
        self.alive()?;
        self.work_in_background()?;
        self.close_epoch()
    }

    /// The budgets of one epoch, once.
    fn work_in_background(&mut self) -> Result<()> {
        self.tend_if_possible()?;
        self.relocate_if_possible()
    }

    fn close_epoch(&mut self) -> Result<()> {
        if self.pages.is_cutting() {
            self.move_for_cut()?;
        }
        let epoch = self.epoch;
        self.whole(|pool| {
            let roots = pool.encode(epoch)?;
            pool.make_durable(epoch, roots)
        })?;
        // The pages first: from now on a reader begins at this epoch, so that the oldest one cannot grow older.
        self.pages.committed(epoch);
        self.allocator.committed(epoch, self.pages.oldest_view());
        self.epoch = epoch.next();
        self.count_commit();
        self.resize_metadata()
    }

    /// Scheme first (it may still let blocks go), then the allocator, then the pages that both changed.
    fn encode(&mut self, epoch: Epoch) -> Result<Roots> {
        let scheme = self.scheme.commit(epoch, &mut self.pages)?;
        let allocator = self.allocator.commit(epoch, &mut self.pages)?;
        let back_references = self.commit_references()?;
        let pages = self.pages.seal(epoch)?;
        Ok(Roots { pages, allocator, scheme, back_references })
    }

    /// Last, as what the others left of the pages may go into merging runs; but for what deletes need.
    fn commit_references(&mut self) -> Result<Root> {
        let spare = self.pages.room().saturating_sub(self.slop_pages());
        let Some(references) = &mut self.back_references else { return Ok(Root::default()) };
        let spare = spare.saturating_sub(references.pages_bound(0, 0));
        references.commit(spare, &mut self.pages)
    }

    fn make_durable(&mut self, epoch: Epoch, roots: Roots) -> Result<()> {
        let segments = self.segments.store(&*self.device)?;
        let superblock = Superblock {
            epoch,
            layout: self.layout,
            placement: self.options.placement,
            segments,
            checksums: self.options.checksums,
            key_check: self.options.key_check(),
            pages: roots.pages,
            allocator: roots.allocator,
            scheme: roots.scheme,
            back_references: roots.back_references,
            checksum_page: self.checksums.root(),
            names_page: self.names.root,
            limits: self.limits.count() > 0,
            description: self.description.clone(),
        };
        self.device.flush()?;
        superblock.store(&*self.device)?;
        self.device.flush()?;
        if self.options.verify_superblock {
            superblock.verify_stored(&*self.device)?;
        }
        self.log.begin(&superblock);
        Ok(())
    }

    fn count_commit(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        self.stats.count_commit(dirty.fresh);
    }
}
