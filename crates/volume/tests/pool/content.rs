//! Reads and writes: bytes go where they were sent, and nowhere else.

use crate::bench::{BLOCK, get, holds, pool_of, put, sound};
use spinney_core::{BLOCK_BYTES, DevId, Error};
use spinney_testkit::Dice;

#[test]
fn a_volume_that_was_never_written_reads_as_zeros() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(1 << 40).unwrap();
    holds(&pool, volume, 0, 3, 0);
    holds(&pool, volume, (1 << 40) - 1, 1, 0);
    assert_eq!(pool.space().free_blocks, 64);
}

#[test]
fn ragged_writes_and_reads_agree_with_an_array() {
    const BYTES: u64 = 24 * BLOCK;
    for seed in 0..6 {
        let mut dice = Dice::new("ragged writes", seed);
        let (_, mut pool) = pool_of(256);
        let volume = pool.create(24).unwrap();
        let mut model = vec![0; BYTES as usize];
        for round in 0..120 {
            let offset = dice.below(BYTES);
            let bytes = dice.log_uniform(BYTES - offset);
            let range = offset as usize..(offset + bytes) as usize;
            let byte = if dice.one_in(8) { 0 } else { round + 1 };
            match byte {
                0 => pool.zero(volume, offset, bytes).unwrap(),
                _ => pool.write(volume, offset, &vec![byte; bytes as usize]).unwrap(),
            }
            model[range].fill(byte);
            let (from, to) = (dice.below(offset + 1), dice.between(offset, BYTES));
            let mut found = vec![0xEE; (to - from) as usize];
            pool.read(volume, from, &mut found).unwrap();
            assert!(model[from as usize..to as usize] == found, "seed {seed}, round {round}");
            if dice.one_in(8) {
                pool.flush().unwrap();
            }
        }
        let mut all = vec![0xEE; BYTES as usize];
        pool.read(volume, 0, &mut all).unwrap();
        assert!(all == model, "seed {seed}");
        sound(&pool);
    }
}

#[test]
fn an_empty_read_or_write_does_nothing() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(8).unwrap();
    pool.write(volume, 8 * BLOCK, &[]).unwrap();
    pool.read(volume, 8 * BLOCK, &mut []).unwrap();
    assert_eq!(pool.space().free_blocks, 64);
}

#[test]
fn a_request_past_the_end_is_refused_and_changes_nothing() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(8).unwrap();
    put(&mut pool, volume, 0, 8, 1).unwrap();
    let past = |done| assert!(matches!(done, Err(Error::OutOfRange { .. })), "{done:?}");
    for offset in [8 * BLOCK - 1, 8 * BLOCK, u64::MAX - 1, u64::MAX] {
        past(pool.write(volume, offset, &[9, 9]));
        past(pool.read(volume, offset, &mut [0; 2]));
        past(pool.discard(volume, offset, 2));
        past(pool.zero(volume, offset, 2));
    }
    past(pool.discard(volume, 1, u64::MAX));
    holds(&pool, volume, 0, 8, 1);
}

#[test]
fn a_request_of_whole_blocks_past_the_end_is_refused_in_bytes_too() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(8).unwrap();
    put(&mut pool, volume, 0, 8, 1).unwrap();
    let limit = 8 * BLOCK;
    for (at, blocks) in [(8, 1), (7, 2), (100, 3), (0, 9)] {
        let past = Err(Error::OutOfRange { start: at * BLOCK, length: blocks * BLOCK, limit });
        assert_eq!(pool.read(volume, at * BLOCK, &mut vec![0; (blocks * BLOCK) as usize]), past);
        assert_eq!(put(&mut pool, volume, at, blocks, 2), past);
    }
    holds(&pool, volume, 0, 8, 1);
}

#[test]
fn a_version_whose_bytes_cannot_be_counted_is_refused() {
    let (_, mut pool) = pool_of(64);
    for blocks in [u64::MAX, 1 << 52] {
        assert!(matches!(pool.create(blocks), Err(Error::OutOfRange { .. })));
    }
    let largest = pool.create((1 << 52) - 2).unwrap();
    pool.write(largest, ((1 << 52) - 2) * BLOCK - 3, b"end").unwrap();
    pool.zero(largest, ((1 << 52) - 2) * BLOCK - 2, 2).unwrap();
    let mut end = [9; 3];
    pool.read(largest, ((1 << 52) - 2) * BLOCK - 3, &mut end).unwrap();
    assert_eq!(&end, b"e\0\0");
    pool.delete(largest).unwrap();
    pool.settle().unwrap();
    sound(&pool);
}

#[test]
fn a_version_without_blocks_holds_nothing_and_can_be_snapshot() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(0).unwrap();
    pool.snapshot(volume).unwrap();
    pool.read(volume, 0, &mut []).unwrap();
    assert!(matches!(pool.read(volume, 0, &mut [0]), Err(Error::OutOfRange { .. })));
    pool.flush().unwrap();
    sound(&pool);
}

#[test]
fn an_unknown_version_is_not_found() {
    let (_, mut pool) = pool_of(64);
    let none = DevId(77);
    assert_eq!(pool.write(none, 0, &[1]), Err(Error::NotFound(none)));
    assert_eq!(pool.read(none, 0, &mut [1]), Err(Error::NotFound(none)));
    assert_eq!(pool.snapshot(none), Err(Error::NotFound(none)));
    assert_eq!(pool.delete(none), Err(Error::NotFound(none)));
}

#[test]
fn a_discard_leaves_holes_and_gives_the_blocks_back() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(20).unwrap();
    put(&mut pool, volume, 0, 20, 1).unwrap();
    pool.discard(volume, 5 * BLOCK + 1, 6 * BLOCK).unwrap();
    holds(&pool, volume, 0, 6, 1);
    holds(&pool, volume, 6, 5, 0);
    holds(&pool, volume, 11, 9, 1);
    pool.flush().unwrap();
    assert_eq!(pool.space().free_blocks, 64 - 15);
    sound(&pool);
}

#[test]
fn zeroing_covers_ragged_ends_too() {
    let (_, mut pool) = pool_of(64);
    let volume = pool.create(8).unwrap();
    pool.write(volume, 0, &[7; 8 * BLOCK_BYTES]).unwrap();
    pool.zero(volume, BLOCK - 3, 2 * BLOCK + 7).unwrap();
    let mut all = vec![0; 8 * BLOCK_BYTES];
    pool.read(volume, 0, &mut all).unwrap();
    let zeros = BLOCK_BYTES - 3..3 * BLOCK_BYTES + 4;
    assert!(all.iter().enumerate().all(|(at, byte)| *byte == if zeros.contains(&at) { 0 } else { 7 }));
}

#[test]
fn writes_of_many_pieces_arrive_whole() {
    let (_, mut pool) = pool_of(1400);
    let volume = pool.create(1300).unwrap();
    put(&mut pool, volume, 3, 1200, 5).unwrap();
    holds(&pool, volume, 0, 3, 0);
    holds(&pool, volume, 3, 1200, 5);
    holds(&pool, volume, 1203, 97, 0);
    assert!(get(&pool, volume, 1300).is_err());
}
