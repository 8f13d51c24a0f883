//! Who maps a block: answers after writes, snapshots, clones, discards and deletes, over commits and openings.

use crate::bench::{BLOCK, parts, put, sound};
use spinney_backref::{BackrefOptions, Owner};
use spinney_core::{DevId, Error, Extent, Lba, LbaRange, Pba};
use spinney_device::MemoryDevice;
use spinney_testkit::Dice;
use spinney_volume::{Pool, PoolOptions};
use std::sync::Arc;

fn options(compact_commits: u64) -> PoolOptions {
    let kept = BackrefOptions { compact_commits, ..BackrefOptions::default() };
    PoolOptions { metadata_blocks: Some(600), back_references: Some(kept), ..PoolOptions::default() }
}

fn pool_with(options: PoolOptions) -> (Arc<MemoryDevice>, Pool) {
    let device = Arc::new(MemoryDevice::new(16 + 600 + 1000));
    let pool = Pool::format(device.clone(), parts(), options).unwrap();
    (device, pool)
}

/// Where a block of a version lies.
fn place(pool: &Pool, dev: DevId, at: u64) -> Pba {
    let mut on = None;
    let range = LbaRange::new(Lba(at), 1);
    pool.scheme().lookup(dev, range, pool.pages(), &mut |run| on = run.on).unwrap();
    on.unwrap()
}

fn owners(pool: &Pool, on: Pba) -> Vec<(DevId, u64)> {
    let mut owners = Vec::new();
    let each = &mut |owner: Owner| owners.push((owner.dev, owner.at.0));
    pool.owners(Extent::new(on, 1), each).unwrap();
    owners
}

#[test]
fn every_version_that_maps_a_block_owns_it() {
    let (device, mut pool) = pool_with(options(100));
    let volume = pool.create(100).unwrap();
    put(&mut pool, volume, 0, 20, 1).unwrap();
    let (first, second) = (place(&pool, volume, 3), place(&pool, volume, 4));
    assert_eq!(owners(&pool, first), [(volume, 3)], "before any commit");
    let snapshot = pool.snapshot(volume).unwrap();
    let clone = pool.clone_of(snapshot).unwrap();
    put(&mut pool, volume, 3, 1, 2).unwrap();
    pool.discard(clone, 4 * BLOCK, BLOCK).unwrap();
    pool.flush().unwrap();
    drop(pool);
    let mut pool = crate::bench::open(device).unwrap();
    assert_eq!(owners(&pool, first), [(snapshot, 3), (clone, 3)]);
    assert_eq!(owners(&pool, second), [(volume, 4), (snapshot, 4)]);
    pool.delete(snapshot).unwrap();
    assert_eq!(owners(&pool, first), [(clone, 3)], "a clone keeps what it inherited");
    sound(&pool);
}

#[test]
fn answers_hold_over_random_lives() {
    for seed in 0..6 {
        let (_, mut pool) = pool_with(options(4));
        let mut dice = Dice::new("owners", seed);
        let mut devs = vec![pool.create(60).unwrap()];
        for stamp in 1..120 {
            let dev = devs[dice.below(devs.len() as u64) as usize];
            let at = dice.below(50);
            let _refused = match dice.below(12) {
                0 => pool.snapshot(dev).map(|made| devs.push(made)),
                1 => pool.clone_of(dev).map(|made| devs.push(made)),
                2 if devs.len() > 1 => {
                    devs.retain(|other| *other != dev);
                    pool.delete(dev)
                }
                3 => pool.discard(dev, at * BLOCK, 5 * BLOCK),
                4 => pool.flush(),
                _ => put(&mut pool, dev, at, 1 + dice.below(10), stamp),
            };
            if stamp % 20 == 0 {
                sound(&pool); // the checker walks all maps
            }
        }
    }
}

#[test]
fn a_snapshot_and_a_clone_write_no_reference() {
    for (inherit, written) in [(true, 0), (false, 50)] {
        let kept = BackrefOptions { inherit, ..BackrefOptions::default() };
        let (_, mut pool) = pool_with(PoolOptions { back_references: Some(kept), ..options(0) });
        let volume = pool.create(100).unwrap();
        put(&mut pool, volume, 0, 50, 1).unwrap();
        pool.flush().unwrap();
        let before = pool.back_references().unwrap().stats().records_written;
        pool.snapshot(volume).unwrap();
        pool.clone_of(volume).unwrap();
        pool.flush().unwrap();
        assert_eq!(pool.back_references().unwrap().stats().records_written - before, written);
        sound(&pool);
    }
}

#[test]
fn what_lives_for_less_than_a_commit_is_never_written() {
    let (_, mut pool) = pool_with(options(0));
    let volume = pool.create(10).unwrap();
    (1..=8).for_each(|stamp| put(&mut pool, volume, 0, 10, stamp).unwrap());
    pool.flush().unwrap();
    let stats = pool.back_references().unwrap().stats();
    assert_eq!((stats.block_operations, stats.pruned, stats.records_written), (150, 140, 10));
    sound(&pool);
}

#[test]
fn a_pool_without_back_references_says_so() {
    let (_, pool) = crate::bench::pool_of(64);
    assert!(matches!(pool.owners(Extent::new(Pba(20), 1), &mut |_| ()), Err(Error::Unsupported(_))));
}
