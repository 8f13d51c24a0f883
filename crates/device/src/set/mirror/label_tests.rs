//! Sides that missed an opening, labels that a cut left behind, and marks that two requests make at once.

use super::tests::{BLOCKS, Faulty, Shared, bring_back, create, fail, faulty, reopen, shared};
use super::*;
use crate::set::{LABEL_BLOCKS, Misfit};
use crate::tests::{block, read_block};
use crate::{Fault, FaultKind, MemoryDevice};
use spinney_core::BLOCK_BYTES;
use std::sync::Barrier;

fn memories(sides: usize) -> Vec<Arc<MemoryDevice>> {
    (0..sides).map(|_| Arc::new(MemoryDevice::new(LABEL_BLOCKS + BLOCKS))).collect()
}

fn put(mirror: &Mirror, number: u64) {
    mirror.write(Pba(3), &block(number)).unwrap();
    mirror.flush().unwrap();
}

/// What each side that is read has.
#[track_caller]
fn every_copy_is(mirror: &Mirror, number: u64) {
    for copy in 0..mirror.copies() {
        let mut found = vec![0; BLOCK_BYTES];
        mirror.read_copy(copy, Pba(3), &mut found).unwrap();
        assert_eq!(found, block(number), "copy {copy}, {mirror:?}");
    }
}

#[test]
fn a_side_that_missed_an_opening_is_out_until_it_was_brought_up_to_date() {
    for stale in 0..2 {
        for openings in 1..4 {
            let mut devices = memories(2);
            put(&create(&devices), 1);
            let backup = Arc::new((*devices[stale]).clone());
            (0..openings).for_each(|more| put(&reopen(&shared(&devices), false).unwrap(), 2 + more));
            devices[stale] = backup;
            let mirror = reopen(&shared(&devices), false).unwrap();
            assert!(matches!(mirror.sides()[stale].role, Role::Out { since: Some(0), .. }), "{mirror:?}");
            every_copy_is(&mirror, 1 + openings);
            put(&mirror, 9);
            drop(mirror);
            let mirror = reopen(&shared(&devices), false).unwrap();
            assert_eq!(mirror.copies(), 1, "it stays out after a restart");
            bring_back(&mirror, stale);
            drop(mirror);
            let mirror = reopen(&shared(&devices), false).unwrap();
            assert_eq!(mirror.copies(), 2);
            every_copy_is(&mirror, 9);
        }
    }
}

#[test]
fn an_old_copy_of_a_side_that_was_used_alone_is_not_joined() {
    let mut devices = memories(2);
    put(&create(&devices), 1);
    let backup = Arc::new((*devices[1]).clone());
    (2..5).for_each(|number| put(&reopen(&shared(&devices), false).unwrap(), number));
    devices[1] = backup;
    put(&reopen(&shared(&devices[1..]), true).unwrap(), 7);
    assert!(matches!(reopen(&shared(&devices), false).err(), Some(Misfit::Split(..))));
}

#[test]
fn an_opening_that_changes_nothing_writes_nothing() {
    let devices = memories(2);
    put(&create(&devices), 1);
    let before: Vec<_> = devices.iter().map(|device| read_block(&**device, 0)).collect();
    let mirror = reopen(&shared(&devices), false).unwrap();
    every_copy_is(&mirror, 1);
    mirror.flush().unwrap();
    assert!(before.iter().eq(&devices.iter().map(|device| read_block(&**device, 0)).collect::<Vec<_>>()));
    mirror.write(Pba(3), &block(2)).unwrap();
    assert!(before.iter().zip(&devices).all(|(before, device)| *before != read_block(&**device, 0)));
}

/// A cut inside a store of labels left one side without word of another that is out.
#[test]
fn a_side_whose_label_was_left_behind_is_told_before_anything_is_written() {
    let devices = memories(3);
    let mirror = create(&devices);
    put(&mirror, 1);
    let slots = [0, 8].map(|slot| (Pba(slot), read_block(&*devices[1], slot)));
    mirror.take_out(2).unwrap();
    slots.iter().for_each(|(slot, before)| devices[1].write(*slot, before).unwrap());
    drop(mirror);
    let mirror = reopen(&shared(&devices), false).unwrap();
    assert_eq!(mirror.copies(), 2, "one behind by one generation is no loss");
    put(&mirror, 2);
    drop(mirror);
    let mirror = reopen(&shared(&devices[1..]), true).unwrap();
    assert!(matches!(mirror.sides()[2].role, Role::Out { .. }), "{mirror:?}");
    every_copy_is(&mirror, 2);
}

#[test]
fn no_forged_generation_makes_a_label_that_cannot_be_read_again() {
    for below in 0..3 {
        let devices = memories(2);
        let mut label = {
            create(&devices);
            Label::load(&*devices[0]).unwrap().unwrap()
        };
        label.generation = (1 << 62) - below;
        for (member, device) in devices.iter().enumerate() {
            Label { member, ..label.clone() }.store(&**device).unwrap();
        }
        let mirror = reopen(&shared(&devices), false).unwrap();
        assert_eq!(mirror.write(Pba(0), &block(1)).is_ok(), below == 2, "{below}");
        assert!(reopen(&shared(&devices), false).is_ok(), "{below}");
    }
}

#[test]
fn a_discard_that_fails_marks_nobody_out() {
    let devices = faulty(2);
    let mirror = create(&devices);
    put(&mirror, 1);
    fail(&devices[1], FaultKind::AnyError);
    mirror.discard(Extent::new(Pba(0), 2)).unwrap();
    assert_eq!(mirror.copies(), 2);
    fail(&devices[0], FaultKind::AnyError);
    assert!(mirror.discard(Extent::new(Pba(0), 2)).is_err(), "nobody took it");
}

/// The last side, where two writes meet after they were on the first.
struct Meeting(Faulty, Barrier);

impl BlockDevice for Meeting {
    fn blocks(&self) -> u64 {
        self.0.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.0.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let done = self.0.write(at, data);
        if [4, 5].contains(&at.0.saturating_sub(LABEL_BLOCKS)) {
            self.1.wait();
        }
        done
    }
    fn flush(&self) -> Result<()> {
        self.0.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.0.discard(run)
    }
}

/// Each side fails one of two writes at once. One side stays, and it lacks what it failed: that write is not said to be done.
#[test]
fn of_two_sides_that_fail_at_once_the_one_that_stays_fails_its_write() {
    let devices = faulty(2);
    let last = Arc::new(Meeting(devices[1].clone(), Barrier::new(2)));
    let given: Vec<Shared> = vec![devices[0].clone(), last];
    let set = crate::set::DeviceSet::create(crate::set::SetKind::Mirror, 0, given, [1; 16]);
    let mirror = set.unwrap().mirror.unwrap();
    put(&mirror, 1);
    for (side, at) in [4, 5].into_iter().enumerate() {
        let place = Extent::new(Pba(LABEL_BLOCKS + at), 1);
        devices[side].set_script(&[Fault::forever(FaultKind::WriteError, 0).within(place)]);
    }
    let write = |at| mirror.write(Pba(at), &block(2)).is_ok();
    let done = std::thread::scope(|scope| {
        let other = scope.spawn(|| write(5));
        [write(4), other.join().unwrap()]
    });
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{mirror:?}");
    let stays = usize::from(mirror.sides()[1].role == Role::InSync);
    assert!(!done[stays], "side {stays} stays and failed its write: {done:?}");
}
