//! redb: a copy-on-write B-tree in one file, pure Rust. One write transaction a batch, at its default durability (`Immediate`).
//!
//! Invariant: a batch is one transaction. Its cache is as large as the others'.

use crate::error::Outcome;
use crate::store::{Entry, Store};
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::path::Path;

const TABLE: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("entries");

pub(crate) struct Redb(Database);

impl Redb {
    pub(crate) fn create(folder: &Path, cache_bytes: u64) -> Outcome<Redb> {
        let cache = usize::try_from(cache_bytes)?;
        Ok(Redb(Database::builder().set_cache_size(cache).create(folder.join("redb"))?))
    }
}

impl Store for Redb {
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()> {
        let mut transaction = self.0.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        let mut table = transaction.open_table(TABLE)?;
        for (key, value) in batch {
            table.insert(key, value)?;
        }
        drop(table);
        Ok(transaction.commit()?)
    }
    fn gets(&self, keys: &[u64]) -> Outcome<u64> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut sum = 0_u64;
        for key in keys {
            sum = sum.wrapping_add(table.get(key)?.ok_or("a key is missing")?.value().0);
        }
        Ok(sum)
    }
    fn scan(&self, from: u64, count: u64) -> Outcome<u64> {
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut sum = 0_u64;
        for entry in table.range(from..)?.take(usize::try_from(count)?) {
            sum = sum.wrapping_add(entry?.0.value());
        }
        Ok(sum)
    }
    fn notes(&self) -> String {
        "Durability::Immediate".into()
    }
}
