//! Quotas and reservations of volumes.

use crate::bench::{BLOCK, holds, metadata, open, parts, parts_of, pool_of, put, sound};
use spinney_core::{DevId, Error};
use spinney_device::{CrashDevice, Fate, MemoryDevice};
use spinney_snap_refcount::RefCount;
use spinney_volume::{Name, Placement, Pool, PoolOptions, VolumeLimits};
use std::sync::Arc;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn quota(blocks: u64) -> VolumeLimits {
    VolumeLimits { quota_blocks: Some(blocks), reservation_blocks: 0 }
}

fn reservation(blocks: u64) -> VolumeLimits {
    VolumeLimits { quota_blocks: None, reservation_blocks: blocks }
}

/// A pool of `data` blocks with volumes `a` and `b` of 100 blocks each.
fn two_in(data: u64) -> (Arc<MemoryDevice>, Pool, DevId, DevId) {
    let (device, mut pool) = pool_of(data);
    let a = pool.create_named(&name("a"), 100, 0).unwrap();
    let b = pool.create_named(&name("b"), 100, 0).unwrap();
    (device, pool, a, b)
}

#[test]
fn a_quota_bounds_what_a_volume_references_and_not_what_it_overwrites() {
    let (_, mut pool, a, b) = two_in(300);
    pool.set_limits(&name("a"), quota(40)).unwrap();
    put(&mut pool, a, 0, 30, 1).unwrap();
    assert_eq!(put(&mut pool, a, 25, 20, 2), Err(Error::OverQuota { needed: 15, free: 10 }));
    holds(&pool, a, 0, 30, 1);
    holds(&pool, a, 30, 15, 0);
    put(&mut pool, a, 20, 20, 3).unwrap();
    put(&mut pool, a, 0, 40, 4).unwrap();
    pool.snapshot_as(&name("a@1"), 0).unwrap();
    put(&mut pool, a, 0, 40, 5).unwrap();
    assert_eq!(put(&mut pool, a, 40, 1, 6), Err(Error::OverQuota { needed: 1, free: 0 }));
    pool.discard(a, 5 * BLOCK, 3 * BLOCK).unwrap();
    put(&mut pool, a, 97, 3, 6).unwrap();
    assert_eq!(put(&mut pool, a, 5, 1, 6), Err(Error::OverQuota { needed: 1, free: 0 }));
    put(&mut pool, b, 0, 100, 1).unwrap();
    assert_eq!(pool.usage(a).unwrap().referenced_blocks, 40);
    sound(&pool);
}

#[test]
fn a_reservation_is_free_for_its_volume_whatever_others_write() {
    let (_, mut pool, a, b) = two_in(100);
    pool.set_limits(&name("a"), reservation(60)).unwrap();
    put(&mut pool, b, 0, 40, 1).unwrap();
    assert_eq!(put(&mut pool, b, 40, 1, 1), Err(Error::NoSpace { needed: 1, free: 0 }));
    assert_eq!(pool.reserved_blocks(), Ok(60));
    put(&mut pool, a, 0, 20, 2).unwrap();
    assert_eq!(pool.reserved_blocks(), Ok(40));
    assert_eq!(put(&mut pool, b, 40, 1, 1), Err(Error::NoSpace { needed: 1, free: 0 }));
    put(&mut pool, a, 20, 40, 2).unwrap();
    assert_eq!(pool.reserved_blocks(), Ok(0));
    put(&mut pool, b, 0, 10, 3).unwrap_err();
    pool.discard(a, 0, 10 * BLOCK).unwrap();
    assert!(matches!(put(&mut pool, b, 0, 1, 3), Err(Error::NoSpace { .. })), "it is reserved again");
    pool.set_limits(&name("a"), VolumeLimits::default()).unwrap();
    put(&mut pool, b, 0, 10, 3).unwrap();
    holds(&pool, a, 10, 50, 2);
    sound(&pool);
}

#[test]
fn a_reservation_covers_overwriting_below_a_snapshot_or_refuses_the_snapshot() {
    let (_, mut pool, a, b) = two_in(100);
    pool.set_limits(&name("a"), reservation(30)).unwrap();
    put(&mut pool, a, 0, 30, 1).unwrap();
    put(&mut pool, b, 0, 50, 1).unwrap();
    assert!(matches!(pool.snapshot_as(&name("a@1"), 0), Err(Error::NoSpace { needed: 30, free: 20 })));
    pool.discard(b, 0, 10 * BLOCK).unwrap();
    pool.snapshot_as(&name("a@1"), 0).unwrap();
    assert!(matches!(put(&mut pool, b, 0, 1, 2), Err(Error::NoSpace { .. })));
    put(&mut pool, a, 0, 30, 2).unwrap();
    pool.destroy(&[name("a@1")]).unwrap();
    put(&mut pool, b, 0, 10, 2).unwrap();
    holds(&pool, a, 0, 30, 2);
    sound(&pool);
}

#[test]
fn what_a_volume_came_to_own_is_counted_before_others_are_refused() {
    let (_, mut pool, a, b) = two_in(100);
    put(&mut pool, a, 0, 30, 1).unwrap();
    pool.snapshot_as(&name("a@1"), 0).unwrap();
    pool.set_limits(&name("a"), reservation(30)).unwrap();
    put(&mut pool, b, 0, 40, 1).unwrap();
    assert!(put(&mut pool, b, 40, 1, 1).is_err());
    // Nothing that `a` did: the blocks that it shares become its own.
    pool.destroy(&[name("a@1")]).unwrap();
    put(&mut pool, b, 40, 30, 1).unwrap();
    assert_eq!(put(&mut pool, b, 70, 1, 1), Err(Error::NoSpace { needed: 1, free: 0 }));
    sound(&pool);
}

#[test]
fn limits_that_do_not_fit_are_refused() {
    let (_, mut pool, a, b) = two_in(100);
    put(&mut pool, a, 0, 30, 1).unwrap();
    let refused =
        |pool: &mut Pool, limits| matches!(pool.set_limits(&name("a"), limits), Err(Error::BadSetting(_)));
    assert!(refused(&mut pool, quota(29)));
    assert!(refused(&mut pool, reservation(101)));
    assert!(refused(&mut pool, VolumeLimits { quota_blocks: Some(50), reservation_blocks: 51 }));
    assert_eq!(pool.set_limits(&name("c"), quota(1)), Err(Error::NoSuchName));
    assert!(matches!(pool.limits(&name("a@1")), Err(Error::BadSetting(_))));
    put(&mut pool, b, 0, 50, 1).unwrap();
    assert_eq!(pool.set_limits(&name("a"), reservation(51)), Err(Error::NoSpace { needed: 21, free: 20 }));
    pool.set_limits(&name("a"), reservation(50)).unwrap();
    assert_eq!(pool.set_limits(&name("b"), reservation(51)), Err(Error::NoSpace { needed: 1, free: 0 }));
    sound(&pool);
}

#[test]
fn limits_stay_with_the_name_and_go_with_it() {
    let (device, mut pool, a, _) = two_in(300);
    let limits = VolumeLimits { quota_blocks: Some(40), reservation_blocks: 20 };
    pool.set_limits(&name("a"), limits).unwrap();
    put(&mut pool, a, 0, 10, 1).unwrap();
    pool.snapshot_as(&name("a@1"), 0).unwrap();
    put(&mut pool, a, 0, 40, 2).unwrap();
    pool.rename(&name("a"), &name("c")).unwrap();
    let c = pool.rollback(&name("c@1")).unwrap();
    pool.flush().unwrap();
    sound(&pool);
    drop(pool);
    let mut pool = open(device.clone()).unwrap();
    assert_eq!(pool.limits(&name("c")), Ok(limits));
    assert_eq!(put(&mut pool, c, 10, 31, 3), Err(Error::OverQuota { needed: 31, free: 30 }));
    put(&mut pool, c, 10, 30, 3).unwrap();
    pool.clone_as(&name("c@1"), &name("d"), 0).unwrap();
    assert_eq!(pool.limits(&name("d")), Ok(VolumeLimits::default()));
    pool.destroy(&[name("d")]).unwrap();
    pool.destroy(&[name("c"), name("c@1")]).unwrap();
    pool.flush().unwrap();
    sound(&pool);
    assert_eq!(pool.reserved_blocks(), Ok(0));
    drop(pool);
    let mut pool = open(device).unwrap();
    let again = pool.create_named(&name("c"), 100, 0).unwrap();
    put(&mut pool, again, 0, 100, 1).unwrap();
    sound(&pool);
}

#[test]
fn a_full_pool_takes_overwrites_of_a_volume_with_a_reservation_to_the_last_block() {
    let (_, mut pool, a, b) = two_in(100);
    pool.set_limits(&name("a"), reservation(50)).unwrap();
    put(&mut pool, b, 0, 50, 1).unwrap();
    put(&mut pool, a, 0, 49, 1).unwrap();
    for round in 2..40 {
        put(&mut pool, a, round % 49, 1, round).unwrap();
    }
    put(&mut pool, a, 49, 1, 99).unwrap();
    sound(&pool);
}

#[test]
fn metadata_that_grows_leaves_room_for_a_reservation() {
    let device = Arc::new(MemoryDevice::new(16 + 64 + 3000));
    let options = PoolOptions { placement: Placement::Segments, ..metadata(64) };
    // Full nodes, as pools have them: those of eight slots, as in the other tests, take far more than a 64th.
    let parts = parts_of(Box::new(RefCount::new(506, false).unwrap()));
    let mut pool = Pool::format(device, parts, options).unwrap();
    let a = pool.create_named(&name("a"), 1000, 0).unwrap();
    let b = pool.create_named(&name("b"), 10_000, 0).unwrap();
    pool.set_limits(&name("a"), reservation(1000)).unwrap();
    let refused = (0..10_000).find(|at| put(&mut pool, b, *at, 1, 1).is_err()).unwrap();
    assert!(refused > 1000, "{refused}");
    for at in 0..1000 {
        put(&mut pool, a, at, 1, 2).unwrap();
    }
    holds(&pool, a, 0, 1000, 2);
    sound(&pool);
}

#[test]
fn a_cut_at_every_request_leaves_old_limits_or_new_ones() {
    let (old, new) = (quota(50), VolumeLimits { quota_blocks: Some(60), reservation_blocks: 7 });
    let life = |after: Option<u64>| {
        let device = Arc::new(CrashDevice::new(16 + 400 + 300));
        let mut pool = Pool::format(device.clone(), parts(), metadata(400)).unwrap();
        pool.create_named(&name("a"), 100, 0).unwrap();
        pool.set_limits(&name("a"), old).unwrap();
        pool.flush().unwrap();
        let before = device.changes();
        after.into_iter().for_each(|after| device.crash_after(after));
        let done = pool.set_limits(&name("a"), new).and_then(|()| pool.flush());
        assert_eq!(done.is_err(), device.is_dead());
        (device.changes() - before, device)
    };
    let mut found = Vec::new();
    for after in 0..life(None).0 {
        let (_, device) = life(Some(after));
        for fate in [Fate::Lost, Fate::Kept] {
            let pool = open(Arc::new(device.image(&vec![fate; device.pending().len()]))).unwrap();
            found.push(pool.limits(&name("a")).unwrap());
            sound(&pool);
        }
    }
    assert!(found.iter().all(|limits| [old, new].contains(limits)), "{found:?}");
    assert!(found.contains(&old) && found.contains(&new));
}
