//! The laws of a snapshot scheme: what `scheme_laws!` turns into one named test each.
//!
//! Invariant: a law compares with the oracle ([`crate::scheme_model`]) and never looks at how a scheme does it. Factories
//! make schemes with a small fanout, so that interior levels matter. Knows no scheme.

use crate::scheme_life::{SchemeFactory, SchemeLife, any_range, audit_versions};
use spinney_core::{DevId, Error, Extent, Lba, LbaRange, PageRead, Pba, Root};
use spinney_snap::{Access, Freed, Work, WritePlan};

/// `scheme_laws!(factory)` makes a module `scheme_laws` with one test for each law; `scheme_laws!(name, factory)` calls
/// the module `name`. The factory is any expression that can be called: `fn() -> Box<dyn SnapshotScheme>`.
#[macro_export]
macro_rules! scheme_laws {
    ($factory:expr) => {
        $crate::scheme_laws!(scheme_laws, $factory);
    };
    ($module:ident, $factory:expr) => {
        mod $module {
            use super::*;
            $crate::laws!(
                @each scheme_laws,
                [$factory],
                [
                    a_new_scheme_holds_no_version_and_no_block,
                    random_histories_agree_with_a_map_of_maps,
                    histories_with_single_slot_deletes_agree,
                    a_snapshot_never_changes,
                    a_clone_of_a_clone_is_on_its_own,
                    unmapping_all_costs_no_more_than_a_new_volume,
                    every_delete_order_gives_all_back,
                    deleting_a_set_frees_what_was_foretold,
                    ids_are_never_reused,
                    reopening_finds_the_same,
                    an_older_view_is_served_by_the_same_scheme,
                    the_same_calls_give_the_same_pages,
                    what_cannot_be_is_refused_and_changes_nothing,
                    tend_keeps_to_its_budget_and_ends,
                    an_empty_volume_of_any_size_is_cheap
                ]
            );
            $crate::laws!(@each scheme_damage, [$factory], [a_flipped_bit_is_an_error_or_harmless]);
        }
    };
}

/// Seeds of a law's cases: `0..count`, or the one in `SPINNEY_SEED`.
pub fn seeds(count: u64) -> Vec<u64> {
    match std::env::var("SPINNEY_SEED") {
        Ok(seed) => vec![seed.parse().expect("SPINNEY_SEED is a number")],
        Err(_) => (0..count).collect(),
    }
}

/// Versions that a history may have at a time.
const VERSIONS_MAX: usize = 12;

fn any_version(life: &mut SchemeLife) -> Option<DevId> {
    let devs: Vec<DevId> = life.model.versions.keys().copied().collect();
    (!devs.is_empty()).then(|| *life.dice.one_of(&devs))
}

fn any_writable(life: &mut SchemeLife) -> Option<DevId> {
    let writable = life.model.versions.iter().filter(|(_, version)| version.access == Access::Writable);
    let devs: Vec<DevId> = writable.map(|(dev, _)| *dev).collect();
    (!devs.is_empty()).then(|| *life.dice.one_of(&devs))
}

fn write_or_unmap(life: &mut SchemeLife) {
    let Some(dev) = any_writable(life) else { return };
    let blocks = life.model.versions[&dev].blocks;
    let range = any_range(&mut life.dice, blocks);
    if life.dice.one_in(10) { life.unmap(dev, range) } else { life.write(dev, range) }
}

/// One operation of a history, in the proportions of `snapshots.md` section 10.
fn step(life: &mut SchemeLife) {
    let full = life.model.versions.len() >= VERSIONS_MAX;
    let Some(dev) = any_version(life) else {
        let blocks = life.dice.between(1, 64);
        life.create(blocks);
        return;
    };
    match life.dice.below(100) {
        0..55 => write_or_unmap(life),
        55..70 if !full => drop(life.snapshot(dev, Access::ReadOnly)),
        70..82 if !full && life.scheme.limits().clones => drop(life.snapshot(dev, Access::Writable)),
        55..97 => life.delete(dev),
        97..99 => drop(life.tend(20)),
        _ if full || life.model.versions.len() > 3 => life.reopen(),
        _ => drop(life.create(40)),
    }
}

/// Operations of a history, in the proportions of `snapshots.md` section 10, with an audit after every sixteenth;
/// `tend_each`: and background work of one slot after each.
pub fn history(life: &mut SchemeLife, steps: u64, tend_each: bool) {
    for index in 0..steps {
        step(life);
        if tend_each {
            life.tend(1);
        }
        if index % 16 == 0 {
            life.audit();
        }
    }
}

/// Delete all, tend and commit: no block is held, and no page more than a formatted scheme has.
pub fn give_all_back(life: &mut SchemeLife, pages_min: usize) {
    while !life.model.versions.is_empty() {
        let left = life.model.versions.len();
        let devs: Vec<DevId> = life.model.versions.keys().rev().copied().collect();
        devs.into_iter().for_each(|dev| life.delete(dev));
        assert!(life.model.versions.len() < left, "no version can be deleted");
    }
    life.tend_to_idle(7);
    life.commit();
    life.audit();
    assert!(life.held.is_empty(), "blocks are held by no version: {:?}", life.held);
    assert_eq!(life.pages.live().count(), pages_min, "pages are held by no version");
}

/// Nothing is there.
pub fn a_new_scheme_holds_no_version_and_no_block(make: SchemeFactory) {
    let mut life = SchemeLife::new(make, "a_new_scheme_holds_no_version_and_no_block", 0);
    life.audit();
    assert!(life.is_idle());
    life.reopen();
    life.audit();
}

fn histories(make: SchemeFactory, law: &'static str, cases: u64, steps: u64, tend_each: bool) {
    for seed in seeds(cases) {
        let mut life = SchemeLife::new(make, law, seed);
        let pages_min = life.pages.live().count();
        history(&mut life, steps, tend_each);
        give_all_back(&mut life, pages_min);
    }
}

/// The universal oracle over long histories: content, ownership, usage, diff, bounds, nothing left at the end.
pub fn random_histories_agree_with_a_map_of_maps(make: SchemeFactory) {
    histories(make, "random_histories_agree_with_a_map_of_maps", 100, 300, false);
}

/// The same with background work of one slot between any two operations.
pub fn histories_with_single_slot_deletes_agree(make: SchemeFactory) {
    histories(make, "histories_with_single_slot_deletes_agree", 100, 300, true);
}

/// Overwrite and unmap all of the volume: its snapshot keeps every block.
pub fn a_snapshot_never_changes(make: SchemeFactory) {
    let mut life = SchemeLife::new(make, "a_snapshot_never_changes", 0);
    let whole = LbaRange::new(Lba(0), 70);
    let dev = life.create(whole.blocks);
    life.write(dev, whole);
    let snapshot = life.snapshot(dev, Access::ReadOnly);
    let before = life.held.clone();
    life.write(dev, whole);
    assert!(before.is_subset(&life.held), "the snapshot's blocks are held");
    life.unmap(dev, whole);
    assert_eq!(life.held, before, "only the snapshot's blocks are held");
    life.audit();
    life.delete(snapshot);
    life.tend_to_idle(3);
    assert!(life.held.is_empty());
}

/// Three generations of writable clones, each changed after it was taken.
pub fn a_clone_of_a_clone_is_on_its_own(make: SchemeFactory) {
    let mut life = SchemeLife::new(make, "a_clone_of_a_clone_is_on_its_own", 0);
    if !life.scheme.limits().clones_of_clones {
        return;
    }
    let mut dev = life.create(40);
    let mut line = vec![dev];
    for generation in 0..4 {
        life.write(dev, LbaRange::new(Lba(generation * 7), 12));
        dev = life.snapshot(dev, Access::Writable);
        line.push(dev);
    }
    for dev in line {
        life.write(dev, LbaRange::new(Lba(11), 9));
        life.unmap(dev, LbaRange::new(Lba(2), 3));
        life.audit();
    }
}

/// A volume that was written and unmapped, in any pieces, holds the pages of a new one.
pub fn unmapping_all_costs_no_more_than_a_new_volume(make: SchemeFactory) {
    for seed in seeds(10) {
        let mut life = SchemeLife::new(make, "unmapping_all_costs_no_more_than_a_new_volume", seed);
        let dev = life.create(60);
        life.commit();
        let pages_new = life.pages.live().count();
        life.write(dev, LbaRange::new(Lba(0), 60));
        let snapshot = life.snapshot(dev, Access::ReadOnly);
        life.write(dev, LbaRange::new(Lba(7), 30));
        life.delete(snapshot);
        while !life.model.versions[&dev].map.is_empty() {
            let range = any_range(&mut life.dice, 60);
            life.unmap(dev, range);
        }
        life.tend_to_idle(9);
        life.commit();
        life.audit();
        assert_eq!(life.pages.live().count(), pages_new, "pages that hold nothing");
    }
}

/// Which version each of five is taken from.
const TREES: [[usize; 4]; 3] = [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 2, 2]];

fn orders(left: &[usize], done: &mut Vec<usize>, each: &mut dyn FnMut(&[usize])) {
    if left.is_empty() {
        each(done);
    }
    for (index, version) in left.iter().enumerate() {
        let mut rest = left.to_vec();
        rest.remove(index);
        done.push(*version);
        orders(&rest, done, each);
        done.pop();
    }
}

fn grow(life: &mut SchemeLife, tree: &[usize]) -> Vec<DevId> {
    let clones = life.scheme.limits().clones_of_clones;
    let mut devs = vec![life.create(30)];
    life.write(devs[0], LbaRange::new(Lba(0), 30));
    for parent in tree {
        let access = if clones { Access::Writable } else { Access::ReadOnly };
        let of = if clones { devs[*parent] } else { devs[0] };
        devs.push(life.snapshot(of, access));
        for dev in devs.clone() {
            if life.model.versions[&dev].access == Access::Writable {
                let range = any_range(&mut life.dice, 30);
                life.write(dev, range);
            }
        }
    }
    devs
}

/// Five versions as a chain, a fork and a comb, deleted in each of the 120 orders.
pub fn every_delete_order_gives_all_back(make: SchemeFactory) {
    for (seed, tree) in (0..).zip(TREES) {
        orders(&[0, 1, 2, 3, 4], &mut Vec::new(), &mut |order| {
            let mut life = SchemeLife::new(make, "every_delete_order_gives_all_back", seed);
            let pages_min = life.pages.live().count();
            let devs = grow(&mut life, &tree);
            for (index, version) in order.iter().enumerate() {
                life.delete(devs[*version]);
                if index % 2 == 0 {
                    life.tend_to_idle(5);
                }
                life.audit();
            }
            give_all_back(&mut life, pages_min);
        });
    }
}

/// A thousand random sets of versions: what is promised is what a map of maps says and, for exact schemes, what then comes back.
pub fn deleting_a_set_frees_what_was_foretold(make: SchemeFactory) {
    for seed in seeds(200) {
        let mut life = SchemeLife::new(make, "deleting_a_set_frees_what_was_foretold", seed);
        for set in 0..5 {
            (0..20).for_each(|_| step(&mut life));
            let mut devs: Vec<DevId> = life.model.versions.keys().copied().collect();
            devs.retain(|_| life.dice.one_in(2));
            devs.reverse();
            life.relocate(); // a copy lets go of blocks, too
            let promised = life.scheme.freed_by_deleting(&devs, &life.pages).expect("freed_by_deleting");
            assert_eq!(promised, life.model.freed_by_deleting(&devs), "set {set}, {devs:?}");
            if life.scheme.limits().exact {
                delete_as_promised(&mut life, &devs, promised);
            }
        }
        let none = DevId(999);
        let found = life.scheme.freed_by_deleting(&[none], &life.pages);
        assert_eq!(found, Err(Error::NotFound(none)));
    }
}

/// What is on its way already comes back first, and is not part of the promise.
fn delete_as_promised(life: &mut SchemeLife, devs: &[DevId], promised: u64) {
    life.tend_to_idle(30);
    let before = life.held.len();
    devs.iter().for_each(|dev| life.delete(*dev));
    life.tend_to_idle(30);
    let refused = devs.iter().any(|dev| life.model.versions.contains_key(dev));
    let freed = (before - life.held.len()) as u64;
    assert!(refused || freed == promised, "{devs:?}: {promised} promised, {freed} freed");
}

/// Not after a delete, not after a reopen; [`SchemeLife`] asserts it at each issue.
pub fn ids_are_never_reused(make: SchemeFactory) {
    let mut life = SchemeLife::new(make, "ids_are_never_reused", 0);
    for _ in 0..60 {
        let dev = life.create(3);
        let snapshot = life.snapshot(dev, Access::ReadOnly);
        assert!(snapshot > dev, "ids rise");
        life.delete(snapshot);
        life.delete(dev);
        life.tend_to_idle(10);
        life.reopen();
    }
}

/// A new scheme object over the same pages answers everything as the old one did.
pub fn reopening_finds_the_same(make: SchemeFactory) {
    for seed in seeds(20) {
        let mut life = SchemeLife::new(make, "reopening_finds_the_same", seed);
        for _ in 0..80 {
            step(&mut life);
            life.reopen();
        }
        life.audit();
    }
    let nothing = make().open(&Root::default(), &crate::MemoryPages::new());
    assert!(matches!(nothing, Err(Error::Corrupt { .. })), "an empty root is not a scheme");
}

/// Readers keep a view while the writer goes on.
pub fn an_older_view_is_served_by_the_same_scheme(make: SchemeFactory) {
    for seed in seeds(20) {
        let mut life = SchemeLife::new(make, "an_older_view_is_served_by_the_same_scheme", seed);
        for _ in 0..10 {
            (0..20).for_each(|_| step(&mut life));
            life.commit();
            let (view, model) = (life.pages.view(), life.model.clone());
            (0..20).for_each(|_| step(&mut life));
            audit_versions(life.scheme.as_ref(), &view, &model);
            life.scheme.check(&view, &mut |finding| panic!("check of a view: {finding}")).expect("check");
        }
    }
}

/// No hash order, no clock: two runs leave the same pages.
pub fn the_same_calls_give_the_same_pages(make: SchemeFactory) {
    let run = || {
        let mut life = SchemeLife::new(make, "the_same_calls_give_the_same_pages", 1);
        (0..400).for_each(|_| step(&mut life));
        let pages = life.pages.live().map(|(page, kind)| {
            let bytes = life.pages.read(page, kind).expect("a live page");
            (page, kind, bytes.to_vec())
        });
        pages.collect::<Vec<_>>()
    };
    assert!(run() == run(), "two runs differ");
}

/// Every refusal is named, and leaves every page as it was.
pub fn what_cannot_be_is_refused_and_changes_nothing(make: SchemeFactory) {
    let mut life = SchemeLife::new(make, "what_cannot_be_is_refused_and_changes_nothing", 0);
    let dev = life.create(20);
    life.write(dev, LbaRange::new(Lba(0), 20));
    let snapshot = life.snapshot(dev, Access::ReadOnly);
    life.pages.seal();
    let (none, range, past) = (DevId(999), LbaRange::new(Lba(3), 2), LbaRange::new(Lba(19), 2));
    let on = Extent::new(Pba(4000), 2);
    let (scheme, pages) = (&mut life.scheme, &mut life.pages);
    let mut freed = Freed::default();
    let mut plan = WritePlan::default();
    let out = |result| assert!(matches!(result, Err(Error::OutOfRange { .. })), "{result:?}");
    for missing in [none, DevId(0), DevId(u64::MAX)] {
        let not_found = Err(Error::NotFound(missing));
        assert_eq!(scheme.plan_write(missing, range, pages, &mut plan), not_found);
        assert_eq!(scheme.map(missing, Lba(0), on, pages, &mut freed), not_found);
        assert_eq!(scheme.unmap(missing, range, pages, &mut freed), not_found);
        assert_eq!(scheme.delete(missing, pages, &mut freed), not_found);
        assert_eq!(scheme.lookup(missing, range, pages, &mut |_| ()), not_found);
        assert_eq!(scheme.diff(missing, dev, range, pages, &mut |_| ()), not_found);
        assert_eq!(scheme.diff(dev, missing, range, pages, &mut |_| ()), not_found);
        assert_eq!(scheme.snapshot(missing, Access::ReadOnly, pages).map(|_| ()), not_found);
        assert_eq!(scheme.version(missing, pages).map(|_| ()), not_found);
        assert_eq!(scheme.usage(missing, pages).map(|_| ()), not_found);
        assert_eq!(scheme.pages_bound(Work::Map(missing, range), pages).map(|_| ()), not_found);
        assert_eq!(scheme.pages_bound(Work::Delete(missing), pages).map(|_| ()), not_found);
    }
    let read_only = Err(Error::ReadOnly(snapshot));
    assert_eq!(scheme.plan_write(snapshot, range, pages, &mut plan), read_only);
    assert_eq!(scheme.map(snapshot, Lba(0), on, pages, &mut freed), read_only);
    assert_eq!(scheme.unmap(snapshot, range, pages, &mut freed), read_only);
    out(scheme.plan_write(dev, past, pages, &mut plan));
    out(scheme.map(dev, Lba(19), on, pages, &mut freed));
    out(scheme.unmap(dev, past, pages, &mut freed));
    out(scheme.lookup(dev, past, pages, &mut |_| ()));
    assert_eq!(pages.seal(), 0, "a refusal touched a page");
    assert!(plan.0.is_empty() && freed.runs().is_empty());
    life.audit();
}

/// A call does no more than it was asked to, and enough calls end the work.
pub fn tend_keeps_to_its_budget_and_ends(make: SchemeFactory) {
    for budget in [1, 2, 5, 1000] {
        let mut life = SchemeLife::new(make, "tend_keeps_to_its_budget_and_ends", budget);
        let dev = life.create(100);
        life.write(dev, LbaRange::new(Lba(0), 100));
        let snapshot = life.snapshot(dev, Access::ReadOnly);
        life.write(dev, LbaRange::new(Lba(10), 80));
        life.delete(snapshot);
        life.delete(dev);
        for calls in 0.. {
            let progress = life.tend(budget);
            assert!(progress.done <= budget + 1, "{progress:?} for a budget of {budget}");
            if progress.left == 0 {
                break;
            }
            assert!(progress.done > 0, "no progress: {progress:?}");
            assert!(calls < 2000, "tend does not end");
        }
        assert!(life.held.is_empty(), "blocks are left");
    }
}

/// Holes cost nothing, whatever the size.
pub fn an_empty_volume_of_any_size_is_cheap(make: SchemeFactory) {
    let mut life = SchemeLife::new(make, "an_empty_volume_of_any_size_is_cheap", 0);
    let pages_min = life.pages.live().count();
    for blocks in [1, 1 << 18, 1 << 28, 1 << 40] {
        life.pages.seal();
        let dev = life.scheme.create(blocks, &mut life.pages).expect("create");
        assert!(life.pages.seal() < 16, "an empty volume of {blocks} blocks");
        let last = Lba(blocks - 1);
        let on = Extent::new(Pba(77), 1);
        let mut freed = Freed::default();
        life.scheme.map(dev, last, on, &mut life.pages, &mut freed).expect("map");
        let found = crate::scheme_life::read(life.scheme.as_ref(), &life.pages, dev, LbaRange::new(last, 1));
        assert_eq!(found[0].on, Some(on.start));
        life.scheme.delete(dev, &mut life.pages, &mut freed).expect("delete");
        while life.scheme.tend(64, &mut life.pages, &mut freed).expect("tend").left > 0 {}
        assert_eq!(freed.runs(), [on]);
        life.commit();
        assert_eq!(life.pages.live().count(), pages_min);
    }
}
