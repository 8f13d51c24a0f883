//! What a store must do to be measured, and which stores there are.
//!
//! Invariant: when `put_batch` returns, the batch survives a power cut. Knows no clock and no counter.

use crate::error::Outcome;
use std::path::Path;

/// An entry to put.
pub(crate) type Entry = (u64, (u64, u64));

/// An ordered store of 8-byte keys and 16-byte values.
pub(crate) trait Store {
    /// Put all entries, and make them durable together.
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()>;
    /// The wrapping sum of the first halves of the keys' values. A key that is missing is an error.
    fn gets(&self, keys: &[u64]) -> Outcome<u64>;
    /// The wrapping sum of the first `count` keys from `from` on.
    fn scan(&self, from: u64, count: u64) -> Outcome<u64>;
    /// Wait for work in the background that is due.
    fn settle(&mut self) -> Outcome<()> {
        Ok(())
    }
    /// How it is set up, and what it counted about itself.
    fn notes(&self) -> String;
}

/// The stores and limits that were compiled in.
pub(crate) const NAMES: &[&str] = &[
    "log",
    "sequential",
    "scattered",
    "spinney",
    #[cfg(feature = "redb")]
    "redb",
    #[cfg(feature = "lmdb")]
    "lmdb",
    #[cfg(feature = "fjall")]
    "fjall",
];

/// A store that only shows how fast writing could be, and cannot be asked.
pub(crate) fn is_limit(name: &str) -> bool {
    ["log", "sequential", "scattered"].contains(&name)
}

/// A new, empty store in `folder`.
pub(crate) fn create(
    name: &str,
    folder: &Path,
    entries: u64,
    batch: u64,
    cache_bytes: u64,
) -> Outcome<Box<dyn Store>> {
    Ok(match name {
        "log" => Box::new(crate::limits::Log::create(folder)?),
        "sequential" => Box::new(crate::limits::Pages::create(folder, entries, false)?),
        "scattered" => Box::new(crate::limits::Pages::create(folder, entries, true)?),
        "spinney" => Box::new(crate::spinney::Spinney::create(folder, entries, batch, cache_bytes)?),
        #[cfg(feature = "redb")]
        "redb" => Box::new(crate::redb::Redb::create(folder, cache_bytes)?),
        #[cfg(feature = "lmdb")]
        "lmdb" => Box::new(crate::lmdb::Lmdb::create(folder)?),
        #[cfg(feature = "fjall")]
        "fjall" => Box::new(crate::fjall::Fjall::create(folder, cache_bytes)?),
        _ => return Err(format!("no store `{name}`; this build has: {}", NAMES.join(", ")).into()),
    })
}
