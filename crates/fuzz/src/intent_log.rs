//! A pool whose intent log has records on top of the last commit: records and superblock damaged, checksums made right.
//!
//! Invariant: as `image`: what the checker passes goes on. Follows section 2c of the volume's `FORMAT.md` with its own reading of it.

use crate::bytes::Bytes;
use crate::patch::{self, Regions};
use crate::{image, superblock};
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};
use spinney_device::MemoryDevice;
use spinney_volume::{Pool, PoolOptions, SUPERBLOCK_SLOTS, Superblock};
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::Xxh3;

const METADATA_BLOCKS: u64 = 100;
const DATA_BLOCKS: u64 = 100;
const LOG_BLOCKS: u64 = 8;
const BLOCK: u64 = BLOCK_BYTES as u64;
/// In a superblock: its epoch, how it names the log, its seal.
const EPOCH: std::ops::Range<usize> = 16..24;
const LOG: std::ops::Range<usize> = 416..432;
const SEAL: std::ops::Range<usize> = 504..512;
/// In a record: what it stands on (epoch and seal), its length, its checksum, where entries begin.
const BASE: std::ops::Range<usize> = 16..32;
const LENGTH: std::ops::Range<usize> = 40..48;
const SUM: std::ops::Range<usize> = 48..56;

/// The pool, its superblock, and its log.
#[derive(Clone)]
struct Logged {
    device: MemoryDevice,
    superblock: Vec<u8>,
    log: Extent,
    bytes: Vec<u8>,
    /// Blocks at which records begin.
    records: Vec<usize>,
}

fn base() -> &'static Logged {
    static BASE: OnceLock<Logged> = OnceLock::new();
    BASE.get_or_init(|| logged().expect("a pool of this size has room"))
}

/// Four records, the second one of two blocks.
fn logged() -> Result<Logged> {
    let device = Arc::new(MemoryDevice::new(16 + METADATA_BLOCKS + LOG_BLOCKS + DATA_BLOCKS));
    let parts = image::registry().spec("bitmap", "refcount").and_then(|spec| image::registry().parts(&spec));
    let (metadata_blocks, log_blocks) = (Some(METADATA_BLOCKS), LOG_BLOCKS);
    let options = PoolOptions { metadata_blocks, log_blocks, commit_blocks: u64::MAX, ..image::options() };
    let mut pool = Pool::format(device.clone(), parts.expect("registered names build"), options)?;
    let volume = pool.create(60)?;
    pool.write(volume, 0, &[1; 20 * BLOCK_BYTES])?;
    pool.snapshot(volume)?;
    pool.settle()?;
    pool.write(volume, 3 * BLOCK, &[2; 3 * BLOCK_BYTES])?;
    pool.flush()?;
    (0..130).try_for_each(|at| pool.discard(volume, at % 40 * BLOCK, BLOCK))?;
    pool.flush()?;
    for stamp in 3..5 {
        pool.write(volume, u64::from(stamp) * BLOCK, &[stamp; 5 * BLOCK_BYTES])?;
        pool.flush()?;
    }
    drop(pool);
    let sound = Superblock::load(&*device, false)?;
    let log = sound.layout.log;
    let mut bytes = vec![0; log.blocks as usize * BLOCK_BYTES];
    device.read(log.start, &mut bytes)?;
    let superblock = sound.encode((sound.epoch.0 % 2) as usize);
    Ok(Logged { device: (*device).clone(), superblock, log, bytes, records: vec![0, 1, 3, 4] })
}

/// Region 0 is how the superblock names the log, 1 is all of its fields, the others are the log's first blocks.
impl Regions for Logged {
    fn count(&self) -> usize {
        2 + 5
    }
    fn change(&mut self, region: usize, how: &mut dyn FnMut(&mut [u8])) {
        match region {
            0 => how(&mut self.superblock[LOG]),
            1 => how(&mut self.superblock[..superblock::FIELDS_BYTES]),
            block => how(&mut self.bytes[(block - 2) * BLOCK_BYTES..(block - 1) * BLOCK_BYTES]),
        }
    }
    fn name(&self, region: usize) -> u64 {
        region.checked_sub(2).map_or(LOG_BLOCKS, |block| self.log.start.0 + block as u64)
    }
}

/// Make a record stand on this superblock, and its checksum right, if its length is one.
fn seal(record: &mut [u8], at: Pba, superblock: &[u8]) {
    let base = [&superblock[EPOCH], &superblock[SEAL]].concat();
    record[BASE].copy_from_slice(&base);
    let length = u64::from_le_bytes(record[LENGTH].try_into().expect("eight bytes")) as usize;
    if (SUM.end..=record.len()).contains(&length) {
        let mut hash = Xxh3::with_seed(at.0);
        hash.update(&record[..SUM.start]);
        hash.update(&record[SUM.end..length]);
        record[SUM].copy_from_slice(&hash.digest().to_le_bytes());
    }
}

impl Logged {
    fn sealed(mut self, slot: usize, skips: u8) -> MemoryDevice {
        superblock::seal(&mut self.superblock, slot);
        for (number, block) in self.records.iter().enumerate() {
            if skips != number as u8 {
                let at = Pba(self.log.start.0 + *block as u64);
                seal(&mut self.bytes[block * BLOCK_BYTES..], at, &self.superblock);
            }
        }
        self.device.write(self.log.start, &self.bytes).expect("inside");
        self.device.write(SUPERBLOCK_SLOTS[slot], &self.superblock).expect("inside");
        self.device.write(SUPERBLOCK_SLOTS[1 - slot], &[0; BLOCK_BYTES]).expect("inside");
        self.device
    }
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let mut logged = base().clone();
    let slot = Superblock::load(&logged.device, false).map_or(0, |sound| (sound.epoch.0 % 2) as usize);
    patch::apply(&mut logged, &mut input);
    let skips = input.byte() % 32;
    image::drive(&Arc::new(logged.sealed(slot, skips)), &mut input);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealing_what_is_sound_changes_nothing_and_all_records_replay() {
        let logged = base();
        let slot = Superblock::load(&logged.device, false).map_or(0, |sound| (sound.epoch.0 % 2) as usize);
        let sealed = logged.clone().sealed(slot, u8::MAX);
        logged.device.write(SUPERBLOCK_SLOTS[1 - slot], &[0; BLOCK_BYTES]).expect("inside");
        assert_eq!(sealed.first_difference(&logged.device), None);
        let pool = image::open(Arc::new(sealed)).expect("sound");
        assert_eq!(pool.stats().log_records_replayed, 4);
        assert!(pool.check(true).expect("sound").is_sound());
    }
}
