//! A superblock slot, damaged, its checksum made right.
//!
//! Invariant: what is decoded is what encoding it again gives.

use crate::bytes::Bytes;
use crate::patch::{self, Regions};
use spinney_alloc::{Composed, reclaim::AtCommit};
use spinney_core::{BLOCK_BYTES, BlockDevice};
use spinney_device::MemoryDevice;
use spinney_snap_flat::Flat;
use spinney_volume::{Parts, Pool, PoolOptions, SUPERBLOCK_SLOTS, Superblock};
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The fields and the description behind the first sector; what follows is zeros.
pub(crate) const FIELDS_BYTES: usize = 600;

/// Make the checksums of a slot's block right: of the rest, and of the first sector (`crates/volume/FORMAT.md`, section 2).
pub(crate) fn seal(block: &mut [u8], slot: usize) {
    let rest = xxh3_64_with_seed(&block[512..], slot as u64);
    block[304..312].copy_from_slice(&rest.to_le_bytes());
    let sum = xxh3_64_with_seed(&block[..488], slot as u64);
    block[504..512].copy_from_slice(&sum.to_le_bytes());
}

fn base() -> &'static (MemoryDevice, Superblock) {
    static BASE: OnceLock<(MemoryDevice, Superblock)> = OnceLock::new();
    BASE.get_or_init(|| {
        let device = Arc::new(MemoryDevice::new(16 + 100 + 100));
        let options = PoolOptions { metadata_blocks: Some(100), cache_pages: 16, ..PoolOptions::default() };
        let pool = Pool::format(device.clone(), parts(), options).expect("room");
        drop(pool);
        let superblock = Superblock::load(&*device, false).expect("sound");
        ((*device).clone(), superblock)
    })
}

fn parts() -> Parts {
    let index = Box::new(spinney_alloc_bitmap::BitmapIndex::default());
    let form = Box::new(spinney_alloc_bitmap::BitmapForm::new());
    let allocator = Box::new(Composed::new(index, form, Box::new(AtCommit)));
    Parts { allocator, scheme: Box::new(Flat::new()), description: "a pool".into() }
}

/// The block of one slot.
struct Slot(Vec<u8>);

impl Regions for Slot {
    fn count(&self) -> usize {
        1
    }
    fn change(&mut self, _: usize, how: &mut dyn FnMut(&mut [u8])) {
        how(&mut self.0[..FIELDS_BYTES]);
    }
    fn name(&self, _: usize) -> u64 {
        FIELDS_BYTES as u64
    }
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let (device, sound) = base();
    let slot = sound.epoch.0 as usize % 2;
    let mut block = Slot(sound.encode(slot));
    patch::apply(&mut block, &mut input);
    if input.byte() % 8 != 7 {
        seal(&mut block.0, slot);
    }
    let decoded = Superblock::decode(&block.0, slot);
    assert!(Superblock::decode(&block.0, 1 - slot).is_err(), "a slot's superblock is no other's");
    let _ = Superblock::decode(&block.0[..usize::from(input.short()) % BLOCK_BYTES], slot);
    if let Ok(superblock) = decoded {
        assert_eq!(Superblock::decode(&superblock.encode(slot), slot).as_ref(), Ok(&superblock));
    }
    let device = device.clone();
    device.write(SUPERBLOCK_SLOTS[slot], &block.0).expect("inside");
    let options = PoolOptions { cache_pages: 16, ..PoolOptions::default() };
    if let Ok(pool) = Pool::open(Arc::new(device), options, &|_| Ok(parts())) {
        let _ = pool.check(true);
    }
}
