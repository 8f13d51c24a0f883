//! Mirrors whose sides fail, lie, go and come back: what a flush covered is read from every side that is in sync.

use super::super::tests::{SET, labels};
use super::super::{DeviceSet, LABEL_BLOCKS, Misfit, Role, SetKind, arrange};
use super::*;
use crate::{
    CrashDevice, Fault, FaultDevice, FaultKind, MemoryDevice,
    tests::{block, read_block},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::BLOCK_BYTES;

pub(super) const BLOCKS: u64 = 40;
pub(super) type Shared = Arc<dyn BlockDevice>;
pub(super) type Faulty = Arc<FaultDevice<MemoryDevice>>;

pub(super) fn faulty(sides: usize) -> Vec<Faulty> {
    (0..sides).map(|_| Arc::new(FaultDevice::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS), &[]))).collect()
}

pub(super) fn shared<D: BlockDevice + 'static>(devices: &[Arc<D>]) -> Vec<Shared> {
    devices.iter().map(|device| device.clone() as Shared).collect()
}

pub(super) fn create<D: BlockDevice + 'static>(devices: &[Arc<D>]) -> Arc<Mirror> {
    DeviceSet::create(SetKind::Mirror, 0, shared(devices), SET).unwrap().mirror.unwrap()
}

pub(super) fn reopen(devices: &[Shared], degraded: bool) -> Result<Arc<Mirror>, Misfit> {
    arrange(&labels(devices), degraded).map(|found| DeviceSet::open(&found, devices).unwrap().mirror.unwrap())
}

pub(super) fn fail(device: &Faulty, kind: FaultKind) {
    device.set_script(&[Fault::forever(kind, 0)]);
}

fn damage(device: &MemoryDevice, at: u64) {
    device.write(Pba(LABEL_BLOCKS + at), &block(u64::MAX - at)).unwrap();
}

fn heal_as(mirror: &Mirror, at: u64, number: u64) -> Healed {
    let mut found = vec![0; BLOCK_BYTES];
    let healed = mirror.heal(Pba(at), &mut found, &mut |copy| copy == block(number)).unwrap();
    assert!(healed.sound == 0 || found == block(number));
    healed
}

#[test]
fn a_side_that_fails_is_out_before_the_flush_returns_and_after_a_restart() {
    for kind in [FaultKind::WriteError, FaultKind::FlushError] {
        let devices = faulty(2);
        let mirror = create(&devices);
        mirror.write(Pba(3), &block(1)).unwrap();
        mirror.flush().unwrap();
        fail(&devices[1], kind);
        mirror.write(Pba(3), &block(2)).unwrap();
        mirror.flush().unwrap();
        assert!(matches!(mirror.sides()[1].role, Role::Out { .. }), "{kind:?}");
        assert_eq!(mirror.copies(), 1);
        devices[1].set_script(&[]);
        let again = reopen(&shared(&devices), false).unwrap();
        assert!(matches!(again.sides()[1].role, Role::Out { .. }), "{kind:?}");
        assert_eq!(read_block(&*again, 3), block(2));
        assert_eq!(again.sides()[0].role, Role::InSync);
    }
}

#[test]
fn a_side_that_left_is_not_used_alone_unless_told_and_two_that_went_apart_never_together() {
    let devices = faulty(2);
    let mirror = create(&devices);
    mirror.take_out(1).unwrap();
    mirror.write(Pba(0), &block(1)).unwrap();
    mirror.flush().unwrap();
    let (both, stale) = (shared(&devices), shared(&devices[1..]));
    assert_eq!(reopen(&stale, false).err(), Some(Misfit::Missing(0)));
    assert!(reopen(&both[..1], false).is_ok(), "the side in sync goes on alone");
    reopen(&stale, true).unwrap();
    assert!(matches!(reopen(&both, true).err(), Some(Misfit::Split(..))));
    assert!(mirror.take_out(0).is_err(), "the last side in sync stays");
}

#[test]
fn the_last_side_in_sync_fails_the_request_and_stays() {
    let devices = faulty(2);
    let mirror = create(&devices);
    mirror.take_out(0).unwrap();
    fail(&devices[1], FaultKind::WriteError);
    assert!(mirror.write(Pba(0), &block(1)).is_err());
    assert_eq!(mirror.sides()[1].role, Role::InSync);
}

#[test]
fn an_unreadable_side_is_read_around() {
    let devices = faulty(3);
    let mirror = create(&devices);
    (0..BLOCKS).for_each(|at| mirror.write(Pba(at), &block(at)).unwrap());
    fail(&devices[0], FaultKind::ReadError);
    let mut buffers = vec![vec![0; BLOCK_BYTES]; 2];
    let mut reads: Vec<(Pba, &mut [u8])> =
        (5..).map(Pba).zip(buffers.iter_mut().map(|buffer| &mut buffer[..])).collect();
    mirror.read_many(&mut reads).unwrap();
    assert_eq!(buffers, [block(5), block(6)]);
    assert_eq!(read_block(&*mirror, 7), block(7));
    assert!(mirror.sides()[0].counts.read_errors > 0);
    assert_eq!(mirror.copies(), 3, "a read error alone marks nobody out");
}

#[test]
fn healing_repairs_what_is_not_sound_and_counts_it_at_its_side() {
    for sides in [2, 3] {
        let devices: Vec<Arc<MemoryDevice>> =
            (0..sides).map(|_| Arc::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS))).collect();
        let mirror = create(&devices);
        (0..BLOCKS).for_each(|at| mirror.write(Pba(at), &block(at)).unwrap());
        (0..BLOCKS).for_each(|at| damage(&devices[at as usize % sides], at));
        let copies = sides as u64;
        for at in 0..BLOCKS - 1 {
            assert_eq!(
                heal_as(&mirror, at, at),
                Healed { sound: copies - 1, bad: 1, repaired: 1, rebuilt: 0 }
            );
            assert_eq!(heal_as(&mirror, at, at), Healed { sound: copies, ..Healed::default() });
        }
        let repaired: Vec<u64> = mirror.sides().iter().map(|side| side.counts.repaired).collect();
        assert_eq!(repaired.iter().sum::<u64>(), BLOCKS - 1);
        let checksum_errors: Vec<u64> =
            mirror.sides().iter().map(|side| side.counts.checksum_errors).collect();
        assert_eq!(repaired, checksum_errors);
        devices.iter().for_each(|device| damage(device, 0));
        assert_eq!(heal_as(&mirror, 0, 0), Healed { bad: copies, ..Healed::default() }, "no copy is sound");
        assert_eq!(read_block(&*devices[0], LABEL_BLOCKS), block(u64::MAX), "then none is changed");
    }
}

#[test]
fn a_side_brought_up_to_date_gets_what_is_healed_and_what_is_written() {
    let devices: Vec<Arc<MemoryDevice>> =
        (0..3).map(|_| Arc::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS))).collect();
    let mirror = create(&devices[..2]);
    (0..20).for_each(|at| mirror.write(Pba(at), &block(at)).unwrap());
    mirror.take_out(1).unwrap();
    (5..9).for_each(|at| mirror.write(Pba(at), &block(at + 100)).unwrap());
    mirror.begin_resilver(1, None, 7).unwrap();
    assert_eq!(mirror.copies(), 1, "not read yet");
    mirror.write(Pba(30), &block(30)).unwrap();
    let rebuilt: u64 =
        (0..9).map(|at| heal_as(&mirror, at, if at < 5 { at } else { at + 100 }).rebuilt).sum();
    assert_eq!(rebuilt, 4, "what it has already is not written");
    assert_eq!(
        reopen(&shared(&devices[..2]), false).unwrap().sides()[1].role,
        Role::Resilvering { since: 7 }
    );
    mirror.finish_resilver(1).unwrap();
    assert!(
        [8, 19, 30]
            .iter()
            .all(|at| read_block(&*devices[0], LABEL_BLOCKS + at)
                == read_block(&*devices[1], LABEL_BLOCKS + at))
    );
    let again = reopen(&shared(&devices[..2]), false).unwrap();
    assert_eq!(again.copies(), 2);
    let third = again.attach(devices[2].clone()).unwrap();
    assert_eq!((third, heal_as(&again, 8, 108).rebuilt), (2, 1));
    again.finish_resilver(2).unwrap();
    assert_eq!(reopen(&shared(&devices), false).unwrap().copies(), 3);
}

/// Sides fail and lose power with different subsets of what no flush covered. After each restart whatever a flush covered, and nothing has
/// written since, is on every side that is read.
#[test]
fn what_a_flush_covered_is_on_every_side_in_sync_after_any_cut() {
    let mut brought_back = 0;
    for seed in 0..100 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sides = rng.random_range(2..=3);
        let mut images: Vec<MemoryDevice> =
            (0..sides).map(|_| MemoryDevice::new(LABEL_BLOCKS + BLOCKS)).collect();
        let formatted: Vec<Arc<MemoryDevice>> = images.iter().map(|image| Arc::new(image.clone())).collect();
        let mirror = create(&formatted);
        (0..BLOCKS).for_each(|at| mirror.write(Pba(at), &block(at)).unwrap());
        images = formatted.iter().map(|device| (**device).clone()).collect();
        let mut model: Vec<Vec<u64>> = (0..BLOCKS).map(|at| vec![at]).collect();
        for life in 0..4 {
            let disks: Vec<Arc<CrashDevice>> =
                images.into_iter().map(|image| Arc::new(CrashDevice::from_image(image))).collect();
            let mirror = reopen(&shared(&disks), false)
                .unwrap_or_else(|misfit| panic!("seed {seed} life {life}: {misfit}"));
            check(&mirror, &model, seed, life);
            for side in 0..sides {
                if matches!(mirror.sides()[side].role, Role::Out { .. } | Role::Resilvering { .. }) {
                    bring_back(&mirror, side);
                    brought_back += 1;
                }
            }
            settle(&mirror, &mut model, seed << 32 | life << 16);
            disks.iter().for_each(|disk| disk.crash_after(rng.random_range(5..80)));
            for step in 1..60 {
                let at = rng.random_range(0..BLOCKS);
                let stamp = seed << 32 | life << 16 | step;
                let done = if rng.random_ratio(1, 4) {
                    mirror.flush().map(|()| {
                        model.iter_mut().for_each(|may| drop(may.drain(..may.len().saturating_sub(1))))
                    })
                } else {
                    model[at as usize].push(stamp);
                    mirror.write(Pba(at), &block(stamp))
                };
                if done.is_err() {
                    break;
                }
            }
            images = disks.iter().map(|disk| disk.cut(&mut rng)).collect();
        }
    }
    assert!(brought_back > 50, "sides went out and came back {brought_back} times only");
}

/// Each block may be as the last flush left it, or as any write since did; the same on all sides only if a flush came after.
fn check(mirror: &Mirror, model: &[Vec<u64>], seed: u64, life: u64) {
    for (at, may) in (0..).zip(model).filter(|(_, may)| may.len() == 1) {
        for copy in 0..mirror.copies() {
            let mut found = vec![0; BLOCK_BYTES];
            mirror.read_copy(copy, Pba(at), &mut found).unwrap();
            assert_eq!(found, block(may[0]), "seed {seed} life {life}: block {at}, copy {copy}, {mirror:?}");
        }
    }
}

/// What no flush covered may differ between sides: a caller that must know writes it anew.
fn settle(mirror: &Mirror, model: &mut [Vec<u64>], stamp: u64) {
    for (at, may) in (0..).zip(model).filter(|(_, may)| may.len() > 1) {
        mirror.write(Pba(at), &block(stamp)).unwrap();
        may.push(stamp);
    }
}

pub(super) fn bring_back(mirror: &Mirror, side: usize) {
    mirror.begin_resilver(side, None, 1).unwrap();
    for at in 0..BLOCKS {
        let mut wanted = vec![0; BLOCK_BYTES];
        mirror.read(Pba(at), &mut wanted).unwrap();
        mirror.heal(Pba(at), &mut vec![0; BLOCK_BYTES], &mut |copy| copy == wanted).unwrap();
    }
    mirror.finish_resilver(side).unwrap();
}
