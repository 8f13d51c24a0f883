//! The intent log: what a flush covers is there after a cut, without a commit; what none covers is there whole or not at all.
//!
//! Invariant: every test runs on a pool whose last commit is known, and looks at the device's requests or at what opening finds.

mod damage;

use crate::bench::{BLOCK, get, holds, metadata, parts, put, sound};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Epoch, Error, Extent, Pba, Place, Result};
use spinney_device::{CrashDevice, Fate, Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_volume::{ChecksumKind, LogEntry, LogRecord, Pool, PoolOptions, Superblock};
use std::sync::Arc;

const LOG_BLOCKS: u64 = 8;

fn options() -> PoolOptions {
    PoolOptions { log_blocks: LOG_BLOCKS, ..metadata(400) }
}

fn open(device: Arc<dyn BlockDevice>) -> Result<Pool> {
    Pool::open(device, options(), &|_| Ok(parts()))
}

/// A pool with a volume of 60 blocks, of which 40 are committed with stamp 1, and with no background work left.
fn pool_on(device: Arc<dyn BlockDevice>) -> (Pool, DevId) {
    let mut pool = Pool::format(device, parts(), options()).unwrap();
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.settle().unwrap();
    (pool, volume)
}

fn pool_in_memory() -> (Arc<MemoryDevice>, Pool, DevId) {
    let device = Arc::new(MemoryDevice::new(16 + 400 + LOG_BLOCKS + 200));
    let (pool, volume) = pool_on(device.clone());
    (device, pool, volume)
}

/// The records on a device, in order, with their places.
fn records(device: &dyn BlockDevice) -> Vec<(Pba, LogRecord)> {
    let superblock = Superblock::load(device, false).unwrap();
    let log = superblock.layout.log;
    let mut bytes = vec![0; log.blocks as usize * BLOCK_BYTES];
    device.read(log.start, &mut bytes).unwrap();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < log.blocks {
        let place = Pba(log.start.0 + at);
        let Some((record, blocks)) = LogRecord::decode(&bytes[at as usize * BLOCK_BYTES..], place) else {
            break;
        };
        if record.seal != superblock.seal() {
            break;
        }
        found.push((place, record));
        at += blocks;
    }
    found
}

#[test]
fn a_flush_of_writes_and_discards_is_one_record_and_one_flush_of_the_device() {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + LOG_BLOCKS + 200), &[]));
    let (mut pool, volume) = pool_on(device.clone());
    let epoch = pool.epoch();
    put(&mut pool, volume, 30, 5, 2).unwrap();
    pool.discard(volume, 0, 3 * BLOCK).unwrap();
    let before = device.requests();
    pool.flush().unwrap();
    assert_eq!((device.requests() - before, pool.epoch()), (2, epoch));
    pool.flush().unwrap();
    assert_eq!(device.requests() - before, 2, "nothing is new");
    let found = records(&*device);
    let [(_, LogRecord { entries, sequence: 0, .. })] = &found[..] else { panic!("{found:?}") };
    assert!(matches!(entries[..], [LogEntry::Map { .. }, LogEntry::Unmap { .. }]), "{entries:?}");
    drop(pool);
    let pool = open(device).unwrap();
    assert_eq!(
        (pool.epoch(), pool.stats().log_records_replayed),
        (epoch.next(), 1),
        "replayed and committed"
    );
    holds(&pool, volume, 0, 3, 0);
    holds(&pool, volume, 3, 27, 1);
    holds(&pool, volume, 30, 5, 2);
    sound(&pool);
}

#[test]
fn what_the_log_does_not_hold_is_committed() {
    type Change = fn(&mut Pool, DevId) -> Result<()>;
    let changes: [(&str, Change); 5] = [
        ("create", |pool, _| pool.create(1).map(drop)),
        ("snapshot", |pool, volume| pool.snapshot(volume).map(drop)),
        ("delete", |pool, volume| pool.delete(volume)),
        ("name", |pool, _| pool.create_named(&"a".parse()?, 1, 0).map(drop)),
        ("more than the log", |pool, volume| {
            (0..LOG_BLOCKS * 130).try_for_each(|at| pool.discard(volume, at % 60 * BLOCK, BLOCK))
        }),
    ];
    for (what, change) in changes {
        let (_, mut pool, volume) = pool_in_memory();
        put(&mut pool, volume, 5, 5, 2).unwrap();
        change(&mut pool, volume).unwrap();
        let epoch = pool.epoch();
        pool.flush().unwrap();
        assert_eq!((pool.epoch(), pool.stats().log_records), (epoch.next(), 0), "{what}");
    }
}

#[test]
fn a_full_log_is_begun_anew_by_a_commit() {
    let (device, mut pool, volume) = pool_in_memory();
    let epoch = pool.epoch();
    for stamp in 2..2 + LOG_BLOCKS + 1 {
        assert_eq!(pool.epoch(), epoch);
        put(&mut pool, volume, stamp, 1, stamp).unwrap();
        pool.flush().unwrap();
    }
    assert_eq!((pool.epoch(), pool.stats().log_records), (epoch.next(), LOG_BLOCKS));
    assert_eq!(records(&*device).len(), 0, "older records stand on an older commit");
    put(&mut pool, volume, 50, 1, 99).unwrap();
    pool.flush().unwrap();
    assert_eq!(records(&*device).len(), 1);
    drop(pool);
    let pool = open(device).unwrap();
    assert_eq!(pool.stats().log_records_replayed, 1);
    (2..2 + LOG_BLOCKS + 1).for_each(|stamp| holds(&pool, volume, stamp, 1, stamp));
    holds(&pool, volume, 50, 1, 99);
    sound(&pool);
}

/// Blocks that are written over and over keep the data of each record until the commit.
#[test]
fn every_record_of_an_epoch_replays_in_order() {
    for checksums in ChecksumKind::ALL {
        let device = Arc::new(MemoryDevice::new(16 + 400 + LOG_BLOCKS + 200));
        let mut pool = Pool::format(device.clone(), parts(), PoolOptions { checksums, ..options() }).unwrap();
        let volume = pool.create(60).unwrap();
        pool.settle().unwrap();
        for stamp in 1..=5 {
            put(&mut pool, volume, 0, 10 + stamp, stamp).unwrap();
            pool.discard(volume, stamp * BLOCK, BLOCK).unwrap();
            pool.flush().unwrap();
        }
        put(&mut pool, volume, 0, 20, 9).unwrap(); // not flushed
        drop(pool);
        let pool = open(device.clone()).unwrap();
        assert_eq!(pool.stats().log_records_replayed, 5);
        holds(&pool, volume, 0, 5, 5);
        holds(&pool, volume, 5, 1, 0);
        holds(&pool, volume, 6, 9, 5);
        sound(&pool);
        drop(pool);
        let pool = open(device).unwrap();
        assert_eq!(pool.stats().log_records_replayed, 0, "that is committed");
        holds(&pool, volume, 0, 5, 5);
        sound(&pool);
    }
}

/// A life up to a flush through the log, cut after so many changes of the device, with such fates for what was pending.
fn cut_in_a_flush(after: u64, fate: impl Fn(usize, u64) -> Fate) -> Option<(bool, MemoryDevice, DevId)> {
    let device = Arc::new(CrashDevice::new(16 + 400 + LOG_BLOCKS + 200));
    let (mut pool, volume) = pool_on(device.clone());
    put(&mut pool, volume, 0, 1, 2).unwrap();
    pool.flush().unwrap();
    device.crash_after(after);
    let flushed = put(&mut pool, volume, 10, 4, 3).and_then(|()| pool.flush());
    let pending = device.pending();
    let fates: Vec<Fate> = pending.iter().enumerate().map(|(at, write)| fate(at, write.run.blocks)).collect();
    device.is_dead().then(|| (flushed.is_ok(), device.image(&fates), volume))
}

#[test]
fn a_cut_inside_a_record_leaves_all_of_it_or_nothing() {
    let mut met = [0; 2];
    for after in 0..3 {
        for lost in 0..4 {
            let fate = |at, blocks| match (at + lost) % 3 {
                0 if lost > 0 => Fate::Lost,
                1 if lost == 2 => Fate::prefix(blocks, 1),
                _ => Fate::Kept,
            };
            let (flushed, image, volume) = cut_in_a_flush(after, fate).expect("it is cut");
            assert!(!flushed);
            let pool = open(Arc::new(image)).unwrap();
            holds(&pool, volume, 0, 1, 2);
            holds(&pool, volume, 14, 26, 1);
            let new = get(&pool, volume, 10).unwrap() == crate::bench::stamped(3, 10);
            holds(&pool, volume, 10, 4, if new { 3 } else { 1 });
            met[usize::from(new)] += 1;
            sound(&pool);
        }
    }
    assert!(met[0] > 0 && met[1] > 0, "{met:?}");
}

#[test]
fn a_cut_at_every_change_of_a_replay_gives_the_same() {
    let (device, mut pool, volume) = pool_in_memory();
    for stamp in 2..5 {
        put(&mut pool, volume, stamp * 5, 8, stamp).unwrap();
        pool.flush().unwrap();
    }
    drop(pool);
    let mut cuts = 0;
    for after in 0.. {
        let crash = Arc::new(CrashDevice::from_image((*device).clone()));
        crash.crash_after(after);
        let opened = open(crash.clone());
        let fates: Vec<Fate> = (crash.pending().iter().zip(0..))
            .map(|(_, at)| if at % 2 == 0 { Fate::Kept } else { Fate::Lost })
            .collect();
        let image = crash.image(&fates);
        if !crash.is_dead() {
            assert!(opened.is_ok());
            break;
        }
        cuts += 1;
        let pool = open(Arc::new(image)).unwrap();
        holds(&pool, volume, 10, 5, 2);
        holds(&pool, volume, 15, 5, 3);
        holds(&pool, volume, 20, 8, 4);
        sound(&pool);
    }
    assert!(cuts > 6, "the superblock, the last record's data, pages, a superblock, flushes: {cuts}");
}

#[test]
fn a_failed_record_or_flush_closes_the_pool_and_its_data_is_stored_again_if_it_is_replayed() {
    for (kind, index) in [(FaultKind::WriteError, 0), (FaultKind::FlushError, 1)] {
        let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + LOG_BLOCKS + 200), &[]));
        let (mut pool, volume) = pool_on(device.clone());
        put(&mut pool, volume, 0, 4, 2).unwrap();
        device.set_script(&[Fault::once(kind, device.requests() + index)]);
        assert!(matches!(pool.flush(), Err(Error::Io { .. })), "{kind:?}");
        assert_eq!(pool.flush(), Err(Error::Closed));
        drop(pool);
        device.set_script(&[]);
        let replays = records(&*device).len();
        assert_eq!(replays, usize::from(kind == FaultKind::FlushError), "a record in the cache is read back");
        let pool = open(device).unwrap();
        assert_eq!(pool.stats().log_records_replayed, replays as u64);
        holds(&pool, volume, 0, 4, if replays == 1 { 2 } else { 1 });
        sound(&pool);
    }
}

/// Three records of one block each; the last write is of stamp 4.
fn three_records() -> (MemoryDevice, DevId, Vec<(Pba, LogRecord)>) {
    let (device, mut pool, volume) = pool_in_memory();
    for stamp in 2..5 {
        put(&mut pool, volume, stamp, 1, stamp).unwrap();
        pool.flush().unwrap();
    }
    drop(pool);
    let found = records(&*device);
    assert_eq!(found.len(), 3);
    ((*device).clone(), volume, found)
}

#[test]
fn every_flipped_bit_of_a_record_is_reported_or_harmless_and_of_the_last_one_undoes_that_flush_alone() {
    let (device, volume, found) = three_records();
    for (index, (at, _)) in found.iter().enumerate() {
        let mut block = [0; BLOCK_BYTES];
        device.read(*at, &mut block).unwrap();
        for bit in (0..block.len() * 8).filter(|bit| *bit < 100 * 8 || bit % 997 == 0) {
            let damaged = device.clone();
            block[bit / 8] ^= 1 << (bit % 8);
            damaged.write(*at, &block).unwrap();
            block[bit / 8] ^= 1 << (bit % 8);
            let padding = bit / 8 >= 56 + 40;
            let sequence = (32..40).contains(&(bit / 8)); // if it is higher, one seems to be missing
            match open(Arc::new(damaged)) {
                Err(Error::Corrupt { place: Place::Block(_), .. }) => {
                    assert!(!padding && (index < 2 || sequence), "{index}: {bit}")
                }
                Err(other) => panic!("record {index}, bit {bit}: {other}"),
                Ok(pool) => {
                    assert!(index == 2 || padding, "record {index}, bit {bit}: not seen");
                    holds(&pool, volume, 2, 1, 2);
                    holds(&pool, volume, 3, 1, 3);
                    holds(&pool, volume, 4, 1, if padding { 4 } else { 1 });
                }
            }
        }
    }
}

#[test]
fn a_damaged_log_opens_with_what_comes_before_the_damage_if_that_is_accepted() {
    let (device, volume, found) = three_records();
    device.write(found[1].0, &[0; BLOCK_BYTES]).unwrap();
    let device = Arc::new(device);
    assert!(
        matches!(open(device.clone()), Err(Error::Corrupt { place: Place::Block(at), .. }) if at == found[2].0)
    );
    let accepting = PoolOptions { accept_damaged_log: true, ..options() };
    let pool = Pool::open(device.clone(), accepting, &|_| Ok(parts())).unwrap();
    holds(&pool, volume, 2, 1, 2);
    holds(&pool, volume, 3, 2, 1);
    sound(&pool);
    drop(pool);
    sound(&open(device).unwrap());
}

fn data_of(record: &LogRecord) -> Extent {
    match record.entries[..] {
        [LogEntry::Map { on, .. }] => on,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn damaged_data_of_a_record_that_has_a_successor_is_reported_by_reads_and_by_a_scrub() {
    let (device, volume, found) = three_records();
    device.write(data_of(&found[1].1).start, &[7; BLOCK_BYTES]).unwrap();
    let pool = open(Arc::new(device)).unwrap();
    holds(&pool, volume, 2, 1, 2);
    assert!(matches!(get(&pool, volume, 3), Err(Error::Corrupt { place: Place::Block(_), .. })));
    holds(&pool, volume, 4, 1, 4);
    assert_eq!(pool.check(true).unwrap().findings.len(), 1);
}

#[test]
fn a_last_record_whose_data_is_not_there_is_dropped_for_good() {
    let (device, volume, found) = three_records();
    let (device, on) = (Arc::new(device), data_of(&found[2].1));
    let mut data = [0; BLOCK_BYTES];
    device.read(on.start, &mut data).unwrap();
    device.write(on.start, &[7; BLOCK_BYTES]).unwrap();
    let pool = open(device.clone()).unwrap();
    holds(&pool, volume, 4, 1, 1);
    drop(pool);
    // As if another life had written the very same bytes there.
    device.write(on.start, &data).unwrap();
    let pool = open(device).unwrap();
    holds(&pool, volume, 4, 1, 1);
    sound(&pool);
}

#[test]
fn a_forged_record_is_corrupt_and_leaves_the_pool_as_it_was() {
    let (device, volume, found) = three_records();
    let superblock = Superblock::load(&device, false).unwrap();
    let data = superblock.layout.data;
    let LogEntry::Map { dev, at, on, sums } = found[0].1.entries[0].clone() else { panic!("a map") };
    let map = |dev, at, on| LogEntry::Map { dev, at, on, sums: sums.clone() };
    let unmap = |dev, start: u64, blocks| LogEntry::Unmap {
        dev,
        range: spinney_core::LbaRange::new(spinney_core::Lba(start), blocks),
    };
    let forged = [
        map(DevId(99), at, on),
        map(dev, spinney_core::Lba(60), on),
        map(dev, at, Extent::new(data.start, 1)), // in use
        map(dev, at, Extent::new(data.end(), 1)),
        map(dev, at, Extent::new(Pba(0), 1)),
        unmap(dev, 59, 2),
        unmap(DevId(99), 0, 1),
    ];
    for entry in forged {
        let device = device.clone();
        let record = LogRecord { entries: vec![entry.clone()], ..found[0].1.clone() };
        device.write(found[0].0, &record.encode(found[0].0)).unwrap();
        let device = Arc::new(device);
        let opened = open(device.clone());
        assert!(matches!(opened, Err(Error::Corrupt { .. })), "{entry:?}: {:?}", opened.err());
        device.write(found[0].0, &found[0].1.encode(found[0].0)).unwrap();
        holds(&open(device).unwrap(), volume, 4, 1, 4);
    }
}

#[test]
fn formatting_leaves_no_record_of_an_equal_pool() {
    let (device, volume, found) = three_records();
    let device = Arc::new(device);
    let (pool, again) = pool_on(device.clone());
    assert_eq!((again, pool.epoch()), (volume, found[0].1.base.next()), "the same calls");
    drop(pool);
    let pool = open(device).unwrap();
    assert_eq!(pool.stats().log_records_replayed, 0);
    holds(&pool, volume, 0, 40, 1);
}

#[test]
fn a_reader_sees_the_last_commit_and_not_the_records_on_it() {
    let (_, mut pool, volume) = pool_in_memory();
    put(&mut pool, volume, 0, 1, 2).unwrap();
    pool.flush().unwrap();
    let reader = pool.reader();
    let mut block = vec![0; BLOCK_BYTES];
    pool.read_as_of(&reader, volume, 0, &mut block).unwrap();
    assert_eq!((block, reader.epoch().next()), (crate::bench::stamped(1, 0), pool.epoch()));
}

#[test]
fn a_log_too_long_is_refused_and_a_pool_without_one_has_the_version_it_had() {
    let device = Arc::new(MemoryDevice::new(1 << 16));
    let formatted = Pool::format(device.clone(), parts(), PoolOptions { log_blocks: 16_385, ..options() });
    assert!(matches!(formatted.err(), Some(Error::BadSetting(_))));
    for (log_blocks, version) in [(0, 2), (4, 6)] {
        drop(Pool::format(device.clone(), parts(), PoolOptions { log_blocks, ..options() }).unwrap());
        let mut block = [0; BLOCK_BYTES];
        device.read(Pba(8), &mut block).unwrap();
        assert_eq!((block[8], Superblock::load(&*device, false).unwrap().epoch), (version, Epoch(1)));
    }
}
