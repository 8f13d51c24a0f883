//! A pool whose metadata has grown by more runs than one part of their table holds: table and superblock damaged, checksums made right.
//!
//! Invariant: as `image`: what the checker passes goes on. Follows section 2a of the volume's `FORMAT.md` with its own reading of it.

use crate::bytes::Bytes;
use crate::patch::{self, Regions};
use crate::{image, superblock};
use spinney_core::{BLOCK_BYTES, BlockDevice, Pba, Result};
use spinney_device::MemoryDevice;
use spinney_volume::{Placement, Pool, PoolOptions, SUPERBLOCK_SLOTS, Superblock};
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use xxhash_rust::xxh3::xxh3_64_with_seed;

const METADATA_BLOCKS: u64 = 100;
const DATA_BLOCKS: u64 = 1_400;
const BLOCK: u64 = BLOCK_BYTES as u64;
/// Runs in a part of the table.
const RUNS_MAX: usize = 253;
/// Where a superblock names the table, and where its checksum of it stands.
const TABLE: std::ops::Range<usize> = 312..336;
const TABLE_SUM: usize = 328;
const MAGIC: &[u8] = b"spinsegs";

/// The pool, and the parts of its table, last one first.
#[derive(Clone)]
struct Grown {
    device: MemoryDevice,
    superblock: Vec<u8>,
    parts: Vec<Pba>,
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn read(device: &MemoryDevice, at: Pba) -> Option<[u8; BLOCK_BYTES]> {
    let mut block = [0; BLOCK_BYTES];
    device.read(at, &mut block).ok().map(|()| block)
}

fn base() -> &'static Grown {
    static BASE: OnceLock<Grown> = OnceLock::new();
    BASE.get_or_init(|| grown().expect("a pool of this size has room"))
}

/// Every other block is free, so metadata grows a block at a time.
fn grown() -> Result<Grown> {
    let device = Arc::new(MemoryDevice::new(16 + METADATA_BLOCKS + DATA_BLOCKS));
    let parts = image::registry().spec("bitmap", "refcount").and_then(|spec| image::registry().parts(&spec));
    let metadata_blocks = Some(METADATA_BLOCKS);
    let options = PoolOptions { placement: Placement::Segments, metadata_blocks, ..image::options() };
    let mut pool = Pool::format(device.clone(), parts.expect("registered names build"), options)?;
    let filler = pool.create(DATA_BLOCKS)?;
    for at in 0..DATA_BLOCKS - 100 {
        pool.write(filler, at * BLOCK, &[1; BLOCK_BYTES])?;
    }
    (0..DATA_BLOCKS).step_by(2).try_for_each(|at| pool.discard(filler, at * BLOCK, BLOCK))?;
    pool.settle()?;
    // Scattered blocks cost a page each.
    let volume = pool.create(1_000_000)?;
    for at in 0.. {
        if pool.segments().len() > RUNS_MAX + 10 {
            break;
        }
        pool.write(volume, at * 1_009 * BLOCK, &[2; BLOCK_BYTES])?;
        if at % 32 == 31 {
            pool.snapshot(volume)?;
        }
    }
    pool.flush()?;
    drop(pool);
    let sound = Superblock::load(&*device, false)?;
    let last = sound.segments.at;
    let full = Pba(read(&device, last).map_or(0, |block| word(&block, 16)));
    let superblock = sound.encode((sound.epoch.0 % 2) as usize);
    Ok(Grown { device: (*device).clone(), superblock, parts: vec![last, full] })
}

/// Region 0 is how the superblock names the table, 1 is all of its fields, the others are the table's parts.
impl Regions for Grown {
    fn count(&self) -> usize {
        2 + self.parts.len()
    }
    fn change(&mut self, region: usize, how: &mut dyn FnMut(&mut [u8])) {
        match region {
            0 => how(&mut self.superblock[TABLE]),
            1 => how(&mut self.superblock[..superblock::FIELDS_BYTES]),
            part => {
                let at = self.parts[part - 2];
                let mut block = read(&self.device, at).expect("inside");
                how(&mut block);
                self.device.write(at, &block).expect("inside");
            }
        }
    }
    fn name(&self, region: usize) -> u64 {
        region.checked_sub(2).map_or(METADATA_BLOCKS, |part| self.parts[part].0)
    }
}

/// Make the checksums of this part and of those before it right; this part's. Whatever else lies there keeps its bytes.
fn seal(device: &MemoryDevice, at: Pba, met: &mut BTreeSet<u64>) -> u64 {
    let Some(mut block) = read(device, at) else { return 0 };
    if block.starts_with(MAGIC) && word(&block, 32) > 0 && met.insert(at.0) {
        let sum = seal(device, Pba(word(&block, 16)), met);
        block[24..32].copy_from_slice(&sum.to_le_bytes());
        device.write(at, &block).expect("it was read from there");
    }
    xxh3_64_with_seed(&block, at.0)
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let mut grown = base().clone();
    let slot = Superblock::load(&grown.device, false).map_or(0, |sound| (sound.epoch.0 % 2) as usize);
    patch::apply(&mut grown, &mut input);
    let sum = seal(&grown.device, Pba(word(&grown.superblock, TABLE.start)), &mut BTreeSet::new());
    grown.superblock[TABLE_SUM..TABLE_SUM + 8].copy_from_slice(&sum.to_le_bytes());
    superblock::seal(&mut grown.superblock, slot);
    grown.device.write(SUPERBLOCK_SLOTS[slot], &grown.superblock).expect("inside");
    // The other slot names the table as it was.
    grown.device.write(SUPERBLOCK_SLOTS[1 - slot], &[0; BLOCK_BYTES]).expect("inside");
    image::drive(&Arc::new(grown.device), &mut input);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_undamaged_pool_has_a_table_of_two_parts_and_opens() {
        let grown = base();
        let pool = image::open(Arc::new(grown.device.clone())).expect("sound");
        assert!(pool.segments().len() > RUNS_MAX, "{} runs", pool.segments().len());
        assert!(pool.check(true).expect("sound").is_sound());
        assert!(grown.parts.iter().all(|at| read(&grown.device, *at).expect("inside").starts_with(MAGIC)));
    }

    #[test]
    fn sealing_what_is_sound_changes_nothing() {
        let grown = base();
        let sealed = grown.device.clone();
        let sum = seal(&sealed, grown.parts[0], &mut BTreeSet::new());
        assert_eq!(sum, word(&grown.superblock, TABLE_SUM));
        assert_eq!(sealed.first_difference(&grown.device), None);
    }
}
