//! What the device allows: a bare log, and as many pages a batch as a B+-tree on scattered keys must write.
//!
//! Invariant: each batch ends with the same flushes as a store's commit. Nothing can be read back as a map, and nothing is claimed of it.

use crate::error::Outcome;
use crate::keys::asked;
use crate::store::{Entry, Store};
use spinney_core::{BLOCK_BYTES, BlockDevice, Pba};
use spinney_device::FileDevice;
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Entries appended to a file, with one `fdatasync` a batch: what durable puts cost without any order.
pub(crate) struct Log(File);

impl Log {
    pub(crate) fn create(folder: &Path) -> Outcome<Log> {
        Ok(Log(File::create(folder.join("log"))?))
    }
}

impl Store for Log {
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()> {
        let mut bytes = Vec::with_capacity(batch.len() * 24);
        for (key, (first, second)) in batch {
            [key, first, second].iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        }
        self.0.write_all(&bytes)?;
        Ok(self.0.sync_data()?)
    }
    fn gets(&self, _keys: &[u64]) -> Outcome<u64> {
        Err("a limit for puts only".into())
    }
    fn scan(&self, _from: u64, _count: u64) -> Outcome<u64> {
        Err("a limit for puts only".into())
    }
    fn notes(&self) -> String {
        "append, one fdatasync a batch".into()
    }
}

/// Whole pages, as many as the leaves that the batch's keys fall into, with two flushes: what a tree that rewrites its
/// leaves cannot go below, without any of its own work.
pub(crate) struct Pages {
    device: FileDevice,
    scattered: bool,
    entries: u64,
    at: u64,
    places: Box<dyn Iterator<Item = u64>>,
}

/// Entries of 24 bytes in a leaf that is nine tenths full.
const LEAF_ENTRIES: u64 = 150;
/// The longest single write, in pages.
const RUN_PAGES: usize = 256;

impl Pages {
    pub(crate) fn create(folder: &Path, entries: u64, scattered: bool) -> Outcome<Pages> {
        // A fifth more than the leaves, so that a batch never needs a page that it would have to keep.
        let blocks = entries / LEAF_ENTRIES * 6 / 5 + 1024;
        let device = FileDevice::create(&folder.join("pages"), blocks)?;
        Ok(Pages { device, scattered, entries: 0, at: 0, places: Box::new(asked(blocks)) })
    }
    /// Expected number of distinct leaves under `count` keys at random.
    fn leaves_touched(&self, count: u64) -> u64 {
        let leaves = (self.entries / LEAF_ENTRIES).max(1) as f64;
        (leaves * (1.0 - (-(count as f64) / leaves).exp())).ceil() as u64
    }
}

impl Store for Pages {
    fn put_batch(&mut self, batch: &[Entry]) -> Outcome<()> {
        self.entries += batch.len() as u64;
        let pages = self.leaves_touched(batch.len() as u64);
        let data = vec![0xa5; RUN_PAGES * BLOCK_BYTES];
        let mut writes: Vec<(Pba, &[u8])> = Vec::new();
        if self.scattered {
            writes =
                self.places.by_ref().take(pages as usize).map(|at| (Pba(at), &data[..BLOCK_BYTES])).collect();
            writes.sort_unstable_by_key(|(at, _)| *at);
            writes.dedup_by_key(|(at, _)| *at);
        } else {
            let mut left = pages;
            while left > 0 {
                if self.at == self.device.blocks() {
                    self.at = 0;
                }
                let run = left.min(RUN_PAGES as u64).min(self.device.blocks() - self.at);
                writes.push((Pba(self.at), &data[..run as usize * BLOCK_BYTES]));
                (self.at, left) = (self.at + run, left - run);
            }
        }
        self.device.write_many(&writes)?;
        self.device.flush()?;
        self.device.write(Pba(0), &data[..BLOCK_BYTES])?;
        Ok(self.device.flush()?)
    }
    fn gets(&self, _keys: &[u64]) -> Outcome<u64> {
        Err("a limit for puts only".into())
    }
    fn scan(&self, _from: u64, _count: u64) -> Outcome<u64> {
        Err("a limit for puts only".into())
    }
    fn notes(&self) -> String {
        let how = if self.scattered { "4 KiB at random" } else { "1 MiB in sequence" };
        format!("the leaves of a B+-tree, {how}, two flushes a batch; {}", self.device.engine())
    }
}
