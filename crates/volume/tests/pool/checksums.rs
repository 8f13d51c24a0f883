//! Every kind of data checksum through the same tests, and the key of the one that has a key.

use crate::bench::{BLOCK, get, holds, metadata, parts, put, sound, stamped};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error, Lba, LbaRange, Pba, Place, Result};
use spinney_device::{Fault, FaultDevice, FaultKind, MemoryDevice};
use spinney_volume::{ChecksumKey, ChecksumKind, Pool, PoolOptions};
use std::sync::Arc;

/// The kinds that see anything.
const SEEING: [ChecksumKind; 3] = [ChecksumKind::Xxh3, ChecksumKind::Crc32c, ChecksumKind::Blake3];
const KEY: ChecksumKey = ChecksumKey::new([0x5A; 32]);
type Device = Arc<FaultDevice<MemoryDevice>>;

fn options(checksums: ChecksumKind) -> PoolOptions {
    PoolOptions { checksums, checksum_key: KEY, ..metadata(400) }
}

fn filled(kind: ChecksumKind) -> (Device, Pool, DevId) {
    let device = Arc::new(FaultDevice::new(MemoryDevice::new(16 + 400 + 200), &[]));
    let mut pool = Pool::format(device.clone(), parts(), options(kind)).unwrap();
    let volume = pool.create(60).unwrap();
    put(&mut pool, volume, 0, 40, 1).unwrap();
    pool.flush().unwrap();
    (device, pool, volume)
}

fn reopen(device: &Device, options: PoolOptions) -> Result<Pool> {
    Pool::open(device.clone(), options, &|_| Ok(parts()))
}

fn place(pool: &Pool, dev: DevId, at: u64) -> Pba {
    let mut found = None;
    pool.runs(dev, LbaRange::new(Lba(at), 1), &mut |run| found = run.on).unwrap();
    found.unwrap()
}

fn corrupt(at: Pba) -> Result<Vec<u8>> {
    Err(Error::Corrupt { what: "data block (checksum differs)", place: Place::Block(at) })
}

#[test]
fn each_kind_reads_back_what_was_written_and_is_found_again_when_opening() {
    for kind in ChecksumKind::ALL {
        let (device, mut pool, volume) = filled(kind);
        let snapshot = pool.snapshot(volume).unwrap();
        put(&mut pool, volume, 20, 30, 2).unwrap();
        pool.write(volume, 5, b"ragged").unwrap();
        pool.flush().unwrap();
        drop(pool);
        // The kind that is asked for when opening does not matter.
        let pool = reopen(&device, PoolOptions { checksum_key: KEY, ..PoolOptions::default() }).unwrap();
        holds(&pool, snapshot, 0, 40, 1);
        holds(&pool, volume, 1, 19, 1);
        holds(&pool, volume, 20, 30, 2);
        sound(&pool);
    }
}

#[test]
fn a_flipped_bit_is_seen_by_each_kind() {
    for kind in SEEING {
        let (device, pool, volume) = filled(kind);
        let at = place(&pool, volume, 7);
        let mut block = stamped(1, 7);
        for bit in [0, 1, 8_191, 16_384, BLOCK * 8 - 1] {
            block[(bit / 8) as usize] ^= 1 << (bit % 8);
            device.write(at, &block).unwrap();
            assert_eq!(get(&pool, volume, 7), corrupt(at), "{kind:?}, bit {bit}");
            block[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
        let places: Vec<_> = pool.check(true).unwrap().findings.iter().map(|finding| finding.place).collect();
        assert_eq!(places, [Place::Block(at)], "{kind:?}");
        device.write(at, &block).unwrap();
        holds(&pool, volume, 0, 40, 1);
    }
}

#[test]
fn a_misdirected_read_or_write_is_seen_by_each_kind() {
    for kind in SEEING {
        let (device, mut pool, volume) = filled(kind);
        let data = pool.layout().data;
        device.set_script(&[Fault::once(FaultKind::MisdirectedRead { shift_blocks: 1 }, 0).within(data)]);
        assert_eq!(get(&pool, volume, 7), corrupt(place(&pool, volume, 7)), "{kind:?}");
        device.set_script(&[Fault::once(FaultKind::MisdirectedWrite { shift_blocks: 2 }, 0).within(data)]);
        put(&mut pool, volume, 55, 1, 3).unwrap();
        assert_eq!(get(&pool, volume, 55), corrupt(place(&pool, volume, 55)), "{kind:?}");
        holds(&pool, volume, 0, 40, 1);
    }
}

#[test]
fn a_pool_with_a_key_opens_with_that_key_only() {
    let (device, pool, _) = filled(ChecksumKind::Blake3);
    drop(pool);
    let before = device.below().clone();
    let other = ChecksumKey::new([0x5B; 32]);
    for wrong in [ChecksumKey::PUBLIC, other] {
        let refused = reopen(&device, PoolOptions { checksum_key: wrong, ..PoolOptions::default() }).err();
        assert!(matches!(refused, Some(Error::BadSetting(_))), "{refused:?}");
    }
    assert_eq!(device.below().first_difference(&before), None);
    assert!(reopen(&device, options(ChecksumKind::None)).is_ok());
}

#[test]
fn the_key_is_nowhere_on_the_device() {
    let (device, _, _) = filled(ChecksumKind::Blake3);
    let mut block = [0; BLOCK_BYTES];
    for at in (0..device.blocks()).map(Pba) {
        device.read(at, &mut block).unwrap();
        assert!(!block.windows(32).any(|bytes| bytes == [0x5A; 32]), "block {at}");
    }
}

#[test]
fn a_kind_without_a_key_opens_with_any() {
    for kind in [ChecksumKind::None, ChecksumKind::Xxh3, ChecksumKind::Crc32c] {
        let (device, pool, volume) = filled(kind);
        drop(pool);
        holds(&reopen(&device, PoolOptions::default()).unwrap(), volume, 0, 40, 1);
    }
}
