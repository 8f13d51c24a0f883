//! Readers of a committed epoch: what they see stays, whatever the pool does meanwhile, and costs space until they leave.

use crate::bench::*;
use spinney_core::{BLOCK_BYTES, DevId, Error};
use spinney_device::MemoryDevice;
use spinney_volume::{ChecksumKind, Pool, PoolOptions, Reader};
use std::sync::Arc;

fn get_as_of(pool: &Pool, reader: &Reader, dev: DevId, at: u64) -> Vec<u8> {
    let mut block = vec![0xEE; BLOCK_BYTES];
    pool.read_as_of(reader, dev, at * BLOCK, &mut block).unwrap();
    block
}

#[test]
fn a_reader_sees_its_epoch_through_more_commits_than_the_pool_has_blocks() {
    let (_, mut pool) = pool_of(300);
    let dev = pool.create(20).unwrap();
    put(&mut pool, dev, 0, 20, 1).unwrap();
    pool.flush().unwrap();
    let reader = pool.reader();
    for stamp in 2..400 {
        // A block each commit, and no more space than the reader leaves.
        put(&mut pool, dev, stamp % 20, 1, stamp).unwrap();
        pool.flush().unwrap();
        let at = stamp % 20;
        assert_eq!(get_as_of(&pool, &reader, dev, at), stamped(1, at), "stamp {stamp}");
        if pool.space().free_blocks < 10 {
            break;
        }
    }
    assert!((0..20).all(|at| get_as_of(&pool, &reader, dev, at) == stamped(1, at)));
    assert!(pool.check(true).unwrap().is_sound());
}

#[test]
fn a_stalled_reader_costs_what_each_commit_frees_until_it_leaves() {
    let (_, mut pool) = pool_of(300);
    let dev = pool.create(20).unwrap();
    put(&mut pool, dev, 0, 20, 1).unwrap();
    pool.flush().unwrap();
    let reader = pool.reader();
    let mut waiting = Vec::new();
    for stamp in 2..8 {
        put(&mut pool, dev, 0, 5, stamp).unwrap();
        pool.flush().unwrap();
        waiting.push(pool.space().deferred_blocks);
    }
    assert_eq!(waiting, [5, 10, 15, 20, 25, 30]);
    let refused = (0..100).find_map(|stamp| put(&mut pool, dev, 0, 20, 100 + stamp).err());
    assert!(matches!(refused, Some(Error::NoSpace { .. })), "{refused:?}");
    drop(reader);
    put(&mut pool, dev, 0, 20, 9).unwrap();
    pool.flush().unwrap();
    put(&mut pool, dev, 0, 20, 10).unwrap();
    pool.settle().unwrap();
    assert_eq!((pool.space().free_blocks, pool.space().deferred_blocks), (280, 0));
}

#[test]
fn nothing_that_a_reader_reaches_is_overwritten_in_place() {
    let options = PoolOptions { in_place: true, checksums: ChecksumKind::None, ..metadata(400) };
    let device = Arc::new(MemoryDevice::new(16 + 400 + 100));
    let mut pool = Pool::format(device, parts_that(true), options).unwrap();
    let dev = pool.create(20).unwrap();
    put(&mut pool, dev, 0, 20, 1).unwrap();
    pool.flush().unwrap();
    let reader = pool.reader();
    put(&mut pool, dev, 3, 4, 2).unwrap();
    pool.flush().unwrap();
    put(&mut pool, dev, 3, 4, 3).unwrap();
    assert!((0..20).all(|at| get_as_of(&pool, &reader, dev, at) == stamped(1, at)));
    drop(reader);
    let before = pool.space().free_blocks;
    pool.flush().unwrap();
    put(&mut pool, dev, 3, 4, 4).unwrap();
    pool.settle().unwrap();
    assert!(pool.space().free_blocks >= before);
    assert_eq!(get(&pool, dev, 4).unwrap(), stamped(4, 4));
}
