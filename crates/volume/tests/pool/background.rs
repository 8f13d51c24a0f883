//! What a flush waits for while there is background work.
//!
//! Invariant: waits are the page store's count of requests, so a test needs no clock.

use crate::bench::{metadata, parts, put, sound};
use spinney_core::{DevId, PageKind};
use spinney_device::MemoryDevice;
use spinney_volume::{Pool, PoolOptions};
use std::sync::Arc;

const BLOCKS: u64 = 2_000;

/// A deleted volume of 250 leaves, nothing of which is in memory, beside one that lives.
fn deleted(tend_budget: u64) -> (Pool, DevId) {
    let device = Arc::new(MemoryDevice::new(16 + 1_500 + BLOCKS + 100));
    let options = PoolOptions { tend_budget, cache_pages: 2_000, ..metadata(1_500) };
    let mut pool = Pool::format(device, parts(), options).unwrap();
    let (volume, other) = (pool.create(BLOCKS).unwrap(), pool.create(100).unwrap());
    put(&mut pool, volume, 0, BLOCKS, 1).unwrap();
    pool.flush().unwrap();
    pool.delete(volume).unwrap();
    pool.drop_caches();
    (pool, other)
}

#[test]
fn a_flush_waits_for_a_few_cold_pages_and_no_more() {
    let (mut pool, other) = deleted(4_096);
    let mut flushes = 0;
    while flushes == 0 || pool.work_left() > 0 {
        put(&mut pool, other, flushes % 100, 1, 2).unwrap();
        let (before, left) = (pool.page_stats().waits, pool.work_left());
        pool.flush().unwrap();
        let waits = pool.page_stats().waits - before;
        assert!(waits <= 2 * 4_096 / 512, "flush {flushes} waited {waits} times");
        assert!(pool.work_left() < left, "flush {flushes} did nothing");
        flushes += 1;
    }
    assert!((4..40).contains(&flushes), "{flushes} flushes");
    pool.flush().unwrap();
    assert_eq!(pool.space().free_blocks + flushes.min(100), BLOCKS + 100);
    sound(&pool);
}

#[test]
fn what_is_in_memory_is_worked_at_to_the_end_of_the_budget() {
    let (mut pool, _) = deleted(4_096);
    assert!(pool.check(false).unwrap().is_sound(), "and it reads every page");
    pool.flush().unwrap();
    assert_eq!(pool.work_left(), 0);
}

#[test]
fn a_delete_waits_once_for_eight_leaves() {
    let (mut pool, _) = deleted(4_096);
    let before = pool.page_stats();
    pool.tend(100_000).unwrap();
    let after = pool.page_stats();
    let (waits, nodes) = (after.waits - before.waits, (after.read - before.read)[PageKind::TREE]);
    assert_eq!((pool.work_left(), nodes), (0, 250 + 32 + 4 + 1));
    assert!(waits < nodes / 3, "{waits} waits for {nodes} nodes");
}

#[test]
fn a_write_that_needs_the_space_does_not_wait_for_many_flushes() {
    let (mut pool, other) = deleted(512);
    let big = pool.create(BLOCKS).unwrap();
    put(&mut pool, big, 0, BLOCKS, 3).unwrap();
    put(&mut pool, other, 0, 90, 2).unwrap();
    sound(&pool);
}
