//! Deletes over the flat scheme, whose versions are as large on pages as their volume: they must not need what is full.

use crate::bench::{BLOCK, holds, metadata, parts, put, sound};
use spinney_core::{DevId, Error};
use spinney_device::MemoryDevice;
use spinney_snap_flat::Flat;
use spinney_volume::{Parts, Pool};
use std::sync::Arc;

const VOLUME_BLOCKS: u64 = 20_000;
const METADATA_BLOCKS: u64 = 400;
const DATA_BLOCKS: u64 = VOLUME_BLOCKS + 500;

/// A full volume with snapshots, one more of which is refused for want of pages.
fn full_of_metadata() -> (Pool, DevId, Vec<DevId>) {
    let device = Arc::new(MemoryDevice::new(16 + METADATA_BLOCKS + DATA_BLOCKS));
    let parts = Parts { scheme: Box::new(Flat::new()), ..parts() };
    let mut pool = Pool::format(device, parts, metadata(METADATA_BLOCKS)).unwrap();
    let volume = pool.create(VOLUME_BLOCKS).unwrap();
    for at in (0..VOLUME_BLOCKS).step_by(500) {
        put(&mut pool, volume, at, 500, 1).unwrap();
    }
    let mut snapshots = Vec::new();
    loop {
        match pool.snapshot(volume) {
            Ok(snapshot) => snapshots.push(snapshot),
            Err(Error::NoPages { .. }) => break,
            Err(error) => panic!("{error}"),
        }
        put(&mut pool, volume, 7 * snapshots.len() as u64, 1, 2).unwrap();
    }
    assert!(snapshots.len() >= 2, "{} snapshots fit", snapshots.len());
    (pool, volume, snapshots)
}

fn is_empty(mut pool: Pool) {
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks, DATA_BLOCKS);
    sound(&pool);
}

#[test]
fn every_version_can_be_deleted_when_metadata_is_full() {
    let (mut pool, volume, mut snapshots) = full_of_metadata();
    snapshots.insert(1, volume);
    for dev in snapshots {
        pool.delete(dev).unwrap();
    }
    is_empty(pool);
}

#[test]
fn every_version_can_be_deleted_when_metadata_is_full_the_youngest_first() {
    let (mut pool, volume, snapshots) = full_of_metadata();
    for dev in snapshots.into_iter().rev().chain([volume]) {
        pool.delete(dev).unwrap();
        pool.flush().unwrap();
    }
    is_empty(pool);
}

#[test]
fn what_is_left_is_whole_and_is_snapshotted_again_after_a_delete() {
    let (mut pool, volume, snapshots) = full_of_metadata();
    pool.delete(snapshots[0]).unwrap();
    pool.snapshot(volume).unwrap();
    holds(&pool, snapshots[1], 1000, 10, 1);
    holds(&pool, volume, 7, 1, 2);
    pool.discard(volume, 0, VOLUME_BLOCKS * BLOCK).unwrap();
    holds(&pool, snapshots[1], 7, 1, 2);
    sound(&pool);
}
