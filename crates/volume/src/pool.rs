//! The pool's state, and what every way through it shares.
//!
//! Invariant: once a commit or a half-made change failed, the pool is closed: nothing more is written, and reopening
//! gives the last durable epoch. One writer (`&mut self`); readers take `&self`.

use crate::checksum::Checksums;
use crate::jumps::Jumps;
use crate::limits::Limits;
use crate::log::Log;
use crate::names::Table;
use crate::segment_table::Segments;
use crate::{Layout, PoolOptions, PoolStats};
use spinney_alloc::Allocator;
use spinney_backref::BackReferences;
use spinney_core::{BlockDevice, Epoch, Error, Extent, Place, Result};
use spinney_pages::PageStore;
use spinney_snap::{Freed, SnapshotScheme};
use std::sync::Arc;

/// The plug-ins of a pool, not yet formatted or opened.
pub struct Parts {
    /// Where free space is kept and chosen.
    pub allocator: Box<dyn Allocator>,
    /// How versions share blocks.
    pub scheme: Box<dyn SnapshotScheme>,
    /// Names and settings of both, so that whoever opens the pool can build the same ones; at most 1,024 bytes.
    pub description: String,
}

/// What has changed since the last commit.
#[derive(Default)]
pub(crate) struct Dirty {
    /// Whether anything has.
    pub(crate) any: bool,
    /// Whether something has that the log does not hold, so that only a commit can make it durable.
    pub(crate) beyond_log: bool,
    /// Data runs written.
    pub(crate) fresh: Vec<Extent>,
    /// Blocks in them.
    pub(crate) blocks: u64,
}

/// A pool: volumes, snapshots and clones on one device.
pub struct Pool {
    pub(crate) device: Arc<dyn BlockDevice>,
    pub(crate) options: PoolOptions,
    pub(crate) layout: Layout,
    pub(crate) description: String,
    pub(crate) pages: PageStore,
    pub(crate) segments: Segments,
    pub(crate) allocator: Box<dyn Allocator>,
    pub(crate) scheme: Box<dyn SnapshotScheme>,
    pub(crate) checksums: Checksums,
    pub(crate) names: Table,
    /// Of volumes that have any.
    pub(crate) limits: Limits,
    pub(crate) log: Log,
    /// Who maps which block, if the pool keeps that.
    pub(crate) back_references: Option<BackReferences>,
    /// The epoch that is open: the next commit makes it durable.
    pub(crate) epoch: Epoch,
    pub(crate) dirty: Dirty,
    pub(crate) freed: Freed,
    /// Slots that `tend` has still to visit, as far as is known.
    pub(crate) tend_left: u64,
    /// Whether a version may be doomed that a crash kept from being deleted.
    pub(crate) reaps: bool,
    /// What reads met since the last commit.
    pub(crate) jumps: Jumps,
    pub(crate) closed: bool,
    pub(crate) stats: PoolStats,
}

impl Pool {
    /// Refuse everything once a commit has failed.
    pub(crate) fn alive(&self) -> Result<()> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }

    /// Run a change that must not stop half-way: if it does, the pool closes and the last durable epoch stands.
    /// Only a commit makes it durable.
    pub(crate) fn whole<T>(&mut self, change: impl FnOnce(&mut Pool) -> Result<T>) -> Result<T> {
        self.dirty.beyond_log = true;
        self.loggable(change)
    }

    /// The same for what is mapped or unmapped, which the caller notes in the log.
    pub(crate) fn loggable<T>(&mut self, change: impl FnOnce(&mut Pool) -> Result<T>) -> Result<T> {
        self.dirty.any = true;
        self.limits.changed();
        let done = change(self);
        self.closed |= done.is_err();
        done
    }

    /// Queue what the scheme let go of. Errors: `Corrupt`, and the pool is closed, if that was not a block in use.
    pub(crate) fn release_freed(&mut self) -> Result<()> {
        let mut freed = std::mem::take(&mut self.freed);
        let done = freed.drain().try_for_each(|run| self.allocator.release(run, &self.pages));
        self.closed |= done.is_err();
        self.freed = freed;
        done
    }

    /// Errors: `Corrupt` if a pointer leads outside the data.
    pub(crate) fn inside(&self, run: Extent) -> Result<()> {
        let what = "pointer to a data block (outside the data)";
        let inside = self.layout.data.contains(run);
        if inside { Ok(()) } else { Err(Error::Corrupt { what, place: Place::Block(run.start) }) }
    }

    /// Where things lie on the device.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Names and settings of the plug-ins.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The epoch that the next commit makes durable.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The allocator, to look at.
    #[must_use]
    pub fn allocator(&self) -> &dyn Allocator {
        &*self.allocator
    }

    /// The scheme, to look at.
    #[must_use]
    pub fn scheme(&self) -> &dyn SnapshotScheme {
        &*self.scheme
    }

    /// The page store, to look at.
    #[must_use]
    pub fn pages(&self) -> &PageStore {
        &self.pages
    }
}
