//! What the options change.

use crate::bench::{BLOCK, get, holds, metadata, open, parts, parts_that, pool_of, put, sound};
use spinney_core::{BlockDevice, Error, Lba, LbaRange, Pba};
use spinney_device::MemoryDevice;
use spinney_volume::{ChecksumKind, Parts, Pool, PoolOptions};
use std::sync::Arc;

fn without_checksums(in_place: bool) -> (Arc<MemoryDevice>, Pool) {
    let device = Arc::new(MemoryDevice::new(16 + 400 + 200));
    let options = PoolOptions { checksums: ChecksumKind::None, in_place, ..metadata(400) };
    let pool = Pool::format(device.clone(), parts_that(true), options).unwrap();
    (device, pool)
}

fn place(pool: &Pool, dev: spinney_core::DevId, at: u64) -> Option<Pba> {
    let mut found = None;
    pool.runs(dev, LbaRange::new(Lba(at), 1), &mut |run| found = run.on).unwrap();
    found
}

#[test]
fn without_checksums_wrong_bytes_pass_and_no_table_is_kept() {
    let (device, mut pool) = without_checksums(false);
    let volume = pool.create(60).unwrap();
    let before = pool.page_stats().live[spinney_core::PageKind::CHECKSUM];
    put(&mut pool, volume, 0, 60, 1).unwrap();
    pool.flush().unwrap();
    assert_eq!(pool.page_stats().live[spinney_core::PageKind::CHECKSUM], before);
    let at = place(&pool, volume, 7).unwrap();
    device.write(at, &[9; BLOCK as usize]).unwrap();
    assert_eq!(get(&pool, volume, 7).unwrap(), [9; BLOCK as usize]);
    sound(&pool);
}

#[test]
fn the_kind_of_checksum_is_read_back_from_the_superblock() {
    let (device, mut pool) = without_checksums(false);
    let volume = pool.create(8).unwrap();
    put(&mut pool, volume, 0, 8, 1).unwrap();
    pool.flush().unwrap();
    drop(pool);
    let pool = open(device).unwrap();
    holds(&pool, volume, 0, 8, 1);
    sound(&pool);
}

#[test]
fn in_place_overwrites_what_the_volume_owns_alone() {
    let (_, mut pool) = without_checksums(true);
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.flush().unwrap();
    let (at, free) = (place(&pool, volume, 7), pool.space().free_blocks);
    for stamp in 2..6 {
        put(&mut pool, volume, 5, 10, stamp).unwrap();
        holds(&pool, volume, 5, 10, stamp);
    }
    assert_eq!((place(&pool, volume, 7), pool.space().free_blocks), (at, free));
    holds(&pool, volume, 0, 5, 1);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn in_place_never_overwrites_what_a_snapshot_holds() {
    let (_, mut pool) = without_checksums(true);
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.flush().unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 0, 40, 2).unwrap();
    put(&mut pool, volume, 10, 5, 3).unwrap();
    holds(&pool, snapshot, 0, 40, 1);
    holds(&pool, volume, 0, 10, 2);
    holds(&pool, volume, 10, 5, 3);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn in_place_is_not_done_with_checksums() {
    let device = Arc::new(MemoryDevice::new(16 + 400 + 200));
    let options = PoolOptions { in_place: true, ..metadata(400) };
    let mut pool = Pool::format(device, parts_that(true), options).unwrap();
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.flush().unwrap();
    let at = place(&pool, volume, 7);
    put(&mut pool, volume, 7, 1, 2).unwrap();
    assert_ne!(place(&pool, volume, 7), at);
    holds(&pool, volume, 7, 1, 2);
}

#[test]
fn a_description_comes_back_and_a_long_one_is_refused() {
    let (device, pool) = pool_of(64);
    drop(pool);
    let described = |text: &str| {
        assert_eq!(text, "bitmap, refcount");
        Ok(parts())
    };
    let pool = Pool::open(device.clone(), PoolOptions::default(), &described).unwrap();
    assert_eq!(pool.description(), "bitmap, refcount");
    drop(pool);
    let before = (*device).clone();
    let long = Parts { description: "x".repeat(1025), ..parts() };
    let refused = Pool::format(device.clone(), long, metadata(400)).err();
    assert!(matches!(refused, Some(Error::BadSetting(_))), "{refused:?}");
    assert_eq!(device.first_difference(&before), None, "a refused format touches nothing");
    let longest = Parts { description: "x".repeat(1024), ..parts() };
    Pool::format(device.clone(), longest, metadata(400)).unwrap();
    let pool = Pool::open(device, PoolOptions::default(), &|_| Ok(parts())).unwrap();
    assert_eq!(pool.description().len(), 1024);
}

#[test]
fn an_error_of_the_builder_is_returned() {
    let (device, pool) = pool_of(64);
    drop(pool);
    let refused = Pool::open(device, PoolOptions::default(), &|_| Err(Error::Unsupported("that"))).err();
    assert_eq!(refused, Some(Error::Unsupported("that")));
}

#[test]
fn statistics_count_what_was_written() {
    let (_, mut pool) = pool_of(200);
    let volume = pool.create(60).unwrap();
    let before = pool.stats();
    put(&mut pool, volume, 0, 20, 1).unwrap();
    pool.write(volume, 100, &[1; 10]).unwrap();
    pool.flush().unwrap();
    let stats = pool.stats();
    assert_eq!(stats.user_bytes_written - before.user_bytes_written, 20 * BLOCK + 10);
    assert_eq!(stats.data_blocks_written - before.data_blocks_written, 21);
    assert_eq!(stats.commits - before.commits, 1);
    assert!((1..=2).contains(&(stats.write_runs - before.write_runs)));
}

/// Two holes of 8 blocks and a long tail: in pieces of 8 a write of 16 fills the holes, asked for whole it lies whole.
#[test]
fn the_largest_piece_decides_whether_a_write_is_asked_for_whole() {
    let runs = |piece_blocks| {
        let device = Arc::new(MemoryDevice::new(16 + 400 + 300));
        let mut pool = Pool::format(device, parts(), PoolOptions { piece_blocks, ..metadata(400) }).unwrap();
        let (first, second) = (pool.create(60).unwrap(), pool.create(60).unwrap());
        put(&mut pool, first, 0, 60, 1).unwrap();
        for hole in [10, 30] {
            pool.discard(first, hole * BLOCK, 8 * BLOCK).unwrap();
        }
        pool.flush().unwrap();
        put(&mut pool, second, 0, 16, 2).unwrap();
        holds(&pool, second, 0, 16, 2);
        sound(&pool);
        let mut runs = 0;
        pool.runs(second, LbaRange::new(Lba(0), 16), &mut |_| runs += 1).unwrap();
        runs
    };
    assert_eq!([8, 16, 256].map(runs), [2, 1, 1]);
}
