//! Superblock slots that cannot be read, and a superblock that was read from a cache only.
//!
//! Invariant of the tests: each loss that they rule out is shown to happen when the step that prevents it is left out.

use crate::bench::{get, holds, metadata, open, parts, put, sound, stamped};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error, Extent, Pba, Result};
use spinney_device::{CrashDevice, Fate, Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_volume::{Pool, PoolOptions, SUPERBLOCK_SLOTS};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

const DEVICE_BLOCKS: u64 = 16 + 400 + 100;
const VOLUME_BLOCKS: u64 = 40;

/// A pool whose epochs 2 and 3 hold 1 and 2 in every block.
fn two_epochs(device: Arc<dyn BlockDevice>) -> DevId {
    let mut pool = Pool::format(device, parts(), metadata(400)).unwrap();
    let volume = pool.create(VOLUME_BLOCKS).unwrap();
    for stamp in [1, 2] {
        put(&mut pool, volume, 0, VOLUME_BLOCKS, stamp).unwrap();
        pool.flush().unwrap();
    }
    volume
}

fn accepting(device: Arc<dyn BlockDevice>) -> Result<Pool> {
    let options = PoolOptions { cache_pages: 64, accept_unreadable_slot: true, ..PoolOptions::default() };
    Pool::open(device, options, &|_| Ok(parts()))
}

#[test]
fn an_unreadable_superblock_slot_is_an_error_that_says_what_to_do_and_then_opens() {
    for slot in SUPERBLOCK_SLOTS {
        let device = Arc::new(FaultDevice::new(MemoryDevice::new(DEVICE_BLOCKS), &[]));
        let volume = two_epochs(device.clone());
        let before = device.below().clone();
        device.set_script(&[Fault::once(FaultKind::ReadError, 0).within(Extent::new(slot, 1))]);
        let error = open(device.clone()).err().unwrap();
        assert!(matches!(error, Error::Io { at, .. } if at == slot), "{error}");
        assert!(
            error.to_string().contains("try again") && error.to_string().contains("accept_unreadable_slot")
        );
        assert_eq!(device.below().first_difference(&before), None);
        holds(&open(device.clone()).unwrap(), volume, 0, VOLUME_BLOCKS, 2);
    }
}

#[test]
fn a_slot_that_stays_unreadable_is_passed_over_only_on_demand() {
    for slot in SUPERBLOCK_SLOTS {
        let device = Arc::new(FaultDevice::new(MemoryDevice::new(DEVICE_BLOCKS), &[]));
        let volume = two_epochs(device.clone());
        device.set_script(&[Fault::forever(FaultKind::ReadError, 0).within(Extent::new(slot, 1))]);
        assert!(matches!(open(device.clone()), Err(Error::Io { .. })));
        let mut pool = accepting(device.clone()).unwrap();
        // Slot 1 has epoch 3, the newest.
        holds(&pool, volume, 0, VOLUME_BLOCKS, if slot == SUPERBLOCK_SLOTS[1] { 1 } else { 2 });
        sound(&pool);
        put(&mut pool, volume, 0, VOLUME_BLOCKS, 3).unwrap();
        device.set_script(&[]); // a sector that is written anew can be read
        pool.flush().unwrap();
        holds(&open(device).unwrap(), volume, 0, VOLUME_BLOCKS, 3);
    }
}

#[test]
fn without_any_readable_slot_there_is_no_pool() {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(DEVICE_BLOCKS), &[]));
    two_epochs(device.clone());
    device.set_script(&[Fault::forever(FaultKind::ReadError, 0)]);
    assert!(matches!(open(device.clone()), Err(Error::Io { .. })));
    assert!(matches!(accepting(device), Err(Error::Io { .. })));
}

/// What a host does with a superblock whose flush failed, and what opening leaves out.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// Blocks that a failed flush did not store count as stored, and are in memory only.
    forgets: bool,
    /// Opening does not flush.
    opens_without_flush: bool,
    /// Opening does not store the superblock again.
    opens_without_store: bool,
}

/// A device behind a host's cache, whose power can be cut.
struct Host {
    medium: MemoryDevice,
    cache: MemoryDevice,
    manners: Manners,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    unflushed: BTreeSet<Pba>,
    /// The next flush that has a superblock to store fails.
    fails: bool,
    opening: bool,
}

impl Host {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
    fn store(&self, at: Pba, on: &MemoryDevice) -> Result<()> {
        let mut block = [0; BLOCK_BYTES];
        self.cache.read(at, &mut block)?;
        on.write(at, &block)
    }
    /// What is left of a cut that loses superblocks, and keeps whatever else was written.
    fn cut(&self) -> MemoryDevice {
        let image = self.medium.clone();
        let state = self.state();
        let kept = state.unflushed.iter().filter(|at| !SUPERBLOCK_SLOTS.contains(at));
        kept.for_each(|at| self.store(*at, &image).unwrap());
        image
    }
}

impl BlockDevice for Host {
    fn blocks(&self) -> u64 {
        self.medium.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.cache.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let mut state = self.state();
        if state.opening {
            assert!(SUPERBLOCK_SLOTS.contains(&at), "opening writes nothing but a superblock");
            if self.manners.opens_without_store {
                return Ok(());
            }
        }
        state.unflushed.extend(Extent::new(at, (data.len() / BLOCK_BYTES) as u64).iter());
        self.cache.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        let mut state = self.state();
        if state.opening && self.manners.opens_without_flush {
            return Ok(());
        }
        if state.fails && SUPERBLOCK_SLOTS.iter().any(|slot| state.unflushed.contains(slot)) {
            state.fails = false;
            if self.manners.forgets {
                state.unflushed.clear();
            }
            return Err(Error::Io { operation: "flush", at: Pba(0), code: 5 });
        }
        std::mem::take(&mut state.unflushed).iter().try_for_each(|at| self.store(*at, &self.medium))
    }
    fn discard(&self, _: Extent) -> Result<()> {
        Ok(())
    }
}

/// Stamp 2 is committed over stamp 1, but the last flush fails. The pool is opened again without a cut, at stamp 2, and
/// takes stamp 3, for which there are no blocks but those of stamp 1. Then the power goes. What every block holds
/// after it, if that is one stamp and the pool is sound.
fn content_after_a_failed_flush(manners: Manners) -> Option<u64> {
    let new = || MemoryDevice::new(16 + 400 + 2 * VOLUME_BLOCKS);
    let host = Arc::new(Host { medium: new(), cache: new(), manners, state: Mutex::default() });
    let mut pool = Pool::format(host.clone(), parts(), metadata(400)).unwrap();
    let volume = pool.create(VOLUME_BLOCKS).unwrap();
    put(&mut pool, volume, 0, VOLUME_BLOCKS, 1).unwrap();
    pool.flush().unwrap();
    put(&mut pool, volume, 0, VOLUME_BLOCKS, 2).unwrap();
    host.state().fails = true;
    assert!(matches!(pool.flush(), Err(Error::Io { operation: "flush", .. })));
    host.state().opening = true;
    pool = open(host.clone()).unwrap();
    host.state().opening = false;
    holds(&pool, volume, 0, VOLUME_BLOCKS, 2);
    put(&mut pool, volume, 0, VOLUME_BLOCKS, 3).unwrap();
    let after = open(Arc::new(host.cut())).unwrap();
    let all = |stamp| (0..VOLUME_BLOCKS).all(|at| get(&after, volume, at) == Ok(stamped(stamp, at)));
    let sound = after.check(true).is_ok_and(|report| report.is_sound());
    (1..=3).find(|stamp| all(*stamp)).filter(|_| sound)
}

#[test]
fn a_superblock_whose_flush_failed_is_durable_once_the_pool_was_opened_at_it() {
    for forgets in [false, true] {
        let manners = Manners { forgets, ..Manners::default() };
        assert_eq!(content_after_a_failed_flush(manners), Some(2), "a host that forgets: {forgets}");
    }
}

#[test]
fn without_a_flush_on_opening_a_cut_would_lose_both_epochs() {
    let manners = Manners { opens_without_flush: true, ..Manners::default() };
    assert_eq!(content_after_a_failed_flush(manners), None);
}

#[test]
fn without_storing_the_superblock_again_a_forgetful_host_would_lose_both_epochs() {
    let manners = Manners { forgets: true, opens_without_store: true, ..Manners::default() };
    assert_eq!(content_after_a_failed_flush(manners), None);
    let manners = Manners { forgets: false, ..manners };
    assert_eq!(
        content_after_a_failed_flush(manners),
        Some(2),
        "the flush is enough for a host that remembers"
    );
}

#[test]
fn a_cut_at_any_sector_of_the_superblock_stored_again_loses_nothing() {
    let device = Arc::new(CrashDevice::new(DEVICE_BLOCKS));
    let volume = two_epochs(device.clone());
    device.crash_after(1); // the write passes, the flush does not
    assert!(open(device.clone()).is_err());
    let pending = device.pending();
    assert_eq!(pending.len(), 1);
    for sectors in 0..=8 {
        let image = device.image(&[Fate::prefix(1, sectors)]);
        holds(&open(Arc::new(image)).unwrap(), volume, 0, VOLUME_BLOCKS, 2);
    }
}
