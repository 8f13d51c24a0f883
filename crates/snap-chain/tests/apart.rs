//! Detaching by copying, in the middle of everything else.
//!
//! Invariant: it changes no content; when it is done the version shares nothing.

use spinney_core::{DevId, Error, Lba, LbaRange};
use spinney_snap::{Access, SnapshotScheme};
use spinney_snap_chain::Chain;
use spinney_testkit::scheme_life::SchemeLife;

const BLOCKS: u64 = 60;

fn make() -> Box<dyn SnapshotScheme> {
    Box::new(Chain::new(3, false, false).expect("a fanout"))
}

fn indexed() -> Box<dyn SnapshotScheme> {
    Box::new(Chain::new(4, true, true).expect("a fanout"))
}

fn shares(life: &SchemeLife, dev: DevId) -> u64 {
    life.scheme.usage(dev, &life.pages).expect("usage").shared_blocks
}

/// A volume, and a clone of its snapshot with overwrites and holes.
fn cloned(life: &mut SchemeLife) -> [DevId; 3] {
    let volume = life.create(BLOCKS);
    life.write(volume, LbaRange::new(Lba(3), 40));
    let snapshot = life.snapshot(volume, Access::ReadOnly);
    let clone = life.snapshot(snapshot, Access::Writable);
    life.write(clone, LbaRange::new(Lba(10), 7));
    life.unmap(clone, LbaRange::new(Lba(20), 9));
    [volume, snapshot, clone]
}

#[test]
fn a_detached_clone_shares_nothing_and_its_origin_goes_alone() {
    for factory in [make, indexed] {
        let mut life = SchemeLife::new(&factory, "detached", 1);
        let [volume, snapshot, clone] = cloned(&mut life);
        assert!(shares(&life, clone) > 0);
        life.detach(clone);
        life.detach(clone); // once is enough
        life.tend_to_idle(5);
        assert_eq!(shares(&life, clone), 0);
        let parts = life.scheme.freed_by_deleting(&[volume, snapshot], &life.pages).expect("foretold");
        assert_eq!(parts, 40, "the origin is as if there had never been a clone");
        life.delete(snapshot);
        life.delete(volume);
        life.tend_to_idle(5);
        life.audit();
        assert_eq!((life.garbage(), life.held.len()), (0, 40 - 9));
    }
}

#[test]
fn a_snapshot_of_a_volume_on_its_way_keeps_what_is_behind() {
    let mut life = SchemeLife::new(&make, "frozen", 2);
    let [_, _, clone] = cloned(&mut life);
    life.detach(clone);
    life.tend(3);
    let frozen = life.snapshot(clone, Access::ReadOnly);
    life.tend_to_idle(5);
    assert_eq!(shares(&life, clone), 0, "neither with what it came from nor with its snapshot");
    assert!(life.scheme.usage(frozen, &life.pages).expect("usage").exclusive_blocks > 0);
    life.audit();
}

#[test]
fn what_cannot_be_written_or_is_gone_cannot_detach() {
    let mut life = SchemeLife::new(&make, "refused", 3);
    let [volume, snapshot, _] = cloned(&mut life);
    life.pages.seal();
    assert_eq!(life.scheme.detach(snapshot, &mut life.pages), Err(Error::ReadOnly(snapshot)));
    assert_eq!(life.scheme.detach(DevId(99), &mut life.pages), Err(Error::NotFound(DevId(99))));
    assert_eq!(life.pages.seal(), 0, "a refusal touched a page");
    let lone = life.create(5);
    life.detach(lone); // nothing is behind it
    assert_eq!(life.tend(9).left, 0);
    life.detach(volume);
    life.delete(volume);
    life.tend_to_idle(9);
    life.audit();
}

#[test]
fn histories_with_versions_that_detach_agree_with_the_model() {
    for seed in 0..60 {
        let factory = if seed % 2 == 0 { make } else { indexed };
        let mut life = SchemeLife::new(&factory, "detaching", seed);
        let first = life.create(BLOCKS);
        let mut writable = vec![first];
        let mut all = vec![first];
        for _ in 0..100 {
            let (dev, any) = (*life.dice.one_of(&writable), *life.dice.one_of(&all));
            let blocks = life.dice.log_uniform(6).min(BLOCKS);
            let at = life.dice.below(BLOCKS - blocks + 1);
            let range = LbaRange::new(Lba(at), blocks);
            match life.dice.below(12) {
                0 if all.len() < 7 => all.push(life.snapshot(any, Access::ReadOnly)),
                1 if all.len() < 7 => {
                    let clone = life.snapshot(any, Access::Writable);
                    (writable.push(clone), all.push(clone)).0
                }
                2 if writable.len() > 1 || !writable.contains(&any) => {
                    life.delete(any);
                    writable.retain(|other| *other != any);
                    all.retain(|other| *other != any);
                }
                3 | 4 => life.detach(dev),
                5 | 6 => drop(life.tend(1 + seed % 7)),
                7 => life.unmap(dev, range),
                _ => life.write(dev, range),
            }
        }
        life.tend_to_idle(9);
        life.audit();
        assert_eq!(life.garbage(), 0, "seed {seed}");
    }
}
