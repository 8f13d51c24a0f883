//! Copies of what was not written: along with a write, and in the background, over a scheme that moves everything.

use crate::bench::{BLOCK, holds, metadata, parts_of, put, sound};
use spinney_core::{DevId, Error, Extent, Lba, LbaRange, Setting};
use spinney_device::{Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_registry::Registry;
use spinney_testkit::ListScheme;
use spinney_volume::{Pool, PoolOptions};
use std::sync::Arc;

const DATA: u64 = 400;

type Device = Arc<FaultDevice<MemoryDevice>>;

/// A pool over a scheme that copies so many neighbors along, and wishes for so many blocks a commit.
fn restless(neighbors: u64, copy_budget: u64) -> (Device, Pool) {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + DATA), &[]));
    let options = PoolOptions { copy_budget, ..metadata(400) };
    let parts = parts_of(Box::new(ListScheme::restless(neighbors)));
    let pool = Pool::format(device.clone(), parts, options).unwrap();
    (device, pool)
}

fn reopen(device: Device) -> Pool {
    Pool::open(device, metadata(400), &|_| Ok(parts_of(Box::new(ListScheme::restless(0))))).unwrap()
}

/// Where the mapped blocks of a version lie, joined where they follow each other.
fn runs(pool: &Pool, dev: DevId) -> Vec<Extent> {
    let mut runs: Vec<Extent> = Vec::new();
    let whole = LbaRange::new(Lba(0), pool.version(dev).unwrap().blocks);
    pool.runs(dev, whole, &mut |run| match (run.on, runs.last_mut()) {
        (Some(on), Some(last)) if last.end() == on => last.blocks += run.blocks,
        (Some(on), _) => runs.push(Extent::new(on, run.blocks)),
        (None, _) => {}
    })
    .unwrap();
    runs
}

/// A volume of 40 blocks, every fourth of which was written anew after a snapshot.
fn scattered(pool: &mut Pool) -> (DevId, DevId) {
    let volume = pool.create(50).unwrap();
    put(pool, volume, 0, 40, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    for at in (0..40).step_by(4) {
        put(pool, volume, at, 1, 2).unwrap();
    }
    (volume, snapshot)
}

#[track_caller]
fn holds_what_was_written(pool: &Pool, (volume, snapshot): (DevId, DevId)) {
    holds(pool, snapshot, 0, 40, 1);
    (0..40).for_each(|at| holds(pool, volume, at, 1, if at % 4 == 0 { 2 } else { 1 }));
    sound(pool);
}

#[test]
fn a_commit_makes_the_copies_that_the_scheme_wishes_for() {
    let (device, mut pool) = restless(0, 100);
    let versions = scattered(&mut pool);
    assert!(runs(&pool, versions.0).len() > 1);
    pool.flush().unwrap();
    assert_eq!(runs(&pool, versions.0).len(), 1, "the volume lies in one run");
    assert_eq!(pool.stats().relocated_blocks, 40);
    holds_what_was_written(&pool, versions);
    drop(pool);
    let pool = reopen(device);
    assert_eq!(runs(&pool, versions.0).len(), 1);
    holds_what_was_written(&pool, versions);
}

#[test]
fn a_budget_of_none_copies_nothing() {
    let (_, mut pool) = restless(0, 0);
    let versions = scattered(&mut pool);
    pool.settle().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 0);
    holds_what_was_written(&pool, versions);
}

#[test]
fn neighbors_are_written_along_in_one_run_with_the_write() {
    let (_, mut pool) = restless(3, 0);
    let volume = pool.create(50).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 10, 2, 2).unwrap();
    assert_eq!(pool.stats().relocated_blocks, 6);
    let mut whole = Vec::new();
    let around = LbaRange::new(Lba(7), 8);
    pool.runs(volume, around, &mut |run| whole.push(run)).unwrap();
    assert_eq!(whole.len(), 1, "{whole:?}");
    holds(&pool, volume, 0, 10, 1);
    holds(&pool, volume, 10, 2, 2);
    holds(&pool, volume, 12, 28, 1);
    sound(&pool);
}

/// Fail every read of the data block on which `at` lies.
fn spoil(device: &Device, pool: &Pool, dev: DevId, at: u64) {
    let mut on = None;
    pool.runs(dev, LbaRange::new(Lba(at), 1), &mut |run| on = run.on).unwrap();
    let there = Extent::new(on.unwrap(), 1);
    device.set_script(&[Fault::forever(FaultKind::ReadError, 0).within(there)]);
}

#[test]
fn a_neighbor_that_cannot_be_read_keeps_no_write_from_its_place() {
    let (device, mut pool) = restless(3, 0);
    let volume = pool.create(50).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.flush().unwrap();
    spoil(&device, &pool, volume, 12);
    put(&mut pool, volume, 10, 2, 2).unwrap();
    pool.flush().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 0);
    holds(&pool, volume, 10, 2, 2);
    assert!(
        matches!(pool.read(volume, 12 * BLOCK, &mut [0; 4096]), Err(Error::Io { .. })),
        "a reader is told"
    );
    device.set_script(&[]);
    holds(&pool, volume, 12, 28, 1);
    sound(&pool);
}

#[test]
fn what_cannot_be_read_is_not_copied_and_the_commit_goes_on() {
    let (device, mut pool) = restless(0, 100);
    let versions = scattered(&mut pool);
    spoil(&device, &pool, versions.0, 9);
    pool.flush().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 0);
    device.set_script(&[]);
    holds_what_was_written(&pool, versions);
}

#[test]
fn copies_leave_a_nearly_full_pool_alone_and_come_when_there_is_space() {
    let (_, mut pool) = restless(0, 1000);
    let filler = pool.create(DATA).unwrap();
    put(&mut pool, filler, 0, DATA - 100, 9).unwrap();
    pool.flush().unwrap();
    let versions = scattered(&mut pool);
    pool.settle().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 0, "50 blocks are free, and a 16th of 400 stays so");
    pool.delete(filler).unwrap();
    pool.settle().unwrap();
    put(&mut pool, versions.0, 0, 1, 2).unwrap();
    pool.flush().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 40, "a write brings the wish back");
    holds_what_was_written(&pool, versions);
}

/// A pool over a scheme with eight slots a node, so set.
fn over(scheme: &str, settings: &[(&str, Setting)]) -> (Device, Pool) {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + DATA), &[]));
    let registry = Registry::standard();
    let mut spec = registry.spec("bitmap", scheme).unwrap();
    for (name, setting) in [("fanout", Setting::Integer(8))].into_iter().chain(settings.iter().cloned()) {
        spec.scheme.settings = spec.scheme.settings.with(name, setting);
    }
    let pool = Pool::format(device.clone(), registry.parts(&spec).unwrap(), metadata(400)).unwrap();
    (device, pool)
}

/// The same over copy-on-abundant-write in units of 16 blocks.
fn abundant(settings: &[(&str, Setting)]) -> (Device, Pool) {
    over("caw", &[&[("unit_blocks", Setting::Integer(16))], settings].concat())
}

#[test]
fn an_idle_flush_spends_its_budgets_once() {
    let (_, mut pool) = restless(0, 1);
    let volumes: Vec<_> = (0..3).map(|_| scattered(&mut pool).0).collect();
    let in_order = |pool: &Pool| volumes.iter().filter(|dev| runs(pool, **dev).len() == 1).count();
    pool.flush().unwrap();
    assert_eq!(in_order(&pool), 1, "one wish a commit");
    pool.flush().unwrap();
    assert_eq!(in_order(&pool), 2, "and one for a flush that has nothing else to do");
}

#[test]
fn a_home_that_is_free_only_after_the_commit_is_asked_for_again() {
    let (_, mut pool) = abundant(&[("fold", Setting::Switch(true))]);
    let volume = pool.create(16).unwrap();
    put(&mut pool, volume, 0, 16, 1).unwrap();
    pool.flush().unwrap();
    assert_eq!(runs(&pool, volume).len(), 1);
    put(&mut pool, volume, 5, 2, 2).unwrap();
    pool.flush().unwrap();
    assert!(runs(&pool, volume).len() > 1, "what the epoch let go of is not free in it");
    pool.flush().unwrap();
    assert_eq!(runs(&pool, volume).len(), 1, "but after it");
    assert_eq!(pool.stats().relocated_blocks, 2);
    holds(&pool, volume, 5, 2, 2);
    holds(&pool, volume, 7, 9, 1);
    sound(&pool);
}

#[test]
fn what_reads_have_paid_for_is_copied_with_the_next_commit() {
    let (device, mut pool) = abundant(&[("theta", Setting::Real(2.0)), ("read_seeks", Setting::Integer(4))]);
    let volume = pool.create(32).unwrap();
    put(&mut pool, volume, 0, 32, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 5, 1, 2).unwrap();
    pool.flush().unwrap();
    let scan = |pool: &Pool, dev| pool.read(dev, 0, &mut [0; 32 * BLOCK as usize]).unwrap();
    (0..9).for_each(|_| scan(&pool, snapshot));
    scan(&pool, volume);
    pool.flush().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 0, "two seeks so far");
    scan(&pool, volume);
    assert!(runs(&pool, volume).len() > 2);
    pool.flush().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 16, "the unit that was read apart");
    drop(pool);
    let registry = Registry::standard();
    let parts = |text: &str| Ok(registry.parts_of(text).unwrap());
    let pool = Pool::open(device, metadata(400), &parts).unwrap();
    assert!(runs(&pool, volume).len() <= 2, "a unit, and another");
    holds(&pool, volume, 0, 5, 1);
    holds(&pool, volume, 5, 1, 2);
    holds(&pool, volume, 6, 26, 1);
    holds(&pool, snapshot, 0, 32, 1);
    sound(&pool);
}

/// A pool over layers with a clone of a snapshot of 40 blocks, of which it overwrote 10 and discarded 10.
fn layered() -> (Pool, [DevId; 3]) {
    let (_, mut pool) = over("chain", &[]);
    let volume = pool.create(50).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    let clone = pool.clone_of(snapshot).unwrap();
    put(&mut pool, clone, 5, 10, 2).unwrap();
    pool.discard(clone, 20 * BLOCK, 10 * BLOCK).unwrap();
    (pool, [volume, snapshot, clone])
}

#[track_caller]
fn holds_its_own(pool: &Pool, clone: DevId) {
    holds(pool, clone, 0, 5, 1);
    holds(pool, clone, 5, 10, 2);
    holds(pool, clone, 15, 5, 1);
    holds(pool, clone, 20, 10, 0);
    holds(pool, clone, 30, 10, 1);
    sound(pool);
}

#[test]
fn a_clone_that_detaches_needs_its_origin_no_more() {
    let (mut pool, [volume, snapshot, clone]) = layered();
    pool.detach(clone).unwrap();
    pool.settle().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 20);
    assert_eq!(pool.usage(clone).unwrap().shared_blocks, 0);
    holds_its_own(&pool, clone);
    pool.delete(snapshot).unwrap();
    pool.delete(volume).unwrap();
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks, DATA - 30);
    holds_its_own(&pool, clone);
}

#[test]
fn a_detach_waits_for_space_and_takes_what_there_is_in_pieces() {
    let (mut pool, [.., clone]) = layered();
    let filler = pool.create(DATA).unwrap();
    put(&mut pool, filler, 0, DATA - 60, 9).unwrap();
    pool.flush().unwrap();
    pool.detach(clone).unwrap();
    assert!(matches!(pool.settle(), Err(Error::NoPages { .. })), "10 blocks are free");
    assert_eq!(pool.stats().relocated_blocks, 0);
    holds_its_own(&pool, clone);
    for at in (0..DATA - 60).step_by(2) {
        pool.discard(filler, at * BLOCK, BLOCK).unwrap();
    }
    pool.settle().unwrap();
    assert_eq!(pool.stats().relocated_blocks, 20, "block by block");
    assert_eq!(pool.usage(clone).unwrap().shared_blocks, 0);
    holds_its_own(&pool, clone);
}

#[test]
fn a_scheme_that_cannot_detach_says_so_and_the_pool_goes_on() {
    let (_, mut pool) = over("refcount", &[]);
    let volume = pool.create(50).unwrap();
    assert!(matches!(pool.detach(volume), Err(Error::Unsupported(_))));
    put(&mut pool, volume, 0, 1, 1).unwrap();
    let (mut pool, [_, snapshot, _]) = layered();
    assert_eq!(pool.detach(snapshot), Err(Error::ReadOnly(snapshot)));
    pool.flush().unwrap();
    sound(&pool);
}
