//! Volumes and snapshots by name.

use crate::bench::{holds, metadata, open, parts, pool_of, put, sound};
use spinney_core::{DevId, Error, Setting};
use spinney_device::{CrashDevice, Fate, MemoryDevice};
use spinney_registry::Registry;
use spinney_volume::{Name, Pool};
use std::collections::BTreeMap;
use std::sync::Arc;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn listed(pool: &Pool) -> Vec<String> {
    let origin = |origin: &Option<Name>| origin.as_ref().map_or(String::new(), |name| format!(" of {name}"));
    let names = pool.names().unwrap();
    names.iter().map(|named| format!("{}{}", named.name, origin(&named.origin))).collect()
}

/// `a` with snapshots 1 (blocks 0 to 29 hold 1) and 2 (hold 2), and 3 as it is now; clone `b` of `a@1`, whose first five hold 9.
fn small() -> (Arc<spinney_device::MemoryDevice>, Pool) {
    let (device, mut pool) = pool_of(300);
    fill(&mut pool).unwrap();
    (device, pool)
}

fn fill(pool: &mut Pool) -> spinney_core::Result<()> {
    let a = pool.create_named(&name("a"), 60, 100)?;
    put(pool, a, 0, 30, 1)?;
    pool.snapshot_as(&name("a@1"), 101)?;
    put(pool, a, 0, 30, 2)?;
    pool.snapshot_as(&name("a@2"), 102)?;
    put(pool, a, 0, 30, 3)?;
    let b = pool.clone_as(&name("a@1"), &name("b"), 103)?;
    put(pool, b, 0, 5, 9)
}

#[test]
fn names_are_listed_with_their_snapshots_and_origins() {
    let (device, mut pool) = small();
    assert_eq!(listed(&pool), ["a", "a@1", "a@2", "b of a@1"]);
    let created: Vec<u64> = pool.names().unwrap().iter().map(|named| named.created_s).collect();
    assert_eq!(created, [100, 101, 102, 103]);
    pool.flush().unwrap();
    sound(&pool);
    let names = pool.names().unwrap();
    drop(pool);
    let pool = open(device).unwrap();
    assert_eq!(pool.names().unwrap(), names);
    holds(&pool, pool.named(&name("a")).unwrap(), 0, 30, 3);
    holds(&pool, pool.named(&name("a@1")).unwrap(), 0, 30, 1);
    sound(&pool);
}

#[test]
fn what_is_not_there_or_taken_is_refused_and_changes_nothing() {
    let (_, mut pool) = small();
    pool.flush().unwrap();
    let epoch = pool.epoch();
    assert_eq!(pool.named(&name("c")), Err(Error::NoSuchName));
    assert_eq!(pool.named(&name("a@9")), Err(Error::NoSuchName));
    assert_eq!(pool.create_named(&name("a"), 9, 0), Err(Error::NameTaken));
    assert!(matches!(pool.create_named(&name("a@7"), 9, 0), Err(Error::BadSetting(_))));
    assert_eq!(pool.snapshot_as(&name("a@1"), 0), Err(Error::NameTaken));
    assert_eq!(pool.snapshot_as(&name("c@1"), 0), Err(Error::NoSuchName));
    assert_eq!(pool.clone_as(&name("a@1"), &name("b"), 0), Err(Error::NameTaken));
    assert_eq!(pool.rename(&name("b"), &name("a")), Err(Error::NameTaken));
    assert_eq!(pool.rename(&name("a@1"), &name("a@2")), Err(Error::NameTaken));
    assert!(matches!(pool.rename(&name("a@1"), &name("b@1")), Err(Error::BadSetting(_))));
    assert!(matches!(pool.promote(&name("a")), Err(Error::Unsupported(_))));
    assert!(matches!(pool.destroy(&[name("a")]), Err(Error::Busy(_))));
    assert_eq!(pool.destroy(&[name("b"), name("b@1")]), Err(Error::NoSuchName));
    pool.flush().unwrap();
    assert_eq!((pool.epoch(), listed(&pool).len()), (epoch, 4));
}

#[test]
fn a_renamed_volume_keeps_its_snapshots() {
    let (_, mut pool) = small();
    pool.rename(&name("a"), &name("home")).unwrap();
    pool.rename(&name("home@2"), &name("home@monday")).unwrap();
    assert_eq!(listed(&pool), ["b of home@1", "home", "home@1", "home@monday"]);
    holds(&pool, pool.named(&name("home@monday")).unwrap(), 0, 30, 2);
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn a_rollback_keeps_the_later_snapshots_and_frees_what_only_the_volume_had() {
    let (_, mut pool) = small();
    pool.settle().unwrap();
    let free = pool.space().free_blocks;
    let a = pool.rollback(&name("a@1")).unwrap();
    assert_eq!(pool.named(&name("a")), Ok(a));
    holds(&pool, a, 0, 30, 1);
    holds(&pool, pool.named(&name("a@2")).unwrap(), 0, 30, 2);
    assert_eq!(listed(&pool), ["a", "a@1", "a@2", "b of a@1"]);
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks - free, 30);
    put(&mut pool, a, 0, 1, 4).unwrap();
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn after_a_promote_the_volume_can_go_and_the_clone_stays() {
    let (_, mut pool) = small();
    assert_eq!(pool.promote(&name("b")), Ok(1));
    assert_eq!(listed(&pool), ["a of b@1", "a@2", "b", "b@1"]);
    pool.destroy(&[name("a"), name("a@2")]).unwrap();
    pool.settle().unwrap();
    assert_eq!(listed(&pool), ["b", "b@1"]);
    let b = pool.named(&name("b")).unwrap();
    holds(&pool, b, 0, 5, 9);
    holds(&pool, b, 5, 25, 1);
    assert_eq!(pool.space().free_blocks, 300 - 35);
    sound(&pool);
}

/// The scheme has no part in a promote: with dead and live lists on either side, whichever goes, the rest is right and the space is back.
#[test]
fn after_a_promote_over_dead_lists_either_side_can_go() {
    let registry = Registry::standard();
    let mut spec = registry.spec("bitmap", "deadlist").unwrap();
    let settings = [("fanout", Setting::Integer(8)), ("livelists", Setting::Switch(true))];
    for (name, setting) in settings {
        spec.scheme.settings = spec.scheme.settings.with(name, setting);
    }
    for (doomed, left) in [(["a", "a@2"], 35), (["b", "b@1"], 60)] {
        let device = Arc::new(MemoryDevice::new(16 + 400 + 300));
        let mut pool = Pool::format(device.clone(), registry.parts(&spec).unwrap(), metadata(400)).unwrap();
        fill(&mut pool).unwrap();
        assert_eq!(pool.promote(&name("b")), Ok(1));
        assert_eq!(listed(&pool), ["a of b@1", "a@2", "b", "b@1"]);
        pool.destroy(&doomed.map(name)).unwrap();
        pool.settle().unwrap();
        assert_eq!(pool.space().free_blocks, 300 - left);
        drop(pool);
        let pool = Pool::open(device, metadata(400), &|text| Ok(registry.parts_of(text).unwrap())).unwrap();
        sound(&pool);
        let dev = |text| pool.named(&name(text)).unwrap();
        if doomed[0] == "a" {
            holds(&pool, dev("b"), 0, 5, 9);
            holds(&pool, dev("b"), 5, 25, 1);
            holds(&pool, dev("b@1"), 0, 30, 1);
        } else {
            holds(&pool, dev("a"), 0, 30, 3);
            holds(&pool, dev("a@2"), 0, 30, 2);
        }
    }
}

#[test]
fn a_promote_there_and_back_changes_nothing() {
    let (_, mut pool) = small();
    let before = pool.names().unwrap();
    pool.promote(&name("b")).unwrap();
    pool.promote(&name("a")).unwrap();
    assert_eq!(pool.names().unwrap(), before);
}

#[test]
fn a_destroyed_set_frees_what_was_foretold() {
    let (_, mut pool) = small();
    pool.settle().unwrap();
    let free = pool.space().free_blocks;
    let set = [name("a@1"), name("a@2"), name("b")];
    assert_eq!(pool.freed_by_destroying(&set[..1]), Ok(5));
    assert_eq!(pool.freed_by_destroying(&set), Ok(65));
    pool.destroy(&set).unwrap();
    pool.settle().unwrap();
    assert_eq!(pool.space().free_blocks - free, 65);
    assert_eq!(listed(&pool), ["a"]);
    sound(&pool);
}

#[test]
fn a_thousand_snapshots_have_a_thousand_names() {
    let (device, mut pool) = pool_of(300);
    pool.create_named(&name("a"), 60, 0).unwrap();
    for index in 0..1000 {
        pool.snapshot_as(&name(&format!("a@{index}")), index).unwrap();
    }
    pool.flush().unwrap();
    drop(pool);
    let mut pool = open(device).unwrap();
    assert_eq!(listed(&pool)[1000], "a@999");
    let all: Vec<Name> = (0..1000).map(|index| name(&format!("a@{index}"))).collect();
    pool.destroy(&all).unwrap();
    pool.settle().unwrap();
    assert_eq!((listed(&pool).len(), pool.versions().unwrap().len()), (1, 1));
    sound(&pool);
}

/// What each name holds at block 0 and 29, and how many versions there are.
fn seen(pool: &Pool) -> (BTreeMap<String, Vec<u8>>, usize) {
    let mut bytes = vec![0; 30 * 4096];
    let names = pool.names().unwrap();
    let content = names.into_iter().map(|named| {
        pool.read(named.dev, 0, &mut bytes).unwrap();
        let origin = named.origin.map_or(String::new(), |origin| format!(" of {origin}"));
        (format!("{}{origin}", named.name), [&bytes[..16], &bytes[29 * 4096..][..16]].concat())
    });
    (content.collect(), pool.versions().unwrap().len())
}

type Change = fn(&mut Pool) -> spinney_core::Result<()>;

/// Each change by name, cut at each request of the flush after it: all of it is there, or nothing.
#[test]
fn a_cut_leaves_each_change_by_name_whole_or_undone() {
    let changes: [Change; 6] = [
        |pool| pool.create_named(&name("c"), 60, 7).map(drop),
        |pool| pool.snapshot_as(&name("b@1"), 7).map(drop),
        |pool| pool.rename(&name("a"), &name("c")),
        |pool| pool.rollback(&name("a@1")).map(drop),
        |pool| pool.promote(&name("b")).map(drop),
        |pool| pool.destroy(&[name("a"), name("a@1"), name("a@2")]),
    ];
    for (index, change) in changes.into_iter().enumerate() {
        let life = |after: Option<u64>| {
            let device = Arc::new(CrashDevice::new(16 + 400 + 300));
            let mut pool = Pool::format(device.clone(), parts(), metadata(400)).unwrap();
            fill(&mut pool).unwrap();
            pool.flush().unwrap();
            let before = (seen(&pool), device.changes());
            change(&mut pool).unwrap();
            let during = seen(&pool);
            after.into_iter().for_each(|after| device.crash_after(after));
            let _ = pool.flush();
            (before.0, during, device.changes() - before.1, device)
        };
        let (before, during, requests, _) = life(None);
        assert_ne!(before, during, "change {index} changes something");
        for after in 0..requests {
            let device = life(Some(after)).3;
            for fate in [Fate::Lost, Fate::Kept] {
                let fates = vec![fate; device.pending().len()];
                let mut pool = open(Arc::new(device.image(&fates))).unwrap();
                sound(&pool);
                let found = seen(&pool);
                assert!(found == before || found == during, "change {index} cut after {after} requests");
                pool.settle().unwrap();
                sound(&pool);
            }
        }
    }
}

#[test]
fn a_pool_without_names_has_no_table_and_old_ids_work_beside_names() {
    let (_, mut pool) = pool_of(300);
    let volume = pool.create(60).unwrap();
    pool.flush().unwrap();
    assert_eq!(pool.names(), Ok(Vec::new()));
    let named = pool.create_named(&name("a"), 60, 0).unwrap();
    assert!(named > volume && pool.version(volume).is_ok());
    assert!(matches!(pool.delete(named), Err(Error::Busy(_))));
    pool.destroy(&[name("a")]).unwrap();
    pool.settle().unwrap();
    assert_eq!(pool.versions().unwrap().iter().map(|version| version.dev).collect::<Vec<DevId>>(), [volume]);
    sound(&pool);
}
