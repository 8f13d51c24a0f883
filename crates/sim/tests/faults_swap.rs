//! Another device in the place of the right one: an old copy, a shorter one, a longer one, one that changes under an open pool.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Pba, Place, Result};
use spinney_device::{Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_registry::Registry;
use spinney_sim::Pair;
use spinney_sim::faults::oracle::{Agreement, State};
use spinney_sim::faults::script::{self, DEVICE_BLOCKS, History, OPTIONS};
use spinney_volume::Pool;
use std::sync::{Arc, RwLock};

/// A device that can be taken away and another put there.
struct Socket(RwLock<MemoryDevice>);

impl Socket {
    fn copy(&self) -> MemoryDevice {
        self.0.read().unwrap().clone()
    }
    fn put(&self, other: MemoryDevice) {
        *self.0.write().unwrap() = other;
    }
}

impl BlockDevice for Socket {
    fn blocks(&self) -> u64 {
        self.0.read().unwrap().blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.0.read().unwrap().read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.0.read().unwrap().write(at, data)
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.0.read().unwrap().discard(run)
    }
}

/// A pool with a history, a copy of its device made at a flush in the middle, and what that copy holds.
struct Aged {
    socket: Arc<Socket>,
    pool: Pool,
    history: History,
    old: MemoryDevice,
    then: State,
}

fn changes(history: &mut History, pool: &mut Pool, count: usize) {
    for number in 1..=count {
        let change = history.draw();
        history.apply(pool, change).unwrap().unwrap();
        if number % 5 == 0 {
            history.flush(pool).unwrap();
        }
    }
}

fn aged(pair: &Pair, seed: u64) -> Aged {
    let socket = Arc::new(Socket(RwLock::new(MemoryDevice::new(DEVICE_BLOCKS))));
    let registry = Registry::standard();
    let mut pool =
        script::format(&registry, [&pair.allocator, &pair.scheme], OPTIONS, socket.clone()).unwrap();
    let mut history = History::new(seed, &pool);
    changes(&mut history, &mut pool, 20);
    let (old, then) = (socket.copy(), history.state.clone());
    changes(&mut history, &mut pool, 20);
    Aged { socket, pool, history, old, then }
}

fn pairs(turn: usize) -> Vec<Pair> {
    Pair::sample(&Arc::new(Registry::standard()), turn)
}

fn open(device: impl BlockDevice + 'static) -> Result<Pool> {
    script::open(&Registry::standard(), OPTIONS, Arc::new(device))
}

fn resized(from: &MemoryDevice, blocks: u64) -> MemoryDevice {
    let to = MemoryDevice::new(blocks);
    let mut block = [0; BLOCK_BYTES];
    for at in (0..blocks.min(from.blocks())).map(Pba) {
        from.read(at, &mut block).unwrap();
        to.write(at, &block).unwrap();
    }
    to
}

/// What cannot be seen without a second device: the copy is whole and right, only old.
#[test]
fn an_old_copy_opens_as_it_was_then() {
    for (seed, pair) in (0..).zip(pairs(5)) {
        let aged = aged(&pair, seed);
        drop(aged.pool);
        let pool = open(aged.old).unwrap();
        assert_eq!(aged.then.compare(&pool), Ok(Agreement::Whole), "seed {seed}, {}", pair.line());
        assert!(pool.check(true).unwrap().is_sound(), "seed {seed}, {}", pair.line());
    }
}

#[test]
fn a_device_that_is_too_short_is_a_clear_error() {
    for (seed, pair) in (0..).zip(pairs(6)) {
        let whole = aged(&pair, seed).socket.copy();
        for blocks in [DEVICE_BLOCKS - 1, DEVICE_BLOCKS / 2, 16, 9] {
            let error = open(resized(&whole, blocks)).err();
            let clear = matches!(error, Some(Error::Corrupt { what, place: Place::Pool }) if what.contains("smaller"));
            assert!(clear, "seed {seed}, {}, {blocks} blocks: {error:?}", pair.line());
        }
        assert!(open(resized(&whole, 8)).is_err(), "only one superblock slot");
    }
}

#[test]
fn a_device_that_is_too_long_opens_as_it_was() {
    for (seed, pair) in (0..).zip(pairs(7)) {
        let aged = aged(&pair, seed);
        let pool = open(resized(&aged.socket.copy(), DEVICE_BLOCKS * 3)).unwrap();
        assert_eq!(aged.history.state.compare(&pool), Ok(Agreement::Whole), "seed {seed}, {}", pair.line());
        assert!(pool.check(true).unwrap().is_sound(), "seed {seed}, {}", pair.line());
    }
}

/// The pool remembers what it wrote: old blocks do not match.
#[test]
fn an_old_copy_under_an_open_pool_is_seen_and_never_believed() {
    for (seed, pair) in (0..).zip(pairs(8)) {
        let mut aged = aged(&pair, seed);
        aged.socket.put(aged.old);
        aged.pool.drop_caches();
        let seen = aged.history.state.compare(&aged.pool).unwrap();
        let corrupt = matches!(seen, Agreement::Partly(Error::Corrupt { .. }));
        let found = aged.pool.check(true).map_or(true, |report| !report.is_sound());
        assert!(corrupt && found, "seed {seed}, {}: {seen:?}", pair.line());
        let change = aged.history.draw();
        let _ = aged.history.apply(&mut aged.pool, change).unwrap();
        let _ = aged.history.flush(&mut aged.pool);
    }
}

#[test]
fn a_device_whose_end_is_gone_fails_there_and_loses_nothing_when_it_is_back() {
    for (seed, pair) in (0..).zip(pairs(9)) {
        let aged = aged(&pair, seed);
        let end = Extent::new(Pba(330), DEVICE_BLOCKS - 330);
        let device = Arc::new(FaultDevice::new(
            aged.socket.copy(),
            &[Fault::forever(FaultKind::AnyError, 0).within(end)],
        ));
        let opened = script::open(&Registry::standard(), OPTIONS, device.clone());
        let seen = opened.map(|pool| aged.history.state.compare(&pool).unwrap());
        assert!(
            matches!(seen, Ok(Agreement::Partly(Error::Io { .. })) | Err(Error::Io { .. })),
            "seed {seed}: {seen:?}"
        );
        device.set_script(&[]);
        let pool = script::open(&Registry::standard(), OPTIONS, device).unwrap();
        assert_eq!(aged.history.state.compare(&pool), Ok(Agreement::Whole), "seed {seed}, {}", pair.line());
    }
}
