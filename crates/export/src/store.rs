//! A pool that several clients use at once.
//!
//! Invariant: every request holds the pool's one lock from begin to end, so requests happen in some order, and a flush covers every
//! write that was answered before it, of any client. Three locks, the pool's before those of who uses what and of the books.

use crate::activity::{Activity, Kind};
use crate::watch::{Seen, Watcher, What};
use spinney_core::{BLOCK_BYTES, DevId, Error, Lba, LbaRange, Result};
use spinney_snap::Access;
use spinney_volume::{Name, Pool};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// How far a search for data or a hole looks while it holds the lock.
pub(crate) const WINDOW_BYTES: u64 = 1 << 30;

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
pub struct Store {
    pool: Mutex<Pool>,
    /// How many clients have which version open.
    users: Mutex<BTreeMap<DevId, u64>>,
    activity: Activity,
    watcher: OnceLock<Watcher>,
}

/// A client that has a version open; it has until this is dropped.
pub struct User<'a> {
    store: &'a Store,
    dev: DevId,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.store.leave(self.dev);
    }
}

impl Store {
    /// Share a pool.
    #[must_use]
    pub fn new(pool: Pool) -> Store {
        let (users, activity, watcher) = (Mutex::default(), Activity::default(), OnceLock::new());
        Store { pool: Mutex::new(pool), users, activity, watcher }
    }

    /// The pool again, once nobody serves it.
    #[must_use]
    pub fn into_pool(self) -> Pool {
        self.pool.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Do something with the pool. Errors: `Closed` if another thread stopped inside a change.
    pub fn with<T>(&self, act: impl FnOnce(&mut Pool) -> Result<T>) -> Result<T> {
        act(&mut *self.pool.lock().map_err(|_| Error::Closed)?)
    }

    /// The same if nobody else is at the pool; `None` if somebody is.
    pub fn try_with<T>(&self, act: impl FnOnce(&mut Pool) -> Result<T>) -> Option<Result<T>> {
        match self.pool.try_lock() {
            Ok(mut pool) => Some(act(&mut pool)),
            Err(TryLockError::Poisoned(_)) => Some(Err(Error::Closed)),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// The same as [`Store::with`] for a client's request, counted and timed.
    pub fn request<T>(&self, kind: Kind, bytes: u64, act: impl FnOnce(&mut Pool) -> Result<T>) -> Result<T> {
        let ticket = self.activity.begin(kind, bytes);
        let done = self.with(|pool| {
            self.activity.inside(ticket);
            act(pool)
        });
        self.activity.end(ticket, done.is_ok());
        done
    }

    /// What clients ask.
    #[must_use]
    pub fn activity(&self) -> &Activity {
        &self.activity
    }

    /// Tell each request from now on. Whether it will: there is one watcher at most.
    pub fn watch(&self, watcher: Watcher) -> bool {
        self.watcher.set(watcher).is_ok()
    }

    /// A request succeeded.
    pub(crate) fn seen(&self, dev: DevId, what: What, offset: u64, length: u64) {
        if let Some(watcher) = self.watcher.get().filter(|_| length > 0 || what == What::Flush) {
            watcher(Seen { dev, what, offset, length });
        }
    }

    /// All volumes and snapshots that have names.
    pub fn exports(&self) -> Result<Vec<Export>> {
        self.with(|pool| pool.names()?.into_iter().map(|named| about(pool, named.name, named.dev)).collect())
    }

    /// The one of this name; an empty name is the only volume, if there is just one. Errors: `NoSuchName`, `BadSetting`.
    pub fn export(&self, name: &str) -> Result<Export> {
        if name.is_empty() {
            let mut exports = self.exports()?;
            exports.retain(|export| export.name.snapshot().is_none());
            return if exports.len() == 1 { Ok(exports.remove(0)) } else { Err(Error::NoSuchName) };
        }
        let name: Name = name.parse()?;
        self.with(|pool| about(pool, name.clone(), pool.named(&name)?))
    }

    /// Size, and whether it is a snapshot. Errors: `NotFound`.
    pub fn size(&self, dev: DevId) -> Result<(u64, bool)> {
        self.with(|pool| size(pool, dev))
    }

    /// Have a version open. Errors: `NotFound`.
    pub fn enter(&self, dev: DevId) -> Result<()> {
        self.with(|pool| {
            pool.version(dev)?;
            *self.users().entry(dev).or_default() += 1;
            Ok(())
        })
    }

    /// Have it open no more.
    pub fn leave(&self, dev: DevId) {
        let mut users = self.users();
        if let Some(count) = users.get_mut(&dev) {
            *count -= 1;
            if *count == 0 {
                users.remove(&dev);
            }
        }
    }

    /// As [`Store::enter`], until what is returned is dropped.
    pub fn user(&self, dev: DevId) -> Result<User<'_>> {
        self.enter(dev).map(|()| User { store: self, dev })
    }

    /// How many clients have a version open. May be asked inside [`Store::with`].
    pub fn users_of(&self, dev: DevId) -> u64 {
        self.users().get(&dev).copied().unwrap_or(0)
    }

    fn users(&self) -> MutexGuard<'_, BTreeMap<DevId, u64>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// The first byte at or after `offset` that is data, or with `hole` that is in a hole; the end counts as a hole. `None` if there
    /// is none, or `offset` is not inside. Others are served while it looks on.
    pub fn seek(&self, dev: DevId, offset: u64, hole: bool) -> Result<Option<u64>> {
        let (end, _) = self.size(dev)?;
        let mut at = offset;
        while at < end {
            for (bytes, is_hole) in self.stretches(dev, at, WINDOW_BYTES.min(end - at))? {
                if is_hole == hole {
                    return Ok(Some(at));
                }
                at += bytes;
            }
        }
        Ok((hole && offset < end).then_some(end))
    }
}

fn about(pool: &Pool, name: Name, dev: DevId) -> Result<Export> {
    let (bytes, read_only) = size(pool, dev)?;
    Ok(Export { name, dev, bytes, read_only })
}

fn size(pool: &Pool, dev: DevId) -> Result<(u64, bool)> {
    let version = pool.version(dev)?;
    Ok((version.blocks * BLOCK, version.access == Access::ReadOnly))
}
