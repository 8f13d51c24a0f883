//! Full pools: refused cleanly, and always a way back.

use crate::bench::{BLOCK, holds, metadata, parts, parts_that, pool_of, put, sound};
use spinney_core::Error;
use spinney_device::MemoryDevice;
use spinney_volume::{ChecksumKind, Pool, PoolOptions};
use std::sync::Arc;

#[test]
fn a_full_pool_refuses_a_write_and_nothing_changed() {
    let (_, mut pool) = pool_of(50);
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 48, 1).unwrap();
    pool.flush().unwrap();
    let before = pool.space();
    let refused = put(&mut pool, volume, 45, 5, 2);
    assert_eq!(refused, Err(Error::NoSpace { needed: 5, free: 2 }));
    let after = pool.space();
    assert_eq!(
        (before.free_blocks, before.deferred_blocks, 0),
        (after.free_blocks, after.deferred_blocks, after.reserved_blocks)
    );
    holds(&pool, volume, 0, 48, 1);
    holds(&pool, volume, 48, 12, 0);
    put(&mut pool, volume, 48, 2, 3).unwrap();
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn a_full_pool_can_delete_and_is_written_again() {
    let (_, mut pool) = pool_of(50);
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 50, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    assert!(matches!(put(&mut pool, volume, 0, 1, 2), Err(Error::NoSpace { .. })));
    pool.discard(volume, 0, 50 * BLOCK).unwrap();
    assert!(matches!(put(&mut pool, volume, 0, 1, 2), Err(Error::NoSpace { .. })), "the snapshot holds all");
    holds(&pool, snapshot, 0, 50, 1);
    pool.delete(snapshot).unwrap();
    put(&mut pool, volume, 0, 50, 3).unwrap();
    holds(&pool, volume, 0, 50, 3);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn a_full_pool_takes_overwrites_again_after_a_discard() {
    let (_, mut pool) = pool_of(50);
    let volume = pool.create(50).unwrap();
    put(&mut pool, volume, 0, 50, 1).unwrap();
    pool.discard(volume, 10 * BLOCK, 10 * BLOCK).unwrap();
    put(&mut pool, volume, 30, 10, 2).unwrap();
    holds(&pool, volume, 10, 10, 0);
    holds(&pool, volume, 30, 10, 2);
}

/// Fill a tiny metadata area with scattered writes under snapshots, until it refuses both.
fn full_of_metadata() -> (Pool, Vec<spinney_core::DevId>, spinney_core::DevId) {
    let device = Arc::new(MemoryDevice::new(16 + 160 + 2000));
    let mut pool = Pool::format(device, parts(), metadata(160)).unwrap();
    let volume = pool.create(4000).unwrap();
    let mut snapshots = Vec::new();
    for round in 0..10_000 {
        let written = put(&mut pool, volume, round * 97 % 4000, 1, round + 1);
        let taken = pool.snapshot(volume);
        match (written, taken) {
            (written, Ok(snapshot)) => {
                assert!(matches!(written, Ok(()) | Err(Error::NoPages { .. })), "{written:?}");
                snapshots.push(snapshot);
            }
            (Err(Error::NoPages { .. }), Err(Error::NoPages { .. })) => return (pool, snapshots, volume),
            (written, taken) => assert!(
                matches!(written, Ok(()) | Err(Error::NoPages { .. }))
                    && matches!(taken, Err(Error::NoPages { .. })),
                "{written:?} {taken:?}"
            ),
        }
    }
    panic!("a metadata area of 160 blocks never filled");
}

#[test]
fn a_full_metadata_area_refuses_and_stays_sound() {
    let (mut pool, snapshots, volume) = full_of_metadata();
    assert!(!snapshots.is_empty());
    assert!(pool.space().free_blocks > 100, "data must not be what ran out");
    let listed = pool.versions().unwrap();
    assert!(matches!(put(&mut pool, volume, 3999, 1, 9), Err(Error::NoPages { .. })));
    assert!(matches!(pool.snapshot(volume), Err(Error::NoPages { .. })));
    assert_eq!(pool.versions().unwrap(), listed);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn a_full_metadata_area_lets_versions_be_deleted_and_is_written_again() {
    let (mut pool, snapshots, volume) = full_of_metadata();
    for snapshot in snapshots {
        pool.delete(snapshot).unwrap();
    }
    put(&mut pool, volume, 3999, 1, 9).unwrap();
    holds(&pool, volume, 3999, 1, 9);
    pool.snapshot(volume).unwrap();
    pool.settle().unwrap();
    sound(&pool);
}

#[test]
fn a_full_metadata_area_can_be_emptied_and_gives_all_data_back() {
    let (mut pool, snapshots, volume) = full_of_metadata();
    pool.delete(volume).unwrap();
    for snapshot in snapshots.into_iter().rev() {
        pool.delete(snapshot).unwrap();
    }
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks, 2000);
    sound(&pool);
}

#[test]
fn discards_on_a_full_metadata_area_never_use_up_what_a_delete_needs() {
    let (mut pool, snapshots, volume) = full_of_metadata();
    pool.discard(volume, 97 * BLOCK, BLOCK).unwrap();
    holds(&pool, volume, 97, 1, 0);
    let rest = pool.discard(volume, 0, 4000 * BLOCK);
    assert!(matches!(rest, Ok(()) | Err(Error::NoPages { .. })), "{rest:?}");
    for snapshot in snapshots {
        pool.delete(snapshot).unwrap();
    }
    pool.discard(volume, 0, 4000 * BLOCK).unwrap();
    holds(&pool, volume, 0, 4000, 0);
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks, 2000);
    sound(&pool);
}

#[test]
fn a_device_too_small_for_its_metadata_is_refused() {
    for blocks in [0, 1, 16, 17, 16 + 192] {
        let device = Arc::new(MemoryDevice::new(blocks));
        let refused = Pool::format(device, parts(), PoolOptions::default()).err();
        assert!(matches!(refused, Some(Error::NoSpace { .. })), "{blocks} blocks: {refused:?}");
    }
    let device = Arc::new(MemoryDevice::new(1000));
    let refused = Pool::format(device, parts(), metadata(u64::MAX)).err();
    assert!(matches!(refused, Some(Error::NoSpace { .. })), "{refused:?}");
}

#[test]
fn a_metadata_area_of_a_few_blocks_is_refused_or_works() {
    let mut refused = 0;
    for blocks in 0..60 {
        let device = Arc::new(MemoryDevice::new(400));
        let Ok(mut pool) = Pool::format(device, parts(), metadata(blocks)) else {
            refused += 1;
            continue;
        };
        let done = pool.create(8).and_then(|volume| put(&mut pool, volume, 0, 8, 1));
        assert!(matches!(done, Ok(()) | Err(Error::NoPages { .. })), "{blocks}: {done:?}");
        pool.flush().unwrap();
        sound(&pool);
    }
    assert!((2..60).contains(&refused), "{refused} sizes were refused");
}

#[test]
fn a_full_pool_still_takes_overwrites_that_are_done_in_place() {
    let device = Arc::new(MemoryDevice::new(16 + 400 + 50));
    let options = PoolOptions { checksums: ChecksumKind::None, in_place: true, ..metadata(400) };
    let mut pool = Pool::format(device, parts_that(true), options).unwrap();
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 50, 1).unwrap();
    // Not durable yet: a commit must come first, since a cut would bring back what these blocks held before.
    put(&mut pool, volume, 0, 20, 2).unwrap();
    put(&mut pool, volume, 10, 40, 3).unwrap();
    assert_eq!(pool.space().free_blocks, 0);
    assert!(matches!(put(&mut pool, volume, 50, 1, 4), Err(Error::NoSpace { .. })), "a hole needs a block");
    assert!(matches!(put(&mut pool, volume, 45, 10, 4), Err(Error::NoSpace { .. })));
    let snapshot = pool.snapshot(volume).unwrap();
    assert!(matches!(put(&mut pool, volume, 0, 1, 4), Err(Error::NoSpace { .. })), "the snapshot shares all");
    holds(&pool, snapshot, 0, 10, 2);
    holds(&pool, volume, 10, 40, 3);
    pool.delete(snapshot).unwrap();
    put(&mut pool, volume, 0, 50, 5).unwrap();
    holds(&pool, volume, 0, 50, 5);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn flushes_alone_give_a_deleted_volume_back() {
    let device = Arc::new(MemoryDevice::new(16 + 400 + 300));
    let options = PoolOptions { tend_budget: 16, ..metadata(400) };
    let mut pool = Pool::format(device, parts(), options).unwrap();
    let volume = pool.create(200).unwrap();
    put(&mut pool, volume, 0, 200, 1).unwrap();
    pool.flush().unwrap();
    pool.delete(volume).unwrap();
    for _ in 0..200 / 8 {
        pool.flush().unwrap();
    }
    assert_eq!(pool.space().free_blocks, 300);
    let epoch = pool.epoch();
    pool.flush().unwrap();
    assert_eq!(pool.epoch(), epoch, "nothing is left to do");
    sound(&pool);
}
