//! A pool that several connections use at once.
//!
//! Invariant: every request holds the pool's one lock from begin to end, so requests happen in some order, and a flush covers every
//! write that was answered before it, on any connection.

use spinney_core::{BLOCK_BYTES, DevId, Error, Lba, LbaRange, Result};
use spinney_volume::{Name, Named, Pool};
use std::sync::Mutex;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// A volume or snapshot as clients see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Export {
    /// Under which name it is asked for.
    pub name: Name,
    /// The version behind the name when it was looked up; a rollback puts another one there.
    pub dev: DevId,
    /// Its size.
    pub bytes: u64,
    /// Whether it is a snapshot.
    pub read_only: bool,
}

/// The pool, shared.
pub struct Store(Mutex<Pool>);

impl Store {
    /// Share a pool.
    #[must_use]
    pub fn new(pool: Pool) -> Store {
        Store(Mutex::new(pool))
    }

    /// The pool again, once nobody serves it.
    #[must_use]
    pub fn into_pool(self) -> Pool {
        self.0.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Do something with the pool. Errors: `Closed` if another thread stopped inside a change.
    pub fn with<T>(&self, act: impl FnOnce(&mut Pool) -> Result<T>) -> Result<T> {
        act(&mut *self.0.lock().map_err(|_| Error::Closed)?)
    }

    /// All volumes and snapshots that have names.
    pub fn exports(&self) -> Result<Vec<Export>> {
        self.with(|pool| pool.names()?.into_iter().map(|named| export(pool, named)).collect())
    }

    /// The one of this name; an empty name is the only volume, if there is just one. Errors: `NoSuchName`, `BadSetting`.
    pub fn export(&self, name: &str) -> Result<Export> {
        let mut exports = self.exports()?;
        if name.is_empty() {
            exports.retain(|export| export.name.snapshot().is_none());
            return if exports.len() == 1 { Ok(exports.remove(0)) } else { Err(Error::NoSuchName) };
        }
        let name: Name = name.parse()?;
        exports.into_iter().find(|export| export.name == name).ok_or(Error::NoSuchName)
    }

    /// The stretches of bytes of a range: how long each is, and whether it is a hole. Neighbours differ.
    pub fn stretches(&self, dev: DevId, offset: u64, length: u64) -> Result<Vec<(u64, bool)>> {
        if length == 0 {
            return Ok(Vec::new());
        }
        let past = Error::OutOfRange { start: offset, length, limit: u64::MAX };
        let (first, end) = (offset / BLOCK, offset.checked_add(length).ok_or(past)?);
        let range = LbaRange::new(Lba(first), end.div_ceil(BLOCK) - first);
        let mut found: Vec<(u64, bool)> = Vec::new();
        self.with(|pool| {
            pool.runs(dev, range, &mut |run| {
                let from = (run.at.0 * BLOCK).max(offset);
                let bytes = ((run.at.0 + run.blocks) * BLOCK).min(end) - from;
                match found.last_mut() {
                    Some((length, hole)) if *hole == run.on.is_none() => *length += bytes,
                    _ => found.push((bytes, run.on.is_none())),
                }
            })
        })?;
        Ok(found)
    }
}

fn export(pool: &Pool, named: Named) -> Result<Export> {
    let version = pool.version(named.dev)?;
    let read_only = named.name.snapshot().is_some();
    Ok(Export { name: named.name, dev: named.dev, bytes: version.blocks * BLOCK, read_only })
}
