//! An aged pool and the operations that are timed on it.
//!
//! Invariant: one volume; every block of its first GiB was written in order, and as often again at random, before anything is timed.

use crate::clock::timed;
use spinney_core::{BLOCK_BYTES, DevId};
use spinney_device::MemoryDevice;
use spinney_registry::Registry;
use spinney_testkit::Dice;
use spinney_volume::{ChecksumKind, Pool, PoolOptions};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const BLOCK: usize = BLOCK_BYTES;
pub(crate) const BLOCKS_OF_A_GIB: u64 = 1 << 18;
pub(crate) const GIB: u64 = 1 << 30;
pub(crate) const TIB: u64 = 1 << 40;
/// Writes between commits: 64 MiB, the default.
pub(crate) const COMMIT_WRITES: u64 = 1 << 14;

pub(crate) struct Bench {
    pool: Pool,
    volume: DevId,
    dice: Dice,
    block: Vec<u8>,
}

impl Bench {
    /// A volume of `bytes` on a device of one and a half times that.
    pub(crate) fn aged(allocator: &str, scheme: &str, checksums: ChecksumKind, bytes: u64) -> Bench {
        let registry = Registry::standard();
        let parts = registry.parts(&registry.spec(allocator, scheme).expect("registered")).expect("built");
        let blocks = bytes / BLOCK as u64;
        let device = Arc::new(MemoryDevice::new(blocks + blocks / 2));
        let options = PoolOptions { checksums, commit_blocks: COMMIT_WRITES, ..PoolOptions::default() };
        let mut pool = Pool::format(device, parts, options).expect("format");
        let volume = pool.create(blocks).expect("create");
        let mut bench = Bench { pool, volume, dice: Dice::new("volume", 1), block: vec![7; BLOCK] };
        let piece = vec![1; 256 * BLOCK];
        for at in (0..GIB).step_by(piece.len()) {
            bench.pool.write(volume, at, &piece).expect("write");
        }
        bench.overwrite(BLOCKS_OF_A_GIB);
        bench.pool.flush().expect("flush");
        bench
    }
    fn place(&mut self) -> u64 {
        self.dice.below(BLOCKS_OF_A_GIB) * BLOCK as u64
    }
    fn write(&mut self) {
        let at = self.place();
        self.block[0] = self.block[0].wrapping_add(1);
        self.pool.write(self.volume, at, &self.block).expect("write");
    }
    /// So many random overwrites, commits included where they fall due.
    pub(crate) fn overwrite(&mut self, writes: u64) -> Duration {
        timed(|| (0..writes).for_each(|_| self.write()))
    }
    /// So many random reads.
    pub(crate) fn read(&mut self, reads: u64) -> Duration {
        timed(|| {
            for _ in 0..reads {
                let at = self.place();
                self.pool.read(self.volume, at, &mut self.block).expect("read");
                black_box(&self.block);
            }
        })
    }
    /// The flush after so many random overwrites, and how many pages it wrote.
    pub(crate) fn commit_of(&mut self, writes: u64) -> (Duration, u64) {
        self.pool.flush().expect("flush");
        (0..writes).for_each(|_| self.write());
        let before = self.pool.page_stats().written.total();
        let time = timed(|| self.pool.flush().expect("flush"));
        (time, self.pool.page_stats().written.total() - before)
    }
    /// A snapshot after a write. The snapshot before it is deleted first, and what it held let go of.
    pub(crate) fn snapshot(&mut self) -> Duration {
        let all = self.pool.versions().expect("versions");
        for version in all.into_iter().filter(|version| version.dev != self.volume) {
            self.pool.delete(version.dev).expect("delete");
        }
        self.pool.settle().expect("settle");
        self.write();
        timed(|| {
            black_box(self.pool.snapshot(self.volume).expect("snapshot"));
        })
    }
}
