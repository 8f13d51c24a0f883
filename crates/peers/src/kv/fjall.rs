//! fjall: a log-structured merge tree, pure Rust. One write batch with `PersistMode::SyncAll` a batch.
//!
//! Invariant: a batch is durable by its journal when it returns; flushes and compactions run on behind.
#![expect(
    clippy::big_endian_bytes,
    reason = "fjall orders keys as byte strings, and byte order must equal number order"
)]

use crate::error::Outcome;
use crate::store::{Entry, Store};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::time::Duration;

/// Looks at the background in a row that must find it idle, and the time between two.
const CALM_LOOKS: u32 = 20;
const CALM_PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Fjall {
    database: Database,
    keyspace: Keyspace,
}

impl Fjall {
    pub(crate) fn create(folder: &Path, cache_bytes: u64) -> Outcome<Fjall> {
        let database = Database::builder(folder.join("fjall")).cache_size(cache_bytes).open()?;
        let keyspace = database.keyspace("entries", KeyspaceCreateOptions::default)?;
        Ok(Fjall { database, keyspace })
    }
}

impl Store for Fjall {
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()> {
        let mut writes = self.database.batch().durability(Some(PersistMode::SyncAll));
        let mut bytes = [0; 16];
        for (key, (first, second)) in batch {
            bytes[..8].copy_from_slice(&first.to_le_bytes());
            bytes[8..].copy_from_slice(&second.to_le_bytes());
            writes.insert(&self.keyspace, &key.to_be_bytes()[..], &bytes[..]);
        }
        Ok(writes.commit()?)
    }
    fn gets(&self, keys: &[u64]) -> Outcome<u64> {
        let mut sum = 0_u64;
        for key in keys {
            let value = self.keyspace.get(key.to_be_bytes())?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(u64::from_le_bytes(value[..8].try_into()?));
        }
        Ok(sum)
    }
    fn scan(&self, from: u64, count: u64) -> Outcome<u64> {
        let mut sum = 0_u64;
        for entry in self.keyspace.range(from.to_be_bytes()..).take(usize::try_from(count)?) {
            sum = sum.wrapping_add(u64::from_be_bytes(entry.key()?[..8].try_into()?));
        }
        Ok(sum)
    }
    fn settle(&mut self) -> Outcome<()> {
        let mut calm = 0;
        while calm < CALM_LOOKS {
            let busy = self.database.outstanding_flushes() + self.database.active_compactions();
            calm = if busy == 0 { calm + 1 } else { 0 };
            std::thread::sleep(CALM_PAUSE);
        }
        Ok(())
    }
    fn notes(&self) -> String {
        "PersistMode::SyncAll; settled: flushes and compactions done".into()
    }
}
