//! What a cut may and may not leave behind.

use super::*;
use crate::{
    choices,
    tests::{block, conforms, read_block},
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeSet;

#[test]
fn agrees_with_an_array_model_while_the_power_is_on() {
    for seed in 0..10 {
        conforms(&CrashDevice::new(100), seed, 400);
    }
}

#[test]
fn a_flush_makes_everything_before_it_durable_and_nothing_after() {
    let device = CrashDevice::new(16);
    device.write(Pba(1), &block(1)).unwrap();
    device.discard(Extent::new(Pba(1), 1)).unwrap();
    device.write(Pba(2), &block(2)).unwrap();
    device.flush().unwrap();
    device.write(Pba(2), &block(3)).unwrap();
    assert_eq!(device.pending().len(), 1);
    assert_eq!(read_block(&device, 2), block(3));
    assert_eq!(read_block(&device.durable(), 1), vec![0; BLOCK_BYTES]);
    assert_eq!(read_block(&device.durable(), 2), block(2));
}

#[test]
fn each_write_survives_or_vanishes_on_its_own() {
    let device = CrashDevice::new(8);
    (0..3).for_each(|at| device.write(Pba(at), &block(at + 10)).unwrap());
    let states: BTreeSet<Vec<bool>> = choices(3)
        .map(|fates| {
            let image = device.image(&fates);
            (0..3).map(|at| read_block(&image, at) == block(at + 10)).collect()
        })
        .collect();
    assert_eq!(states.len(), 8);
}

#[test]
fn a_torn_write_mixes_old_and_new_by_sector() {
    let device = CrashDevice::new(8);
    device.write(Pba(3), &block(1).repeat(2)).unwrap();
    device.flush().unwrap();
    device.write(Pba(3), &block(2).repeat(2)).unwrap();
    let image = device.image(&[Fate::Torn(vec![0b1000_0001, 0b10])]);
    for block_index in 0..2u64 {
        let content = read_block(&image, 3 + block_index);
        for (sector, part) in content.chunks(SECTOR_BYTES).enumerate() {
            let new = matches!((block_index, sector), (0, 0 | 7) | (1, 1));
            let wanted = block(if new { 2 } else { 1 });
            assert_eq!(part, &wanted[..SECTOR_BYTES], "block {block_index}, sector {sector}");
        }
    }
}

#[test]
fn of_two_surviving_writes_the_later_wins_and_either_may_be_alone() {
    let device = CrashDevice::new(4);
    device.write(Pba(0), &block(1)).unwrap();
    device.write(Pba(0), &block(2)).unwrap();
    let left = |a, b| read_block(&device.image(&[a, b]), 0);
    assert_eq!(left(Fate::Kept, Fate::Kept), block(2));
    assert_eq!(left(Fate::Kept, Fate::Lost), block(1));
    assert_eq!(left(Fate::Lost, Fate::Kept), block(2));
    assert_eq!(left(Fate::Lost, Fate::Lost), vec![0; BLOCK_BYTES]);
}

#[test]
fn a_discard_may_leave_old_bytes_zeros_or_noise() {
    let device = CrashDevice::new(4);
    device.write(Pba(1), &block(1)).unwrap();
    device.flush().unwrap();
    device.discard(Extent::new(Pba(1), 1)).unwrap();
    let left = |fate| read_block(&device.image(&[fate]), 1);
    assert_eq!(left(Fate::Lost), block(1));
    assert_eq!(left(Fate::Kept), vec![0; BLOCK_BYTES]);
    let noise = left(Fate::Scrambled);
    assert!(noise != block(1) && noise != vec![0; BLOCK_BYTES]);
}

#[test]
fn after_the_allowance_everything_fails_and_the_last_request_is_uncertain() {
    let device = CrashDevice::new(8);
    device.crash_after(2);
    device.write(Pba(0), &block(0)).unwrap();
    device.flush().unwrap();
    let dead = Err(Error::Io { operation: "write", at: Pba(1), code: 5 });
    assert!(!device.is_dead());
    assert_eq!(device.write(Pba(1), &block(1)), dead);
    assert_eq!(device.write(Pba(1), &block(2)), dead);
    assert!(device.flush().is_err() && device.read(Pba(0), &mut block(0)).is_err());
    assert!(device.discard(Extent::new(Pba(0), 1)).is_err() && device.is_dead());
    assert_eq!(device.pending().len(), 1);
    assert_eq!(read_block(&device.image(&[Fate::Kept]), 1), block(1));
    assert_eq!(read_block(&device.durable(), 0), block(0));
}

#[test]
fn a_flush_that_fails_makes_nothing_certain() {
    let device = CrashDevice::new(8);
    device.write(Pba(0), &block(0)).unwrap();
    device.crash_after(0);
    assert!(device.flush().is_err());
    assert_eq!(device.pending().len(), 1);
    assert_eq!(read_block(&device.durable(), 0), vec![0; BLOCK_BYTES]);
}

#[test]
fn a_restart_lives_on_with_the_image() {
    let device = CrashDevice::new(8);
    device.write(Pba(0), &block(7)).unwrap();
    device.crash_after(0);
    device.flush().unwrap_err();
    device.restart(device.image(&[Fate::Kept]));
    assert_eq!((device.changes(), device.pending().len()), (0, 0));
    assert_eq!(read_block(&device, 0), block(7));
    device.write(Pba(0), &block(8)).unwrap();
    assert_eq!(read_block(&device.durable(), 0), block(7));
}

/// The invariant of the module, over random lives: no sector of an image comes from nowhere.
#[test]
fn every_sector_of_an_image_was_flushed_or_pending() {
    for seed in 0..200 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let device = CrashDevice::new(8);
        let mut allowed: Vec<BTreeSet<Vec<u8>>> = vec![BTreeSet::from([vec![0; SECTOR_BYTES]]); 8];
        for step in 0..rng.random_range(1..30) {
            let at = rng.random_range(0..8);
            if rng.random_ratio(1, 8) {
                device.flush().unwrap();
                for at in 0..8 {
                    allowed[at as usize] = BTreeSet::from([read_block(&device, at)[..SECTOR_BYTES].to_vec()]);
                }
            } else {
                device.write(Pba(at), &block(step)).unwrap();
                allowed[at as usize].insert(block(step)[..SECTOR_BYTES].to_vec());
            }
        }
        let fates = device.draw(&mut rng);
        let image = device.image(&fates);
        for at in 0..8 {
            for sector in read_block(&image, at).chunks(SECTOR_BYTES) {
                assert!(allowed[at as usize].contains(sector), "seed {seed}, block {at}, fates {fates:?}");
            }
        }
    }
}

#[test]
fn a_shorn_request_is_new_in_these_bytes_and_old_in_the_others() {
    let device = CrashDevice::new(4);
    device.write(Pba(1), &[1; 2 * BLOCK_BYTES]).unwrap();
    device.flush().unwrap();
    let left = |kept: std::ops::Range<usize>| {
        let mut content = vec![0; 2 * BLOCK_BYTES];
        device.image(&[Fate::Shorn(kept)]).read(Pba(1), &mut content).unwrap();
        content
    };
    device.write(Pba(1), &[2; 2 * BLOCK_BYTES]).unwrap();
    let between = left(700..5000);
    assert!(between[700..5000].iter().all(|byte| *byte == 2));
    assert!(between[..700].iter().chain(&between[5000..]).all(|byte| *byte == 1));
    assert_eq!(left(0..2 * BLOCK_BYTES), [2; 2 * BLOCK_BYTES]);
    assert_eq!(left(9..9), [1; 2 * BLOCK_BYTES]);
    assert_eq!(left(0..3 * BLOCK_BYTES), [1; 2 * BLOCK_BYTES], "no range of the request");
}

/// Issue scale: tens of thousands of lives; a debug build makes and drops one in well under a millisecond.
#[test]
fn making_an_image_does_not_copy_the_device() {
    let device = CrashDevice::new(4096);
    device.write(Pba(0), &vec![1; 4096 * BLOCK_BYTES]).unwrap();
    device.flush().unwrap();
    device.write(Pba(17), &block(17)).unwrap();
    for fate in [Fate::Kept, Fate::Lost].iter().cycle().take(4000) {
        let life = CrashDevice::from_image(device.image(std::slice::from_ref(fate)));
        assert_eq!(read_block(&life, 17) == block(17), *fate == Fate::Kept);
    }
}

#[test]
fn a_record_has_each_flush_with_what_it_covered_and_each_block_read_before_it_was_changed() {
    let device = CrashDevice::new(16);
    device.write(Pba(1), &block(1)).unwrap();
    device.flush().unwrap();
    device.record();
    device.write(Pba(2), &block(2)).unwrap();
    device.read(Pba(1), &mut [0; 3 * BLOCK_BYTES]).unwrap();
    device.read(Pba(0), &mut [0; 2 * BLOCK_BYTES]).unwrap();
    device.flush().unwrap();
    device.write(Pba(1), &block(3)).unwrap();
    let epochs = device.take_epochs();
    assert_eq!(epochs.len(), 1);
    assert_eq!(epochs[0].writes.len(), 1);
    assert_eq!(read_block(&epochs[0].image(&[Fate::Lost]), 2), vec![0; BLOCK_BYTES]);
    assert_eq!(read_block(&epochs[0].image(&[Fate::Kept]), 2), block(2));
    assert_eq!(read_block(&epochs[0].image(&[Fate::Kept]), 1), block(1));
    assert_eq!(device.first_reads(), [Pba(1), Pba(3), Pba(0)]);
    assert_eq!(device.open_epoch().writes.len(), 1);
    assert!(device.take_epochs().is_empty());
}
