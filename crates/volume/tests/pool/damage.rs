//! Damage at rest and devices that lie: an error or a finding, never a panic, a hang or wrong bytes.

use crate::bench::{BLOCK, get, holds, metadata, open, parts, put, stamped};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error, Extent, Lba, LbaRange, Pba, Place, Result};
use spinney_device::{Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_testkit::Dice;
use spinney_volume::{Pool, PoolOptions, SUPERBLOCK_SLOTS, Superblock};
use std::sync::Arc;

const VOLUME_BLOCKS: u64 = 120;

/// A pool with two versions and the content of its last two epochs: a stamp for each block of each version.
struct Sample {
    image: MemoryDevice,
    epochs: [Content; 2],
    data: Pba,
}

/// The versions with their blocks' stamps; 0 is a hole.
type Content = Vec<(DevId, Vec<u64>)>;

fn sample() -> Sample {
    let device = Arc::new(MemoryDevice::new(16 + 200 + 300));
    let mut pool = Pool::format(device.clone(), parts(), metadata(200)).unwrap();
    let volume = pool.create(VOLUME_BLOCKS).unwrap();
    let mut stamps = vec![0; VOLUME_BLOCKS as usize];
    let mut write = |pool: &mut Pool, at: u64, blocks: u64, stamp| {
        put(pool, volume, at, blocks, stamp).unwrap();
        stamps[at as usize..(at + blocks) as usize].fill(stamp);
        stamps.clone()
    };
    write(&mut pool, 0, 80, 1);
    let then = write(&mut pool, 30, 20, 2);
    let snapshot = pool.snapshot(volume).unwrap();
    let now = write(&mut pool, 60, 30, 3);
    pool.flush().unwrap();
    let before = vec![(volume, now), (snapshot, then.clone())];
    let now = write(&mut pool, 5, 7, 4);
    pool.flush().unwrap();
    let after = vec![(volume, now), (snapshot, then)];
    let data = pool.layout().data.start;
    drop(pool);
    Sample { image: (*device).clone(), epochs: [before, after], data }
}

/// Whether one epoch explains every block that can be read. Unreadable ones must be `Corrupt`.
fn explained(pool: &Pool, epochs: &[Content]) -> bool {
    epochs.iter().any(|content| {
        content.iter().all(|(dev, stamps)| {
            (0..).zip(stamps).all(|(at, stamp)| match get(pool, *dev, at) {
                Ok(bytes) if *stamp == 0 => bytes == [0; BLOCK_BYTES],
                Ok(bytes) => bytes == stamped(*stamp, at),
                Err(error) => matches!(error, Error::Corrupt { .. }),
            })
        })
    })
}

/// Everything that a user might do with a pool that may be damaged: whatever is said, nothing may panic. Errors: the first.
fn use_all(pool: &mut Pool, content: &Content) -> Result<()> {
    let mut outcome = Ok(());
    let mut note = |done: Result<()>| outcome = outcome.and(done);
    let range = LbaRange::new(Lba(0), VOLUME_BLOCKS);
    let (volume, snapshot) = (content[0].0, content[1].0);
    note(pool.versions().map(drop));
    note(pool.usage(volume).map(drop));
    note(pool.usage(snapshot).map(drop));
    note(pool.diff(snapshot, volume, range, &mut |_| {}));
    note(pool.clone_of(snapshot).map(drop));
    note(put(pool, volume, 50, 40, 7));
    note(pool.discard(volume, 0, 20 * BLOCK));
    note(pool.delete(snapshot));
    note(pool.settle());
    note(pool.flush());
    outcome
}

fn flip(image: &MemoryDevice, at: Pba, bit: u64) {
    let mut block = [0; BLOCK_BYTES];
    image.read(at, &mut block).unwrap();
    block[(bit / 8) as usize] ^= 1 << (bit % 8);
    image.write(at, &block).unwrap();
}

#[test]
fn a_damaged_data_block_is_corrupt_and_names_its_place() {
    let sample = sample();
    let (volume, _) = sample.epochs[1][0];
    let device = Arc::new(sample.image.clone());
    let pool = open(device.clone()).unwrap();
    let mut on = None;
    pool.runs(volume, LbaRange::new(Lba(33), 1), &mut |run| on = run.on).unwrap();
    let at = on.unwrap();
    flip(&device, at, 12_345);
    let what = "data block (checksum differs)";
    assert_eq!(get(&pool, volume, 33), Err(Error::Corrupt { what, place: Place::Block(at) }));
    holds(&pool, volume, 32, 1, 2);
    let report = pool.check(true).unwrap();
    assert_eq!(report.findings.iter().map(|finding| finding.place).collect::<Vec<_>>(), [Place::Block(at)]);
    assert!(pool.check(false).unwrap().is_sound(), "without a scrub no data is read");
}

#[test]
fn a_damaged_data_block_is_healed_by_a_whole_overwrite_only() {
    let sample = sample();
    let (volume, _) = sample.epochs[1][0];
    let device = Arc::new(sample.image.clone());
    let mut pool = open(device.clone()).unwrap();
    let mut on = None;
    pool.runs(volume, LbaRange::new(Lba(33), 1), &mut |run| on = run.on).unwrap();
    flip(&device, on.unwrap(), 1);
    assert!(matches!(pool.write(volume, 33 * BLOCK + 9, &[1]), Err(Error::Corrupt { .. })));
    put(&mut pool, volume, 33, 1, 9).unwrap();
    holds(&pool, volume, 33, 1, 9);
}

#[test]
fn a_device_that_lies_gives_errors_and_never_wrong_bytes() {
    let kinds = [
        FaultKind::LostWrite,
        FaultKind::MisdirectedWrite { shift_blocks: 1 },
        FaultKind::MisdirectedRead { shift_blocks: 1 },
        FaultKind::FlipOnRead { bit: 777 },
        FaultKind::StaleRead,
    ];
    let sample = sample();
    let data_end = sample.image.blocks();
    for kind in kinds {
        let device = Arc::new(FaultDevice::new(sample.image.clone(), &[]));
        let mut pool = open(device.clone()).unwrap();
        let volume = sample.epochs[1][0].0;
        let data = spinney_core::Extent::new(sample.data, data_end - sample.data.0);
        device.set_script(&[Fault::once(kind, 0).within(data)]);
        // An overwrite for the faults of writes (and for something stale), then reads.
        put(&mut pool, volume, 70, 1, 8).unwrap();
        put(&mut pool, volume, 70, 1, 9).unwrap();
        let mut wrong = 0;
        for at in 0..VOLUME_BLOCKS {
            match get(&pool, volume, at) {
                Ok(bytes) if at == 70 => assert!(bytes == stamped(9, at), "{kind:?}"),
                Ok(bytes) => {
                    let stamp = sample.epochs[1][0].1[at as usize];
                    let right = if stamp == 0 { vec![0; BLOCK_BYTES] } else { stamped(stamp, at) };
                    assert!(bytes == right, "{kind:?} gave wrong bytes for block {at}");
                }
                Err(error) => {
                    assert!(matches!(error, Error::Corrupt { .. }), "{kind:?}: {error}");
                    wrong += 1;
                }
            }
        }
        assert!(wrong <= 1, "{kind:?}: one fault, {wrong} blocks");
    }
}

#[test]
fn every_flipped_bit_of_a_superblock_is_seen() {
    let sample = sample();
    let newest = Superblock::load(&sample.image, false).unwrap();
    for (slot, at) in SUPERBLOCK_SLOTS.into_iter().enumerate() {
        let mut block = [0; BLOCK_BYTES];
        sample.image.read(at, &mut block).unwrap();
        let whole = Superblock::decode(&block, slot).unwrap();
        // All but the copy of the epoch, which is sealed apart and only asked where the rest is damaged.
        for bit in (0..BLOCK_BYTES * 8).filter(|bit| !(488..504).contains(&(bit / 8))) {
            block[bit / 8] ^= 1 << (bit % 8);
            let decoded = Superblock::decode(&block, slot);
            assert!(matches!(decoded, Err(Error::Corrupt { .. })), "bit {bit} of slot {slot}: {decoded:?}");
            block[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(Superblock::decode(&block, slot).unwrap(), whole);
        assert!(whole == newest || whole.epoch.next() == newest.epoch);
        assert!(Superblock::decode(&block, 1 - slot).is_err(), "a slot's superblock is no other's");
    }
}

fn accepting_older(image: MemoryDevice) -> spinney_core::Result<Pool> {
    let options = PoolOptions { accept_unreadable_slot: true, ..PoolOptions::default() };
    Pool::open(Arc::new(image), options, &|_| Ok(parts()))
}

/// Every field of the used part, and some of the rest.
fn bits() -> impl Iterator<Item = u64> {
    (0..400 * 8).step_by(13).chain(504 * 8..512 * 8).chain((512 * 8..BLOCK * 8).step_by(997))
}

#[test]
fn a_flipped_bit_of_the_newest_superblock_is_told_and_the_older_taken_only_if_accepted() {
    let sample = sample();
    let newest = Superblock::load(&sample.image, false).unwrap().epoch.0 % 2;
    for bit in bits() {
        let image = sample.image.clone();
        flip(&image, SUPERBLOCK_SLOTS[newest as usize], bit);
        let place = Place::Superblock(newest as u8);
        let refused = open(Arc::new(image.clone())).err();
        assert!(
            matches!(refused, Some(Error::Corrupt { place: at, .. }) if at == place),
            "bit {bit}: {refused:?}"
        );
        assert!(explained(&accepting_older(image).unwrap(), &sample.epochs[..1]), "bit {bit}");
    }
}

#[test]
fn a_flipped_bit_of_the_older_superblock_is_harmless() {
    let sample = sample();
    let older = 1 - Superblock::load(&sample.image, false).unwrap().epoch.0 % 2;
    for bit in bits() {
        let image = sample.image.clone();
        flip(&image, SUPERBLOCK_SLOTS[older as usize], bit);
        let pool = open(Arc::new(image)).unwrap();
        assert!(explained(&pool, &sample.epochs[1..]), "bit {bit}");
    }
}

/// A cut in the middle of the newest superblock's write, in every way that 512-byte sectors allow: all that differs is one sector.
#[test]
fn a_superblock_torn_in_any_way_is_the_old_or_the_new_one() {
    let sample = sample();
    let newest = Superblock::load(&sample.image, false).unwrap();
    let slot = newest.epoch.0 as usize % 2;
    let mut before = newest.clone();
    before.epoch.0 -= 2;
    let (before, after) = (before.encode(slot), newest.encode(slot));
    for sectors in 0..=255u32 {
        let torn: Vec<u8> = (0..BLOCK_BYTES)
            .map(|at| if sectors >> (at / 512) & 1 == 1 { after[at] } else { before[at] })
            .collect();
        let image = sample.image.clone();
        image.write(SUPERBLOCK_SLOTS[slot], &torn).unwrap();
        let pool = open(Arc::new(image)).unwrap();
        let epochs = if sectors & 1 == 1 { &sample.epochs[1..] } else { &sample.epochs[..1] };
        assert!(explained(&pool, epochs), "sectors {sectors:08b}");
    }
}

#[test]
fn a_superblock_that_the_device_drops_fails_its_flush() {
    for kind in [
        FaultKind::LostWrite,
        FaultKind::MisdirectedWrite { shift_blocks: 8 },
        FaultKind::FlipOnWrite { bit: 30_000 },
        FaultKind::TornWrite { sectors: 0xF0 },
    ] {
        let device = Arc::new(FaultDevice::new(sample().image, &[]));
        let mut pool = open(device.clone()).unwrap();
        let dev = pool.versions().unwrap()[0].dev;
        put(&mut pool, dev, 0, 1, 9).unwrap();
        let slots = SUPERBLOCK_SLOTS.map(|slot| Fault::once(kind, 0).within(Extent::new(slot, 1)));
        device.set_script(&slots);
        let flushed = pool.flush();
        assert!(
            matches!(flushed, Err(Error::Corrupt { place: Place::Superblock(_), .. })),
            "{kind:?}: {flushed:?}"
        );
        assert_eq!(pool.flush(), Err(Error::Closed), "{kind:?}");
    }
}

#[test]
fn zeros_that_the_device_drops_fail_a_format_over_an_old_pool() {
    for slot in SUPERBLOCK_SLOTS {
        let lost = Fault::once(FaultKind::LostWrite, 0).within(Extent::new(slot, 1));
        let device = Arc::new(FaultDevice::new(sample().image, &[lost]));
        let formatted = Pool::format(device, parts(), PoolOptions::default()).err();
        assert!(
            matches!(formatted, Some(Error::Corrupt { place: Place::Superblock(_), .. })),
            "{formatted:?}"
        );
    }
}

#[test]
fn without_any_valid_superblock_there_is_no_pool() {
    let sample = sample();
    for at in SUPERBLOCK_SLOTS {
        flip(&sample.image, at, 3000);
    }
    assert!(matches!(open(Arc::new(sample.image)), Err(Error::Corrupt { .. })));
    let blank = open(Arc::new(MemoryDevice::new(1000)));
    assert!(matches!(blank, Err(Error::Corrupt { .. })));
    for blocks in [0, 1, 8, 9] {
        assert!(open(Arc::new(MemoryDevice::new(blocks))).is_err(), "{blocks} blocks");
    }
}

#[test]
fn flipped_bits_in_the_metadata_are_found_or_harmless() {
    let sample = sample();
    let blocks: Vec<Pba> = written(&sample);
    let (mut seen, mut harmless) = (0, 0);
    for seed in 0..1500 {
        let mut dice = Dice::new("flipped bits", seed);
        let image = sample.image.clone();
        for _ in 0..dice.between(1, 3) {
            flip(&image, *dice.one_of(&blocks), dice.below(BLOCK * 8));
        }
        let mut pool = match open(Arc::new(image)) {
            Ok(pool) => pool,
            Err(Error::Corrupt { .. }) => {
                seen += 1;
                continue;
            }
            Err(error) => panic!("seed {seed}: {error}"),
        };
        assert!(explained(&pool, &sample.epochs[1..]), "seed {seed}: wrong bytes or a wrong error");
        let checked = pool.check(true);
        let found = !matches!(&checked, Ok(report) if report.is_sound());
        let used = use_all(&mut pool, &sample.epochs[1]);
        assert!(found || used.is_ok(), "seed {seed}: the checker missed what hurt: {used:?}");
        seen += u64::from(found);
        harmless += u64::from(!found);
    }
    // Blocks of older epochs lie among those that count.
    assert!(seen > 200 && harmless > 100, "{seen} were found, {harmless} harmless");
}

/// The blocks of the metadata area that hold anything.
fn written(sample: &Sample) -> Vec<Pba> {
    let mut block = [0; BLOCK_BYTES];
    let mut found = Vec::new();
    for at in (16..sample.data.0).map(Pba) {
        sample.image.read(at, &mut block).unwrap();
        if block != [0; BLOCK_BYTES] {
            found.push(at);
        }
    }
    found
}

#[test]
fn metadata_blocks_that_are_zeroed_or_swapped_are_found_or_harmless() {
    let sample = sample();
    let blocks = written(&sample);
    for seed in 0..400 {
        let mut dice = Dice::new("swapped blocks", seed);
        let image = sample.image.clone();
        let (one, other) = (*dice.one_of(&blocks), *dice.one_of(&blocks));
        let mut content = [0; BLOCK_BYTES];
        if dice.one_in(2) {
            image.read(other, &mut content).unwrap();
        }
        image.write(one, &content).unwrap();
        if let Ok(mut pool) = open(Arc::new(image)) {
            assert!(explained(&pool, &sample.epochs[1..]), "seed {seed}");
            let found = !matches!(pool.check(true), Ok(report) if report.is_sound());
            let used = use_all(&mut pool, &sample.epochs[1]);
            assert!(found || used.is_ok(), "seed {seed}: {used:?}");
        }
    }
}

#[test]
fn a_damaged_tree_of_a_deleted_version_keeps_nobody_from_flushing() {
    let sample = sample();
    let (volume, snapshot) = (sample.epochs[1][0].0, sample.epochs[1][1].0);
    let image = Arc::new(sample.image.clone());
    let idle = PoolOptions { tend_budget: 0, ..PoolOptions::default() };
    let mut pool = Pool::open(image.clone(), idle, &|_| Ok(parts())).unwrap();
    pool.delete(snapshot).unwrap();
    pool.flush().unwrap();
    drop(pool);
    let mut kept_going = 0;
    for at in written(&sample) {
        let device = (*image).clone();
        flip(&device, at, 9999);
        let Ok(mut pool) = open(Arc::new(device)) else { continue };
        let cannot_tend = pool.tend(1000).is_err();
        if put(&mut pool, volume, 100, 1, 6).is_ok() {
            pool.flush().unwrap();
            holds(&pool, volume, 100, 1, 6);
            kept_going += u64::from(cannot_tend);
        }
    }
    assert!(kept_going > 0, "no block was of the deleted version's tree alone");
}
