//! Metadata that grows from the data's blocks and shrinks again.
//!
//! Invariant: while a block is free no request fails for want of pages, and what metadata took comes back.

use crate::bench::{BLOCK, holds, open, parts, put, sound};
use spinney_core::{DevId, Error};
use spinney_device::MemoryDevice;
use spinney_volume::{Placement, Pool, PoolOptions};
use std::sync::Arc;

fn options(metadata: u64) -> PoolOptions {
    let metadata_blocks = Some(metadata);
    PoolOptions { metadata_blocks, placement: Placement::Segments, cache_pages: 64, ..PoolOptions::default() }
}

fn pool_of(metadata: u64, data: u64) -> (Arc<MemoryDevice>, Pool) {
    let device = Arc::new(MemoryDevice::new(16 + metadata + data));
    let pool = Pool::format(device.clone(), parts(), options(metadata)).unwrap();
    (device, pool)
}

/// Scattered writes under snapshots, which cost pages, until the pool refuses; the last volume, the snapshots and the refusal.
fn fill(pool: &mut Pool) -> (DevId, Vec<DevId>, Error) {
    let volume = pool.create(100_000).unwrap();
    let mut snapshots = Vec::new();
    for stamp in 1.. {
        for at in 0..20 {
            if let Err(refused) = put(pool, volume, at * 4_001 + stamp, 1, stamp) {
                return (volume, snapshots, refused);
            }
        }
        match pool.snapshot(volume) {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(refused) => return (volume, snapshots, refused),
        }
    }
    unreachable!("every pool fills up")
}

#[test]
fn a_pool_ends_for_want_of_blocks_and_not_of_pages() {
    let (device, mut pool) = pool_of(160, 3_000);
    let (volume, snapshots, refused) = fill(&mut pool);
    let space = pool.space();
    assert!(pool.metadata_blocks() > 800, "{} blocks of metadata", pool.metadata_blocks());
    assert!(
        space.free_blocks - space.reserved_blocks < 8,
        "{refused} with {} blocks free",
        space.free_blocks
    );
    pool.flush().unwrap();
    sound(&pool);
    let segments = pool.segments().to_vec();
    drop(pool);
    let mut pool = open(device).unwrap();
    assert_eq!(pool.segments(), segments, "the reopened pool has the same area");
    holds(&pool, snapshots[0], 1, 1, 1);
    sound(&pool);
    snapshots.into_iter().for_each(|snapshot| pool.delete(snapshot).unwrap());
    pool.discard(volume, 0, 100_000 * BLOCK).unwrap();
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn what_metadata_took_comes_back_when_it_is_empty() {
    let (device, mut pool) = pool_of(160, 4_000);
    let (volume, snapshots, _) = fill(&mut pool);
    let grown = pool.metadata_blocks();
    snapshots.into_iter().for_each(|snapshot| pool.delete(snapshot).unwrap());
    pool.delete(volume).unwrap();
    for _ in 0..200 {
        let other = pool.create(10).unwrap();
        pool.flush().unwrap();
        pool.delete(other).unwrap();
        pool.flush().unwrap();
    }
    assert!(pool.metadata_blocks() < grown / 2, "{} of {grown} blocks are left", pool.metadata_blocks());
    sound(&pool);
    let left = pool.metadata_blocks();
    drop(pool);
    let pool = open(device).unwrap();
    assert_eq!(pool.metadata_blocks(), left);
    sound(&pool);
}

#[test]
fn metadata_grows_by_single_blocks_when_no_run_is_left() {
    let (device, mut pool) = pool_of(160, 3_000);
    let (even, odd) = (pool.create(2_000).unwrap(), pool.create(2_000).unwrap());
    // Each write takes the next block: the two volumes lie like the squares of a chessboard.
    for at in 0..1_180 {
        put(&mut pool, even, at, 1, 1).unwrap();
        put(&mut pool, odd, at, 1, 2).unwrap();
    }
    let rest = pool.space().free_blocks;
    let filler = pool.create(2_000).unwrap();
    put(&mut pool, filler, 0, rest.saturating_sub(40), 3).unwrap();
    pool.flush().unwrap();
    pool.delete(odd).unwrap();
    pool.flush().unwrap();
    let before = pool.segments().len();
    let (_, _, refused) = fill(&mut pool);
    pool.flush().unwrap();
    let single = pool.segments().iter().filter(|run| run.blocks == 1).count();
    assert!(single > 253, "{single} single blocks, {before} segments before");
    assert!(pool.space().free_blocks < 8, "{refused} with {} blocks free", pool.space().free_blocks);
    sound(&pool);
    drop(pool);
    sound(&open(device).unwrap());
}

#[test]
fn an_area_of_fixed_size_stays_and_refuses() {
    let device = Arc::new(MemoryDevice::new(16 + 160 + 3_000));
    let fixed = PoolOptions { placement: Placement::Area, ..options(160) };
    let mut pool = Pool::format(device, parts(), fixed).unwrap();
    let (_, _, refused) = fill(&mut pool);
    assert!(matches!(refused, Error::NoPages { .. }), "{refused}");
    assert_eq!((pool.metadata_blocks(), pool.segments().len()), (160, 0));
}
