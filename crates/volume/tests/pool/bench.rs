//! What the tests share: small pools, blocks that name themselves, and checks.
//!
//! Invariant: a stamped block differs from every other stamp and place, so wrong bytes cannot pass for right ones.

use spinney_alloc::{Composed, reclaim::AtCommit};
use spinney_alloc_bitmap::{BitmapForm, BitmapIndex};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Result};
use spinney_device::MemoryDevice;
use spinney_snap::SnapshotScheme;
use spinney_snap_refcount::RefCount;
use spinney_volume::{Parts, Pool, PoolOptions};
use std::sync::Arc;

pub(crate) const BLOCK: u64 = BLOCK_BYTES as u64;

pub(crate) fn parts_of(scheme: Box<dyn SnapshotScheme>) -> Parts {
    let (index, form) = (Box::new(BitmapIndex::default()), Box::new(BitmapForm::default()));
    let allocator = Box::new(Composed::new(index, form, Box::new(AtCommit)));
    Parts { allocator, scheme, description: "bitmap, refcount".into() }
}

pub(crate) fn parts_that(in_place: bool) -> Parts {
    // Eight slots a node: trees of a few blocks are deep enough to share.
    parts_of(Box::new(RefCount::new(8, in_place).unwrap()))
}

pub(crate) fn parts() -> Parts {
    parts_that(false)
}

pub(crate) fn metadata(blocks: u64) -> PoolOptions {
    PoolOptions { metadata_blocks: Some(blocks), cache_pages: 64, ..PoolOptions::default() }
}

/// A pool of `data` data blocks in memory, with room for metadata.
pub(crate) fn pool_of(data: u64) -> (Arc<MemoryDevice>, Pool) {
    let device = Arc::new(MemoryDevice::new(16 + 400 + data));
    let pool = Pool::format(device.clone(), parts(), metadata(400)).unwrap();
    (device, pool)
}

pub(crate) fn open(device: Arc<dyn BlockDevice>) -> Result<Pool> {
    Pool::open(device, PoolOptions { cache_pages: 64, ..PoolOptions::default() }, &|_| Ok(parts()))
}

/// What block `at` holds after a write of `stamp`.
pub(crate) fn stamped(stamp: u64, at: u64) -> Vec<u8> {
    let words = [stamp, at, !stamp, stamp.rotate_left(17) ^ at];
    words.iter().flat_map(|word| word.to_le_bytes()).cycle().take(BLOCK_BYTES).collect()
}

pub(crate) fn put(pool: &mut Pool, dev: DevId, at: u64, blocks: u64, stamp: u64) -> Result<()> {
    let data: Vec<u8> = (at..at + blocks).flat_map(|at| stamped(stamp, at)).collect();
    pool.write(dev, at * BLOCK, &data)
}

pub(crate) fn get(pool: &Pool, dev: DevId, at: u64) -> Result<Vec<u8>> {
    let mut block = vec![0xEE; BLOCK_BYTES];
    pool.read(dev, at * BLOCK, &mut block)?;
    Ok(block)
}

/// The blocks hold what a write of `stamp` left; stamp 0 is a hole.
#[track_caller]
pub(crate) fn holds(pool: &Pool, dev: DevId, at: u64, blocks: u64, stamp: u64) {
    for at in at..at + blocks {
        let wanted = if stamp == 0 { vec![0; BLOCK_BYTES] } else { stamped(stamp, at) };
        assert!(get(pool, dev, at).unwrap() == wanted, "block {at} of {dev} does not hold {stamp}");
    }
}

#[track_caller]
pub(crate) fn sound(pool: &Pool) {
    let report = pool.check(true).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}
