//! What survives: flushes, cuts, failed requests, reopening.

use crate::bench::{get, holds, metadata, open, parts, pool_of, put, sound, stamped};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Epoch, Error, Pba};
use spinney_device::{CrashDevice, Fate, Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_volume::{Pool, PoolOptions};
use std::sync::Arc;

type Faulty = Arc<FaultDevice<MemoryDevice>>;

fn faulty_pool() -> (Faulty, Pool, DevId) {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + 200), &[]));
    let mut pool = Pool::format(device.clone(), parts(), metadata(400)).unwrap();
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.flush().unwrap();
    (device, pool, volume)
}

fn reopen(device: &Faulty) -> Pool {
    device.set_script(&[]);
    open(device.clone()).unwrap()
}

#[test]
fn a_flush_survives_reopening_and_what_came_after_it_does_not() {
    let (device, mut pool) = pool_of(128);
    let volume = pool.create(30).unwrap();
    put(&mut pool, volume, 0, 20, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    pool.flush().unwrap();
    let epoch = pool.epoch();
    put(&mut pool, volume, 10, 20, 2).unwrap();
    pool.delete(snapshot).unwrap();
    drop(pool);
    let pool = open(device).unwrap();
    assert_eq!(pool.epoch(), epoch);
    holds(&pool, volume, 0, 20, 1);
    holds(&pool, volume, 20, 10, 0);
    holds(&pool, snapshot, 0, 20, 1);
    sound(&pool);
}

#[test]
fn opening_writes_nothing_and_twice_gives_the_same() {
    let (device, mut pool) = pool_of(128);
    let volume = pool.create(30).unwrap();
    put(&mut pool, volume, 0, 20, 1).unwrap();
    pool.flush().unwrap();
    put(&mut pool, volume, 5, 20, 2).unwrap();
    drop(pool);
    let before = (*device).clone();
    let first = open(device.clone()).unwrap();
    holds(&first, volume, 0, 20, 1);
    sound(&first);
    drop(first);
    assert_eq!(device.first_difference(&before), None);
}

#[test]
fn a_flush_without_changes_writes_nothing() {
    let (device, mut pool) = pool_of(128);
    pool.flush().unwrap();
    let (before, epoch) = ((*device).clone(), pool.epoch());
    pool.flush().unwrap();
    assert_eq!((pool.epoch(), device.first_difference(&before)), (epoch, None));
}

#[test]
fn the_same_calls_leave_the_same_bytes() {
    let image = || {
        let (device, mut pool) = pool_of(400);
        let volume = pool.create(60).unwrap();
        for stamp in 1..30 {
            put(&mut pool, volume, stamp * 7 % 50, 9, stamp).unwrap();
            if stamp % 5 == 0 {
                pool.snapshot(volume).unwrap();
                pool.flush().unwrap();
            }
        }
        pool.flush().unwrap();
        device
    };
    assert_eq!(image().first_difference(&image()), None);
}

#[test]
fn a_commit_is_made_when_enough_blocks_were_written() {
    let device = Arc::new(MemoryDevice::new(16 + 400 + 200));
    let options = PoolOptions { commit_blocks: 16, ..metadata(400) };
    let mut pool = Pool::format(device.clone(), parts(), options).unwrap();
    let volume = pool.create(100).unwrap();
    put(&mut pool, volume, 0, 15, 1).unwrap();
    assert_eq!(pool.epoch(), Epoch(2));
    put(&mut pool, volume, 15, 1, 1).unwrap();
    assert_eq!(pool.epoch(), Epoch(3));
    put(&mut pool, volume, 16, 3, 2).unwrap();
    drop(pool);
    let pool = open(device).unwrap();
    holds(&pool, volume, 0, 16, 1);
    holds(&pool, volume, 16, 3, 0);
}

#[test]
fn every_failed_write_or_flush_of_a_commit_closes_the_pool_and_leaves_an_epoch_whole() {
    let requests = {
        let (device, mut pool, volume) = faulty_pool();
        put(&mut pool, volume, 20, 30, 2).unwrap();
        let before = device.requests();
        pool.flush().unwrap();
        device.requests() - before
    };
    assert!(requests > 3, "a commit has two flushes, a superblock and some pages");
    let mut struck = 0;
    for index in 0..requests {
        for kind in [FaultKind::WriteError, FaultKind::FlushError] {
            let (device, mut pool, volume) = faulty_pool();
            put(&mut pool, volume, 20, 30, 2).unwrap();
            let epoch = pool.epoch();
            device.set_script(&[Fault::once(kind, device.requests() + index)]);
            let flushed = pool.flush();
            if device.fired().is_empty() {
                assert_eq!(flushed, Ok(()));
                continue;
            }
            struck += 1;
            assert!(matches!(flushed, Err(Error::Io { .. })), "{kind:?} at {index}: {flushed:?}");
            closed(&mut pool, volume);
            drop(pool);
            let pool = reopen(&device);
            let stamp = if pool.epoch() == epoch.next() { 2 } else { 1 };
            holds(&pool, volume, 0, 20, 1);
            holds(&pool, volume, 20, 20, stamp);
            sound(&pool);
        }
    }
    assert!(struck >= requests, "each write or flush was hit at least once");
}

fn closed(pool: &mut Pool, volume: DevId) {
    assert_eq!(pool.flush(), Err(Error::Closed));
    assert_eq!(put(pool, volume, 0, 1, 9), Err(Error::Closed));
    assert_eq!(get(pool, volume, 0), Err(Error::Closed));
    assert_eq!(pool.create(1), Err(Error::Closed));
    assert_eq!(pool.delete(volume), Err(Error::Closed));
    assert_eq!(pool.check(true).err(), Some(Error::Closed));
}

#[test]
fn a_failed_data_write_is_reported_and_the_pool_goes_on() {
    let (device, mut pool, volume) = faulty_pool();
    let data = pool.layout().data;
    device.set_script(&[Fault::once(FaultKind::WriteError, 0).within(data)]);
    assert!(matches!(put(&mut pool, volume, 0, 10, 2), Err(Error::Io { .. })));
    assert_eq!(device.fired().len(), 1);
    holds(&pool, volume, 0, 40, 1);
    assert_eq!(pool.space().reserved_blocks, 0);
    put(&mut pool, volume, 0, 10, 3).unwrap();
    pool.flush().unwrap();
    sound(&pool);
    drop(pool);
    let pool = reopen(&device);
    holds(&pool, volume, 0, 10, 3);
    holds(&pool, volume, 10, 30, 1);
    sound(&pool);
}

#[test]
fn a_failed_read_is_reported_and_the_pool_goes_on() {
    let (device, pool, volume) = faulty_pool();
    device.set_script(&[Fault::once(FaultKind::ReadError, 0).within(pool.layout().data)]);
    assert!(matches!(get(&pool, volume, 3), Err(Error::Io { .. })));
    holds(&pool, volume, 0, 40, 1);
}

#[test]
fn a_cut_at_every_request_of_a_commit_gives_the_epoch_before_or_after() {
    let life = |after: Option<u64>| {
        let device = Arc::new(CrashDevice::new(16 + 400 + 200));
        let mut pool = Pool::format(device.clone(), parts(), metadata(400)).unwrap();
        let volume = pool.create(60).unwrap();
        put(&mut pool, volume, 0, 40, 1).unwrap();
        pool.flush().unwrap();
        put(&mut pool, volume, 20, 20, 2).unwrap();
        let before = device.changes();
        after.into_iter().for_each(|after| device.crash_after(after));
        let flushed = pool.flush();
        assert_eq!(flushed.is_err(), device.is_dead());
        (device.changes() - before, device, volume)
    };
    let (changes, ..) = life(None);
    for after in 0..changes {
        let (_, device, volume) = life(Some(after));
        let pending = device.pending();
        // All lost, all kept, each alone kept, each alone lost, and the last torn after each sector.
        let each = |kept: &dyn Fn(usize) -> Fate| (0..pending.len()).map(kept).collect::<Vec<_>>();
        let fate = |kept: bool| if kept { Fate::Kept } else { Fate::Lost };
        let mut cuts = vec![each(&|_| Fate::Lost), each(&|_| Fate::Kept)];
        for one in 0..pending.len() {
            cuts.push(each(&|at| fate(at == one)));
            cuts.push(each(&|at| fate(at != one)));
            cuts.extend((1..8).map(|sectors| {
                each(&|at| if at == one { Fate::prefix(pending[at].run.blocks, sectors) } else { Fate::Kept })
            }));
        }
        for cut in cuts {
            let pool = open(Arc::new(device.image(&cut))).unwrap();
            let stamp = if get(&pool, volume, 20).unwrap() == stamped(2, 20) { 2 } else { 1 };
            holds(&pool, volume, 0, 20, 1);
            holds(&pool, volume, 20, 20, stamp);
            sound(&pool);
        }
    }
}

#[test]
fn a_cut_brings_back_a_deleted_snapshot_with_its_bytes_even_in_place() {
    let device = Arc::new(CrashDevice::new(16 + 400 + 200));
    let options =
        PoolOptions { in_place: true, checksums: spinney_volume::ChecksumKind::None, ..metadata(400) };
    let mut pool = Pool::format(device.clone(), crate::bench::parts_that(true), options).unwrap();
    let volume = pool.create(40).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    pool.flush().unwrap();
    pool.delete(snapshot).unwrap();
    while pool.tend(1000).unwrap().left > 0 {}
    put(&mut pool, volume, 0, 40, 2).unwrap();
    holds(&pool, volume, 0, 40, 2);
    let kept = vec![Fate::Kept; device.pending().len()];
    let pool = open(Arc::new(device.image(&kept))).unwrap();
    holds(&pool, snapshot, 0, 40, 1);
    holds(&pool, volume, 0, 40, 1);
}

#[test]
fn formatting_over_an_old_pool_leaves_nothing_of_it() {
    let (device, mut pool) = pool_of(128);
    let old = pool.create(30).unwrap();
    for stamp in 1..6 {
        put(&mut pool, old, 0, 30, stamp).unwrap();
        pool.flush().unwrap();
    }
    let old_epoch = pool.epoch();
    drop(pool);
    drop(Pool::format(device.clone(), parts(), metadata(400)).unwrap());
    let pool = open(device).unwrap();
    assert!(pool.epoch() < old_epoch);
    assert_eq!((pool.versions().unwrap().len(), pool.space().free_blocks), (0, 128));
    sound(&pool);
}

#[test]
fn a_cut_while_formatting_leaves_no_pool_or_an_empty_one() {
    let formatted = |after| {
        let device = Arc::new(CrashDevice::new(16 + 400 + 50));
        device.crash_after(after);
        let done = Pool::format(device.clone(), parts(), metadata(400)).is_ok();
        (device, done)
    };
    let mut after = 0;
    loop {
        let (device, done) = formatted(after);
        for fate in [Fate::Kept, Fate::Lost] {
            let fates = vec![fate; device.pending().len()];
            match open(Arc::new(device.image(&fates))) {
                Ok(pool) => {
                    assert!(pool.versions().unwrap().is_empty() && pool.check(true).unwrap().is_sound())
                }
                Err(error) => {
                    assert!(!done && matches!(error, Error::Corrupt { .. }), "after {after}: {error}");
                }
            }
        }
        if done {
            return;
        }
        after += 1;
    }
}

#[test]
fn a_device_that_grew_opens_and_one_that_shrank_does_not() {
    let (device, mut pool) = pool_of(100);
    let volume = pool.create(30).unwrap();
    put(&mut pool, volume, 0, 30, 1).unwrap();
    pool.flush().unwrap();
    drop(pool);
    let resized = |blocks: u64| {
        let other = MemoryDevice::new(blocks);
        let mut block = [0; BLOCK_BYTES];
        for at in (0..blocks.min(device.blocks())).map(Pba) {
            device.read(at, &mut block).unwrap();
            other.write(at, &block).unwrap();
        }
        Arc::new(other)
    };
    let grown = open(resized(1000)).unwrap();
    holds(&grown, volume, 0, 30, 1);
    sound(&grown);
    assert!(matches!(open(resized(515)), Err(Error::Corrupt { .. })));
}
