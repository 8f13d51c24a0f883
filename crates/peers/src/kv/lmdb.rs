//! LMDB by way of heed: a copy-on-write B+-tree in a memory map. One write transaction a batch, with its default sync.
//!
//! Invariant: a batch is one transaction. Its cache is the page cache, which no setting bounds.

use crate::error::Outcome;
use crate::store::{Entry, Store};
use heed::byteorder::BE;
use heed::types::{Bytes, U64};
use heed::{CommitOrAbort, Database, Env, EnvOpenOptions};
use std::path::Path;

/// The most that the map may grow to.
const MAP_BYTES: usize = 16 << 30;

type Table = Database<'static, U64<BE>, Bytes>;

pub(crate) struct Lmdb {
    env: &'static Env,
    table: Table,
}

impl Lmdb {
    pub(crate) fn create(folder: &Path) -> Outcome<Lmdb> {
        #[expect(unsafe_code, reason = "LMDB maps the file")]
        // SAFETY: the folder was made for this process, and nobody else opens or changes the file.
        let env = unsafe { EnvOpenOptions::new().map_size(MAP_BYTES).open(folder)? };
        // The handle lives as long as the process, which measures one store.
        let env: &'static Env = Box::leak(Box::new(env));
        let made = env.create_databases_and_commit(env.write_txn()?, |factory, transaction| {
            factory.create_database::<U64<BE>, Bytes>(transaction, None).map(CommitOrAbort::<_, ()>::Commit)
        });
        let table = made.map_err(|error: heed::Error| error)?.unwrap_commit();
        Ok(Lmdb { env, table })
    }
}

impl Store for Lmdb {
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()> {
        let mut transaction = self.env.write_txn()?;
        let mut bytes = [0; 16];
        for (key, (first, second)) in batch {
            bytes[..8].copy_from_slice(&first.to_le_bytes());
            bytes[8..].copy_from_slice(&second.to_le_bytes());
            self.table.put(&mut transaction, key, &bytes)?;
        }
        Ok(transaction.commit()?)
    }
    fn gets(&self, keys: &[u64]) -> Outcome<u64> {
        let (transaction, mut sum) = (self.env.read_txn()?, 0_u64);
        for key in keys {
            let value = self.table.get(&transaction, key)?.ok_or("a key is missing")?;
            sum = sum.wrapping_add(u64::from_le_bytes(value[..8].try_into()?));
        }
        Ok(sum)
    }
    fn scan(&self, from: u64, count: u64) -> Outcome<u64> {
        let (transaction, mut sum) = (self.env.read_txn()?, 0_u64);
        for entry in self.table.range(&transaction, &(from..))?.take(usize::try_from(count)?) {
            sum = sum.wrapping_add(entry?.0);
        }
        Ok(sum)
    }
    fn notes(&self) -> String {
        "default sync, the page cache as its cache".into()
    }
}
