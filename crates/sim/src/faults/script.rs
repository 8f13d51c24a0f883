//! A seeded history of a pool: what is done next depends on the seed and on what was done, and on nothing else.
//!
//! Invariant: the same seed makes the same calls on the same pool, so that another process can follow it from a number alone.
//! Commits happen in `flush` only (the pools have room), and each leaves the state that its epoch must show.

use super::oracle::{State, Version, ZEROS, content};
use crate::pair::cut_small;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error, Result};
use spinney_registry::{PoolSpec, Registry};
use spinney_volume::{ChecksumKey, ChecksumKind, Placement, Pool, PoolOptions};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Blocks of metadata: enough for any history, so that no commit is made for want of room.
const METADATA_BLOCKS: u64 = 300;
/// The device of such a pool.
pub const DEVICE_BLOCKS: u64 = 16 + METADATA_BLOCKS + 200;
/// Versions at most, and blocks of a volume: their product fits the data.
const VERSIONS_MAX: usize = 4;
const VOLUME_BLOCKS: u64 = 24;

/// The options of a pool of these tests. A small cache, so that metadata is read from the device again and again. Background work is
/// asked for: inside a commit an error would only put it off, and nobody would be told.
pub const OPTIONS: PoolOptions = PoolOptions {
    metadata_blocks: Some(METADATA_BLOCKS),
    placement: Placement::Area,
    cache_pages: 8,
    commit_blocks: u64::MAX,
    piece_blocks: 256,
    tend_budget: 0,
    copy_budget: 0,
    checksums: ChecksumKind::Xxh3,
    checksum_key: ChecksumKey::PUBLIC,
    back_references: None,
    in_place: false,
    log_blocks: 0,
    verify_superblock: true,
    accept_unreadable_slot: false,
    accept_damaged_log: false,
};

/// Units of background work at once.
const TEND_BUDGET: u64 = 16;

/// A change of a pool's versions.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// A new volume.
    Create,
    /// Blocks of a volume are written.
    Write(DevId, u64, u64),
    /// Blocks of a volume are discarded.
    Discard(DevId, u64, u64),
    /// A read-only version.
    Snapshot(DevId),
    /// A writable one.
    Clone(DevId),
    /// A version goes.
    Delete(DevId),
    /// Background work.
    Tend,
}

/// A pool and what it must hold.
pub struct History {
    /// What it must hold now.
    pub state: State,
    /// What each epoch must show that was committed, or was on its way; several, the newest last, where a device went back in time.
    epochs: BTreeMap<u64, Vec<State>>,
    rng: ChaCha8Rng,
    stamp: u64,
}

/// Format `device` for a pair of the registry.
pub fn format(
    registry: &Registry,
    pair: [&str; 2],
    options: PoolOptions,
    device: Arc<dyn BlockDevice>,
) -> Result<Pool> {
    let spec = registry.spec(pair[0], pair[1]).map(|mut spec| {
        cut_small(registry, &mut spec);
        spec
    });
    let parts = spec.and_then(|spec| registry.parts(&spec));
    Pool::format(device, parts.map_err(|_| Error::Unsupported("a name of the registry"))?, options)
}

/// Open what `format` made.
pub fn open(registry: &Registry, options: PoolOptions, device: Arc<dyn BlockDevice>) -> Result<Pool> {
    let build = |text: &str| {
        let parts = PoolSpec::parse(text).and_then(|spec| registry.parts(&spec));
        parts.map_err(|_| Error::Unsupported("description"))
    };
    Pool::open(device, options, &build)
}

impl History {
    /// The history of a seed, before its first change; `pool` is fresh.
    #[must_use]
    pub fn new(seed: u64, pool: &Pool) -> History {
        let epochs = BTreeMap::from([(pool.epoch().0 - 1, vec![State::default()])]);
        History { state: State::default(), epochs, rng: ChaCha8Rng::seed_from_u64(seed), stamp: 0 }
    }

    /// What comes next.
    pub fn draw(&mut self) -> Change {
        let all: Vec<DevId> = self.state.0.keys().copied().collect();
        let writable: Vec<DevId> = all.iter().copied().filter(|dev| self.state.0[dev].writable).collect();
        let roll = self.rng.random_range(0..13);
        if writable.is_empty() {
            return Change::Create;
        }
        let any = all[self.rng.random_range(0..all.len())];
        let volume = writable[self.rng.random_range(0..writable.len())];
        let at = self.rng.random_range(0..VOLUME_BLOCKS);
        let blocks = self.rng.random_range(1..=8).min(VOLUME_BLOCKS - at);
        match roll {
            0 if all.len() < VERSIONS_MAX => Change::Create,
            1 if all.len() < VERSIONS_MAX => Change::Snapshot(any),
            2 if all.len() < VERSIONS_MAX => Change::Clone(any),
            0..=3 if all.len() > 2 => Change::Delete(any),
            4 => Change::Discard(volume, at, blocks),
            5 => Change::Tend,
            _ => Change::Write(volume, at, blocks),
        }
    }

    /// Carry a change out on the pool, and note it: wholly if it succeeded, as possible if a write failed. Errors: the pool's.
    /// The outer error is a wrong byte.
    pub fn apply(&mut self, pool: &mut Pool, change: Change) -> Result<Result<()>, String> {
        let done = match change {
            Change::Create => pool.create(VOLUME_BLOCKS).map(|dev| self.create(dev)),
            Change::Snapshot(of) => pool.snapshot(of).map(|dev| self.take(of, dev, false)),
            Change::Clone(of) => pool.clone_of(of).map(|dev| self.take(of, dev, true)),
            Change::Delete(dev) => pool.delete(dev).map(|()| drop(self.state.0.remove(&dev))),
            Change::Tend => pool.tend(TEND_BUDGET).map(drop),
            Change::Write(dev, at, blocks) => return self.write(pool, dev, at..at + blocks),
            Change::Discard(dev, at, blocks) => {
                let (offset, bytes) = (at * BLOCK_BYTES as u64, blocks * BLOCK_BYTES as u64);
                pool.discard(dev, offset, bytes).map(|()| self.set(dev, at..at + blocks, ZEROS))
            }
        };
        Ok(done)
    }

    fn create(&mut self, dev: DevId) {
        let blocks = vec![vec![ZEROS]; VOLUME_BLOCKS as usize];
        self.state.0.insert(dev, Version { writable: true, blocks });
    }

    fn take(&mut self, of: DevId, dev: DevId, writable: bool) {
        let blocks = self.state.0[&of].blocks.clone();
        self.state.0.insert(dev, Version { writable, blocks });
    }

    fn cells(&mut self, dev: DevId, blocks: Range<u64>) -> &mut [Vec<u64>] {
        let version = self.state.0.get_mut(&dev).expect("drawn from the live ones");
        &mut version.blocks[blocks.start as usize..blocks.end as usize]
    }

    fn set(&mut self, dev: DevId, blocks: Range<u64>, stamp: u64) {
        self.cells(dev, blocks).iter_mut().for_each(|cell| *cell = vec![stamp]);
    }

    fn write(&mut self, pool: &mut Pool, dev: DevId, blocks: Range<u64>) -> Result<Result<()>, String> {
        self.stamp += 1;
        let stamp = self.stamp;
        let data: Vec<u8> = blocks.clone().flat_map(|at| content(stamp, at)).collect();
        let done = pool.write(dev, blocks.start * BLOCK_BYTES as u64, &data);
        match done {
            Ok(()) => self.set(dev, blocks, stamp),
            Err(_) => {
                self.cells(dev, blocks.clone()).iter_mut().for_each(|cell| cell.push(stamp));
                self.state.settle(pool, dev, blocks)?;
            }
        }
        Ok(done)
    }

    /// Flush, having noted what the epoch must show that this makes durable. Errors: the pool's.
    pub fn flush(&mut self, pool: &mut Pool) -> Result<()> {
        self.epochs.entry(pool.epoch().0).or_default().push(self.state.clone());
        pool.flush()
    }

    /// The pool was opened again: go on from the state of its epoch, and return that. `None`: no such epoch was ever under way.
    pub fn resume(&mut self, pool: &Pool) -> Option<u64> {
        let epoch = pool.epoch().0 - 1;
        let states = self.epochs.get(&epoch)?;
        let shown = match &states[..] {
            [one] => Some(one),
            many => many.iter().rev().find(|state| state.compare(pool).is_ok()).or(many.last()),
        };
        self.state = shown?.clone();
        Some(epoch)
    }
}
