//! Pools that an earlier version of this code wrote: kept in `golden/`, and each must open, hold what it held, and go on.
//!
//! Invariant: what a pool holds stands beside it as text, so that no code which may change says what is right. A file is written once,
//! by the version that made its format; a format that is given up moves its files to a test that they are refused with a clear error.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Pba};
use spinney_device::MemoryDevice;
use spinney_registry::Registry;
use spinney_snap::Access;
use spinney_volume::{Placement, Pool, PoolOptions};
use std::fmt::Write;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const METADATA_BLOCKS: u64 = 160;
const DATA_BLOCKS: u64 = 160;
const BLOCK: u64 = BLOCK_BYTES as u64;

/// Blocks of the intent log of the one pool that has one.
const LOG_BLOCKS: u64 = 8;
/// Allocator and scheme of that one.
const WITH_LOG: (&str, &str) = ("extent", "refcount");

/// Every form, every log of frees and every scheme once, both placements, and an intent log with records on top of the last commit.
const POOLS: &[(&str, &str, Placement)] = &[
    ("bitmap", "refcount", Placement::Area),
    ("roaring", "refcount-log", Placement::Area),
    ("vmem", "refcount-ranges", Placement::Segments),
    ("bitmap", "flat", Placement::Segments),
    ("dm-thin", "flat", Placement::Area),
    ("spacemap", "refcount", Placement::Segments),
    ("extent", "flat", Placement::Area),
    ("btrfs", "refcount", Placement::Area),
    ("bitmap-batched", "refcount", Placement::Area),
    ("bitmap-threshold", "flat", Placement::Area),
    ("lmdb", "refcount", Placement::Area),
    ("zfs-regions", "flat", Placement::Area),
    ("zfs", "refcount", Placement::Segments),
    ("bitmap", "gct-e", Placement::Area),
    ("extent", "gct", Placement::Segments),
    ("xfs", "gct-c", Placement::Area),
    ("bitmap", "deadlist", Placement::Segments),
    ("extent", "time", Placement::Area),
    ("spacemap", "snapmap", Placement::Area),
    ("btrfs", "chain", Placement::Area),
    ("bitmap", "caw", Placement::Area),
    ("extent", "caw-gct", Placement::Segments),
    ("bitmap-batched", "keyver", Placement::Segments),
    ("dm-thin", "eager", Placement::Area),
    ("extent", "betree", Placement::Area),
    (WITH_LOG.0, WITH_LOG.1, Placement::Segments),
];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn options(placement: Placement, tend_budget: u64) -> PoolOptions {
    PoolOptions { metadata_blocks: Some(METADATA_BLOCKS), placement, tend_budget, ..PoolOptions::default() }
}

fn open(device: Arc<MemoryDevice>) -> Result<Pool, Error> {
    let registry = Registry::standard();
    let wrong = |_| Error::BadSetting("the description names parts that are not known");
    Pool::open(device, options(Placement::Area, 16), &|text| registry.parts_of(text).map_err(wrong))
}

/// A volume and a snapshot with names, a clone, holes, and a version of which a part is still to be dropped.
fn make((allocator, scheme, placement): (&str, &str, Placement)) -> Arc<MemoryDevice> {
    let registry = Registry::standard();
    let log_blocks = if (allocator, scheme) == WITH_LOG { LOG_BLOCKS } else { 0 };
    let device = Arc::new(MemoryDevice::new(16 + METADATA_BLOCKS + log_blocks + DATA_BLOCKS));
    let parts = registry.parts(&registry.spec(allocator, scheme).unwrap()).unwrap();
    let options = PoolOptions { log_blocks, ..options(placement, 0) };
    let mut pool = Pool::format(device.clone(), parts, options).unwrap();
    let bytes = |stamp: u8, blocks: usize| vec![stamp; blocks * BLOCK_BYTES];
    let volume = pool.create_named(&"volume".parse().unwrap(), 60, 1).unwrap();
    pool.write(volume, 0, &bytes(1, 20)).unwrap();
    pool.flush().unwrap();
    let snapshot = pool.snapshot_as(&"volume@then".parse().unwrap(), 2).unwrap();
    pool.write(volume, 5 * BLOCK, &bytes(2, 4)).unwrap();
    let clone = pool.clone_of(snapshot).unwrap();
    pool.write(clone, 30 * BLOCK + 100, &bytes(3, 5)).unwrap();
    let gone = pool.clone_of(volume).unwrap();
    pool.write(gone, 8 * BLOCK, &bytes(4, 6)).unwrap();
    pool.flush().unwrap();
    pool.delete(gone).unwrap();
    pool.discard(volume, BLOCK, 2 * BLOCK).unwrap();
    pool.flush().unwrap();
    pool.write(volume, 50 * BLOCK, &bytes(5, 3)).unwrap();
    pool.flush().unwrap();
    if log_blocks > 0 {
        pool.write(clone, 2 * BLOCK, &bytes(6, 2)).unwrap();
        pool.discard(volume, 51 * BLOCK, BLOCK).unwrap();
        pool.flush().unwrap();
    }
    device
}

/// The names, and what the versions hold: a line for each version, and one for each block that is not zeros.
fn content(pool: &Pool) -> String {
    let mut text = String::new();
    for named in pool.names().unwrap() {
        writeln!(text, "{} is version {}", named.name, named.dev.0).unwrap();
    }
    for version in pool.versions().unwrap() {
        let access = if version.access == Access::Writable { "writable" } else { "read-only" };
        writeln!(text, "version {} of {} blocks, {access}", version.dev.0, version.blocks).unwrap();
        for at in 0..version.blocks {
            let mut block = [0; BLOCK_BYTES];
            pool.read(version.dev, at * BLOCK, &mut block).unwrap();
            if block != [0; BLOCK_BYTES] {
                writeln!(text, "  block {at}: {:016x}", xxh3_64(&block)).unwrap();
            }
        }
    }
    text
}

/// A device as its size and each block that is not zeros behind its number, all little-endian, then zstd.
fn pack(device: &MemoryDevice) -> Vec<u8> {
    let mut bytes = device.blocks().to_le_bytes().to_vec();
    for at in 0..device.blocks() {
        let mut block = [0; BLOCK_BYTES];
        device.read(Pba(at), &mut block).unwrap();
        if block != [0; BLOCK_BYTES] {
            bytes.extend_from_slice(&at.to_le_bytes());
            bytes.extend_from_slice(&block);
        }
    }
    compress_to_vec(&bytes[..], CompressionLevel::Fastest)
}

fn unpack(packed: &[u8]) -> Arc<MemoryDevice> {
    let mut bytes = Vec::new();
    StreamingDecoder::new(packed).unwrap().read_to_end(&mut bytes).unwrap();
    let (blocks, rest) = bytes.split_first_chunk::<8>().unwrap();
    let device = MemoryDevice::new(u64::from_le_bytes(*blocks));
    for entry in rest.chunks_exact(8 + BLOCK_BYTES) {
        let (at, block) = entry.split_first_chunk::<8>().unwrap();
        device.write(Pba(u64::from_le_bytes(*at)), block).unwrap();
    }
    Arc::new(device)
}

/// Write what is not there yet.
fn write_missing() {
    std::fs::create_dir_all(folder()).unwrap();
    for pool in POOLS {
        let path = folder().join(format!("{}-{}.pool.zst", pool.0, pool.1));
        if !path.exists() {
            let device = make(*pool);
            std::fs::write(&path, pack(&device)).unwrap();
            let text = content(&open(device).unwrap());
            std::fs::write(path.with_extension("").with_extension("txt"), text).unwrap();
        }
    }
}

#[test]
fn every_golden_pool_opens_holds_what_it_held_and_goes_on() {
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        write_missing();
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "zst"));
    paths.sort();
    assert!(paths.len() >= POOLS.len(), "some are missing: WRITE_GOLDEN=1 writes them");
    for path in paths {
        let device = unpack(&std::fs::read(&path).unwrap());
        let mut pool = open(device.clone()).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let held = std::fs::read_to_string(path.with_extension("").with_extension("txt")).unwrap();
        assert_eq!(content(&pool), held, "{path:?}");
        let records = if pool.layout().log.blocks > 0 { 2 } else { 0 };
        assert_eq!(pool.stats().log_records_replayed, records, "{path:?}");
        assert!(pool.check(true).unwrap().is_sound(), "{path:?}");
        let volume = pool.create(8).unwrap();
        pool.write(volume, 0, &[7; 3 * BLOCK_BYTES]).unwrap();
        pool.settle().unwrap_or_else(|error| panic!("{path:?}: {error}"));
        drop(pool);
        let pool = open(device).unwrap_or_else(|error| panic!("{path:?} again: {error}"));
        assert!(content(&pool).starts_with(&held), "{path:?} after a commit");
        assert!(pool.check(true).unwrap().is_sound(), "{path:?} after a commit");
    }
}
