//! Snapshots, clones, deletes, differences and usage.

use crate::bench::{BLOCK, holds, metadata, parts, pool_of, put, sound};
use spinney_core::{DevId, Error, Lba, LbaRange};
use spinney_device::MemoryDevice;
use spinney_snap::Access;
use spinney_testkit::Dice;
use spinney_volume::{Pool, PoolOptions};
use std::sync::Arc;

#[test]
fn a_snapshot_keeps_its_content_when_the_volume_is_overwritten() {
    let (_, mut pool) = pool_of(128);
    let volume = pool.create(40).unwrap();
    put(&mut pool, volume, 0, 30, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 10, 30, 2).unwrap();
    pool.discard(volume, 0, 5 * BLOCK).unwrap();
    holds(&pool, snapshot, 0, 30, 1);
    holds(&pool, snapshot, 30, 10, 0);
    holds(&pool, volume, 0, 5, 0);
    holds(&pool, volume, 5, 5, 1);
    holds(&pool, volume, 10, 30, 2);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn a_snapshot_cannot_be_written() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(8).unwrap();
    put(&mut pool, volume, 0, 8, 1).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    assert_eq!(pool.write(snapshot, 0, &[1]), Err(Error::ReadOnly(snapshot)));
    assert_eq!(put(&mut pool, snapshot, 0, 1, 2), Err(Error::ReadOnly(snapshot)));
    assert_eq!(pool.discard(snapshot, 0, BLOCK), Err(Error::ReadOnly(snapshot)));
    assert_eq!(pool.zero(snapshot, 0, BLOCK), Err(Error::ReadOnly(snapshot)));
    holds(&pool, snapshot, 0, 8, 1);
}

#[test]
fn a_clone_of_a_clone_goes_its_own_way() {
    let (_, mut pool) = pool_of(128);
    let first = pool.create(16).unwrap();
    put(&mut pool, first, 0, 16, 1).unwrap();
    let second = pool.clone_of(first).unwrap();
    put(&mut pool, second, 4, 4, 2).unwrap();
    let third = pool.clone_of(second).unwrap();
    put(&mut pool, third, 6, 4, 3).unwrap();
    put(&mut pool, first, 0, 1, 4).unwrap();
    holds(&pool, first, 0, 1, 4);
    holds(&pool, first, 1, 15, 1);
    holds(&pool, second, 0, 4, 1);
    holds(&pool, second, 4, 4, 2);
    holds(&pool, third, 0, 4, 1);
    holds(&pool, third, 4, 2, 2);
    holds(&pool, third, 6, 4, 3);
    holds(&pool, third, 10, 6, 1);
}

#[test]
fn settling_drops_what_was_deleted_in_a_pool_that_does_nothing_by_itself() {
    let options = PoolOptions { tend_budget: 0, ..metadata(400) };
    let mut pool = Pool::format(Arc::new(MemoryDevice::new(16 + 400 + 128)), parts(), options).unwrap();
    let volume = pool.create(40).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.delete(volume).unwrap();
    pool.flush().unwrap();
    assert_eq!(pool.space().free_blocks, 88);
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks, 128);
}

#[test]
fn what_deleting_two_snapshots_frees_is_known_before() {
    let (_, mut pool) = pool_of(256);
    let volume = pool.create(40).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    let first = pool.snapshot(volume).unwrap();
    let second = pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 0, 30, 2).unwrap();
    assert_eq!(pool.freed_by_deleting(&[first]), Ok(0));
    assert_eq!(pool.freed_by_deleting(&[first, second, first]), Ok(30));
    pool.settle().unwrap();
    let before = pool.space().free_blocks;
    [first, second].into_iter().for_each(|dev| pool.delete(dev).unwrap());
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks - before, 30);
}

#[test]
fn versions_lists_what_is_alive_with_size_access_and_parent() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(8).unwrap();
    let snapshot = pool.snapshot(volume).unwrap();
    let clone = pool.clone_of(snapshot).unwrap();
    let gone = pool.create(5).unwrap();
    pool.delete(gone).unwrap();
    let listed: Vec<_> = pool
        .versions()
        .unwrap()
        .into_iter()
        .map(|version| (version.dev, version.parent, version.access, version.blocks))
        .collect();
    let wanted = [
        (volume, None, Access::Writable, 8),
        (snapshot, Some(volume), Access::ReadOnly, 8),
        (clone, Some(snapshot), Access::Writable, 8),
    ];
    assert_eq!(listed, wanted);
    assert_eq!(pool.version(gone), Err(Error::NotFound(gone)));
}

#[test]
fn versions_deleted_in_any_order_give_all_space_back() {
    for seed in 0..12 {
        let mut dice = Dice::new("any order", seed);
        let (_, mut pool) = pool_of(300);
        let mut all = family(&mut pool, &mut dice);
        dice.shuffle(&mut all);
        for dev in all {
            pool.delete(dev).unwrap();
            if dice.one_in(2) {
                pool.flush().unwrap();
            }
        }
        pool.settle().unwrap();
        let space = pool.space();
        assert_eq!((space.free_blocks, space.deferred_blocks), (300, 0), "seed {seed}");
        sound(&pool);
    }
}

/// A volume with snapshots, clones and their clones, all written to.
fn family(pool: &mut Pool, dice: &mut Dice) -> Vec<DevId> {
    let first = pool.create(40).unwrap();
    let (mut all, mut writable) = (vec![first], vec![first]);
    for stamp in 1..40 {
        let of = *dice.one_of(&all);
        match dice.below(6) {
            0 if all.len() < 8 => all.push(pool.snapshot(of).unwrap()),
            1 if all.len() < 8 => {
                let clone = pool.clone_of(of).unwrap();
                all.push(clone);
                writable.push(clone);
            }
            _ => {
                let (at, to) = (dice.below(40), *dice.one_of(&writable));
                let blocks = dice.between(1, (40 - at).min(9));
                put(pool, to, at, blocks, stamp).unwrap();
            }
        }
    }
    pool.flush().unwrap();
    all
}

#[test]
fn deleting_a_version_changes_no_other() {
    let (_, mut pool) = pool_of(128);
    let volume = pool.create(16).unwrap();
    put(&mut pool, volume, 0, 16, 1).unwrap();
    let [old, middle] = [2, 3].map(|stamp| {
        let snapshot = pool.snapshot(volume).unwrap();
        put(&mut pool, volume, stamp, 4, stamp).unwrap();
        snapshot
    });
    pool.delete(old).unwrap();
    pool.settle().unwrap();
    holds(&pool, middle, 2, 4, 2);
    holds(&pool, middle, 6, 10, 1);
    pool.delete(volume).unwrap();
    pool.settle().unwrap();
    holds(&pool, middle, 0, 2, 1);
    holds(&pool, middle, 2, 4, 2);
    sound(&pool);
}

#[test]
fn diff_tells_exactly_the_blocks_that_were_written() {
    let (_, mut pool) = pool_of(200);
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    let before = pool.snapshot(volume).unwrap();
    put(&mut pool, volume, 7, 2, 2).unwrap();
    put(&mut pool, volume, 39, 3, 3).unwrap();
    pool.discard(volume, 20 * BLOCK, BLOCK).unwrap();
    let mut found = Vec::new();
    pool.diff(before, volume, LbaRange::new(Lba(0), 60), &mut |delta| {
        found.extend(
            (0..delta.blocks).map(|more| (delta.at.0 + more, delta.old.is_some(), delta.new.is_some())),
        );
    })
    .unwrap();
    let changed = [7, 8, 39].map(|at| (at, true, true));
    let (went, came) = ((20, true, false), [40, 41].map(|at| (at, false, true)));
    let mut wanted = [&changed[..], &[went], &came].concat();
    wanted.sort_unstable();
    assert_eq!(found, wanted);
}

#[test]
fn usage_promises_exactly_what_a_delete_frees() {
    for seed in 0..10 {
        let mut dice = Dice::new("usage", seed);
        let (_, mut pool) = pool_of(300);
        let mut all = family(&mut pool, &mut dice);
        pool.settle().unwrap();
        dice.shuffle(&mut all);
        for dev in all {
            let usage = pool.usage(dev).unwrap();
            assert_eq!(usage.referenced_blocks, usage.exclusive_blocks + usage.shared_blocks, "seed {seed}");
            let before = pool.space().free_blocks;
            pool.delete(dev).unwrap();
            pool.settle().unwrap();
            let freed = pool.space().free_blocks - before;
            assert_eq!(freed, usage.exclusive_blocks, "seed {seed}: {dev} promised {usage:?}");
        }
    }
}
