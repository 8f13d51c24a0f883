//! Making a pool and opening one.
//!
//! Invariant: `format` leaves no older superblock that could win over the new pool, and no older record; `open` stores the
//! superblock that it found once more, replays and commits what the intent log has on top of it, and writes nothing else.

use crate::checksum::Checksums;
use crate::limits::Limits;
use crate::log::{self, Log, Tail};
use crate::names::Table;
use crate::pool::Dirty;
use crate::segment_table::Segments;
use crate::slots::Found;
use crate::superblock::{DESCRIPTION_BYTES_MAX, SUPERBLOCK_SLOTS, Superblock};
use crate::{Parts, Placement, Pool, PoolOptions, PoolStats, copies};
use spinney_backref::BackReferences;
use spinney_core::{BlockDevice, Epoch, Error, Place, Result};
use spinney_pages::{PageStore, StoreOptions};
use spinney_snap::Freed;
use std::sync::Arc;

impl Pool {
    /// Make a new, empty pool on the whole device; whatever was there is gone. Durable on return.
    /// Errors: `NoSpace` or `NoPages` if device or metadata area is too small, `BadSetting`, `Io`.
    pub fn format(device: Arc<dyn BlockDevice>, parts: Parts, options: PoolOptions) -> Result<Pool> {
        let layout = options.layout(device.blocks())?;
        if parts.description.len() > DESCRIPTION_BYTES_MAX {
            return Err(Error::BadSetting("description: at most 1,024 bytes"));
        }
        for slot in SUPERBLOCK_SLOTS {
            device.write(slot, &Superblock::blank(&parts.description))?;
        }
        log::blank(layout.log, &*device)?;
        device.flush()?;
        verify_blank(&*device, &parts.description)?;
        log::verify_blank(layout.log, &*device)?;
        let Parts { mut allocator, mut scheme, description } = parts;
        let mut pages = PageStore::format(device.clone(), &[layout.area], store_options(&options))?;
        allocator.format(layout.data, &mut pages)?;
        scheme.blocks_end(layout.data.end());
        scheme.format(&mut pages)?;
        let checksums = Checksums::create(&options, layout.data, &mut pages)?;
        let references = options.back_references;
        let references = references.map(|kept| BackReferences::format(layout.data, kept, &mut pages));
        let back_references = references.transpose()?;
        let dirty = Dirty { any: true, ..Dirty::default() };
        let stats = PoolStats::default();
        let (freed, epoch) = (Freed::default(), Epoch(1));
        let mut pool = Pool {
            device,
            options,
            layout,
            description,
            pages,
            segments: Segments::default(),
            allocator,
            scheme,
            checksums,
            names: Table::default(),
            limits: Limits::default(),
            log: Log::new(layout.log),
            back_references,
            epoch,
            dirty,
            freed,
            tend_left: 0,
            reaps: false,
            jumps: Default::default(),
            closed: false,
            stats,
        };
        pool.commit()?;
        Ok(pool)
    }

    /// Open the pool on `device` at its last durable epoch. `build` makes the plug-ins that the description names.
    /// No repair is ever needed; what flushes left in the intent log is made durable by a commit. Errors: `Corrupt`, `Io` (an unreadable or damaged superblock slot too, see
    /// [`PoolOptions::accept_unreadable_slot`]; a damaged or unreadable log, see [`PoolOptions::accept_damaged_log`]), `BadSetting` for a wrong key, and whatever `build` returns.
    pub fn open(
        device: Arc<dyn BlockDevice>,
        options: PoolOptions,
        build: &dyn Fn(&str) -> Result<Parts>,
    ) -> Result<Pool> {
        let found = Found::on(&*device, options.accept_unreadable_slot)?;
        let superblock = &found.superblock;
        let Superblock { epoch, layout, ref description, .. } = *superblock;
        let options = as_formatted(superblock, options);
        if superblock.key_check != options.key_check() {
            return Err(Error::BadSetting("checksum_key: not the key that the pool was formatted with"));
        }
        let Parts { mut allocator, mut scheme, .. } = build(description)?;
        let segments = Segments::load(superblock.segments, &layout, &*device)?;
        let area = [&[layout.area], segments.runs()].concat();
        let pages = PageStore::open(device.clone(), &area, &superblock.pages, store_options(&options));
        let pages = pages.map_err(as_damage)?;
        if pages.epoch() != epoch {
            return Err(Error::Corrupt { what: "epoch (superblock and pages differ)", place: Place::Pool });
        }
        allocator.open(layout.data, &superblock.allocator, &pages)?;
        scheme.blocks_end(layout.data.end());
        scheme.open(&superblock.scheme, &pages)?;
        let checksums = Checksums::open(&options, layout.data, superblock.checksum_page, &pages)?;
        let references = options.back_references;
        let references = references
            .map(|kept| BackReferences::open(layout.data, &superblock.back_references, kept, &pages));
        let back_references = references.transpose()?;
        // It may have been read from a cache, after a commit whose last flush failed; a host may then hold it for clean and
        // never store it. What it let go of is reused from now on, so it must not be lost any more: store it again. The
        // bytes are those that the slot reads as, so a tear leaves what was there, or a slot as torn as in the commit itself.
        found.store_again(&*device)?;
        device.flush()?;
        if options.verify_superblock {
            superblock.verify_stored(&*device)?;
        }
        // Records on the lost commit may lie over the first of the older ones.
        let accept_damaged = options.accept_damaged_log || found.is_fallback;
        let tail = Tail::read(superblock, &*device, accept_damaged)?;
        allocator.committed(epoch, None);
        let mut pool = Pool {
            device,
            options,
            layout,
            description: description.clone(),
            pages,
            segments,
            allocator,
            scheme,
            checksums,
            names: Table { root: superblock.names_page },
            limits: Limits::default(),
            log: Log::after(superblock),
            back_references,
            epoch: epoch.next(),
            dirty: Dirty::default(),
            freed: Freed::default(),
            tend_left: u64::MAX,
            reaps: superblock.names_page.is_some(),
            jumps: Default::default(),
            closed: false,
            stats: PoolStats::default(),
        };
        pool.load_limits(superblock.limits)?;
        pool.replay(tail)?;
        Ok(pool)
    }
}

/// The area is the superblock's word, not the caller's setting.
fn as_damage(error: Error) -> Error {
    match error {
        Error::BadSetting(what) => Error::Corrupt { what, place: Place::Pool },
        other => other,
    }
}

/// The options with what was chosen when the pool was formatted.
fn as_formatted(superblock: &Superblock, options: PoolOptions) -> PoolOptions {
    let Superblock { layout, placement, checksums, .. } = *superblock;
    let has_references = !superblock.back_references.is_empty();
    PoolOptions {
        checksums,
        placement,
        metadata_blocks: Some(layout.area.blocks),
        log_blocks: layout.log.blocks,
        back_references: has_references.then(|| options.back_references.unwrap_or_default()),
        ..options
    }
}

/// Errors: `Corrupt` if the device dropped the blank slots: an old superblock would win over the new pool's first ones.
fn verify_blank(device: &dyn BlockDevice, description: &str) -> Result<()> {
    for (slot, at) in SUPERBLOCK_SLOTS.into_iter().enumerate() {
        if !copies::holds(device, at, &Superblock::blank(description))? {
            let what = "superblock (the device lost the blank one just written)";
            return Err(Error::Corrupt { what, place: Place::Superblock(slot as u8) });
        }
    }
    Ok(())
}

fn store_options(options: &PoolOptions) -> StoreOptions {
    let tables_apart = options.placement == Placement::Segments;
    StoreOptions { cache_pages: options.cache_pages, tables_apart, ..StoreOptions::default() }
}
