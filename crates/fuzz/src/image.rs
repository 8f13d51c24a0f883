//! A whole pool, its metadata damaged and sealed again, opened and used (after Janus, Xu et al., S&P 2019).
//!
//! Invariant: whatever is forged, nothing panics and everything ends; a pool that the checker passes holds what it held
//! through twenty operations and a reopening, and is passed again.

use crate::bytes::Bytes;
use crate::patch::{self, Regions};
use crate::{seal, superblock};
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Error, Lba, LbaRange, Pba, Result};
use spinney_device::MemoryDevice;
use spinney_registry::Registry;
use spinney_sim::Pair;
use spinney_volume::{Name, Pool, PoolOptions, SUPERBLOCK_SLOTS, Superblock};
use std::sync::{Arc, OnceLock};

const METADATA_BLOCKS: u64 = 120;
const DATA_BLOCKS: u64 = 120;
const VOLUME_BLOCKS: u64 = 60;
const BLOCK: u64 = BLOCK_BYTES as u64;
/// Operations on an image.
const OPERATIONS: usize = 20;

/// A pool's device and the blocks of it that are metadata.
#[derive(Clone)]
struct Image {
    device: MemoryDevice,
    superblock: Vec<u8>,
    written: Vec<Pba>,
}

pub(crate) fn options() -> PoolOptions {
    PoolOptions {
        metadata_blocks: Some(METADATA_BLOCKS),
        cache_pages: 32,
        commit_blocks: 64,
        tend_budget: 16,
        // The other slot is wiped, since its pool has lost its checksums.
        accept_unreadable_slot: true,
        ..PoolOptions::default()
    }
}

pub(crate) fn registry() -> &'static Arc<Registry> {
    static REGISTRY: OnceLock<Arc<Registry>> = OnceLock::new();
    REGISTRY.get_or_init(|| Arc::new(Registry::standard()))
}

/// One image for each pair of a sample: of all pairs they would not fit into the tests' memory.
fn bases() -> &'static [Image] {
    static BASES: OnceLock<Vec<Image>> = OnceLock::new();
    BASES.get_or_init(|| Pair::sample(registry(), 0).iter().map(base).collect())
}

/// Such pools for the pairs of a turn, each with their names: for tests that damage them otherwise.
#[must_use]
pub fn pools(turn: usize) -> Vec<(String, MemoryDevice)> {
    let pairs = Pair::sample(registry(), turn);
    pairs.iter().map(|pair| (pair.to_string(), base(pair).device)).collect()
}

fn base(pair: &Pair) -> Image {
    build(&pair.allocator, &pair.scheme).expect("a pool of this size has room")
}

/// A volume, a snapshot (these two with names), a clone and a version that is being dropped.
fn build(allocator: &str, scheme: &str) -> Result<Image> {
    let device = Arc::new(MemoryDevice::new(16 + METADATA_BLOCKS + DATA_BLOCKS));
    let spec = registry().spec(allocator, scheme).expect("a registered name");
    let parts = registry().parts(&spec).expect("defaults are lawful");
    let mut pool = Pool::format(device.clone(), parts, PoolOptions { tend_budget: 0, ..options() })?;
    let name = |text: &str| text.parse::<Name>();
    let volume = pool.create_named(&name("volume")?, VOLUME_BLOCKS, 1)?;
    pool.write(volume, 0, &vec![1; 20 * BLOCK_BYTES])?;
    let snapshot = pool.snapshot_as(&name("volume@then")?, 2)?;
    pool.write(volume, 5 * BLOCK, &vec![2; 4 * BLOCK_BYTES])?;
    let clone = pool.clone_of(snapshot)?;
    pool.write(clone, 30 * BLOCK, &vec![3; 5 * BLOCK_BYTES])?;
    let gone = pool.clone_of(volume)?;
    pool.write(gone, 8 * BLOCK, &vec![4; 6 * BLOCK_BYTES])?;
    pool.flush()?;
    pool.delete(gone)?;
    pool.discard(volume, BLOCK, 2 * BLOCK)?;
    pool.flush()?;
    drop(pool);
    let sound = Superblock::load(&*device, false)?;
    let written = seal::written(&*device, 16..16 + METADATA_BLOCKS);
    Ok(Image { device: (*device).clone(), superblock: sound.encode((sound.epoch.0 % 2) as usize), written })
}

/// Region 0 is the superblock's fields, the others are blocks of the metadata area.
impl Regions for Image {
    fn count(&self) -> usize {
        self.written.len() + 1
    }
    fn change(&mut self, region: usize, how: &mut dyn FnMut(&mut [u8])) {
        let Some(region) = region.checked_sub(1) else {
            return how(&mut self.superblock[..superblock::FIELDS_BYTES]);
        };
        let (at, mut block) = (self.written[region], [0; BLOCK_BYTES]);
        self.device.read(at, &mut block).expect("inside");
        how(&mut block);
        self.device.write(at, &block).expect("inside");
    }
    /// The number of the page on that block, which is what pointers say.
    fn name(&self, region: usize) -> u64 {
        let Some(region) = region.checked_sub(1) else { return 0 };
        let mut block = [0; BLOCK_BYTES];
        self.device.read(self.written[region], &mut block).expect("inside");
        u64::from_le_bytes(block[8..16].try_into().expect("eight bytes"))
    }
}

impl Image {
    /// Make every checksum right.
    fn sealed(mut self, sound: &Superblock) -> MemoryDevice {
        let slot = (sound.epoch.0 % 2) as usize;
        let root = seal::store(&self.device, sound.layout.area.start.0, &sound.pages);
        let (old, new) = (sound.pages.bytes(), root.bytes());
        // The page store's root, where the damage left it as it was.
        if let Some(at) = self.superblock.windows(old.len()).position(|window| window == old) {
            self.superblock[at..at + new.len()].copy_from_slice(new);
        }
        superblock::seal(&mut self.superblock, slot);
        self.device.write(SUPERBLOCK_SLOTS[slot], &self.superblock).expect("inside");
        // The other slot's pool has lost its checksums: let there be no such pool.
        self.device.write(SUPERBLOCK_SLOTS[1 - slot], &[0; BLOCK_BYTES]).expect("inside");
        self.device
    }
}

/// Open one of them, or what became of it.
pub fn open(device: Arc<dyn BlockDevice>) -> Result<Pool> {
    let wrong = |_| Error::BadSetting("the description names parts that are not known");
    Pool::open(device, options(), &|text| registry().parts_of(text).map_err(wrong))
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let bases = bases();
    let mut image = bases[usize::from(input.byte()) % bases.len()].clone();
    let sound = Superblock::load(&image.device, false).expect("not yet damaged");
    patch::apply(&mut image, &mut input);
    drive(&Arc::new(image.sealed(&sound)), &mut input);
}

/// Open, check, operate as the input says, close and open again: what the checker passed must hold through all of it.
pub(crate) fn drive(device: &Arc<MemoryDevice>, input: &mut Bytes<'_>) {
    let Ok(mut pool) = open(device.clone()) else { return };
    let passed = passes(&pool);
    for _ in 0..OPERATIONS {
        let reopen = input.byte() % 16 == 15;
        let done = match reopen {
            true => {
                drop(pool);
                match open(device.clone()) {
                    Ok(again) => pool = again,
                    Err(error) => {
                        assert!(!passed, "the checker passed it, and it does not open again: {error}");
                        return;
                    }
                }
                Ok(())
            }
            false => operate(&mut pool, input),
        };
        if let Err(error @ (Error::Corrupt { .. } | Error::Closed)) = done {
            assert!(!passed, "the checker passed it, and then: {error}");
        }
    }
    let flushed = pool.flush();
    assert!(
        !passed || flushed.is_ok() && passes(&pool),
        "the checker passed it before, and not now: {flushed:?}"
    );
    drop(pool);
    let again = open(device.clone()).map(|pool| passes(&pool));
    assert!(!passed || again == Ok(true), "the checker passed it before it was closed, and not now");
}

fn passes(pool: &Pool) -> bool {
    pool.check(true).is_ok_and(|report| report.is_sound())
}

fn operate(pool: &mut Pool, input: &mut Bytes<'_>) -> Result<()> {
    let versions = pool.versions()?;
    let choose = |input: &mut Bytes<'_>| match versions.is_empty() {
        true => (DevId(1), 1),
        false => {
            let version = versions[input.below(versions.len())];
            (version.dev, version.blocks)
        }
    };
    let (dev, blocks) = choose(input);
    let (at, length) = (u64::from(input.byte()) * BLOCK / 3, (1 + u64::from(input.byte())) * 97);
    let range = LbaRange::new(Lba(0), blocks.min(500));
    match input.byte() % 20 {
        0 | 1 => pool.read(dev, at, &mut vec![0; length as usize]),
        2..=4 => pool.write(dev, at, &vec![5; length as usize]),
        5 => pool.discard(dev, at, length * 8),
        6 => pool.zero(dev, at, length),
        7 => pool.snapshot(dev).map(drop),
        8 => pool.clone_of(dev).map(drop),
        9 => pool.delete(dev),
        10 => pool.flush(),
        11 => pool.usage(dev).map(drop),
        12 => pool.diff(dev, choose(input).0, range, &mut |_| ()),
        13 => pool.tend(u64::from(input.byte())).map(drop),
        by_name => operate_by_name(pool, by_name, input),
    }
}

fn operate_by_name(pool: &mut Pool, operation: u8, input: &mut Bytes<'_>) -> Result<()> {
    let names = pool.names()?;
    let Some(named) = names.get(usize::from(input.byte()) % names.len().max(1)) else { return Ok(()) };
    let (name, number) = (&named.name, input.byte() % 4);
    let other: Name = format!("other{number}").parse()?;
    match operation {
        14 => pool.create_named(&other, VOLUME_BLOCKS, 3).map(drop),
        15 => pool.snapshot_as(&name.at(&format!("s{number}"))?, 4).map(drop),
        16 => pool.clone_as(name, &other, 5).map(drop),
        17 => pool.rename(name, &other),
        18 => pool.rollback(name).and_then(|_| pool.promote(&other).map(drop)),
        _ => pool.destroy(std::slice::from_ref(name)),
    }
}

/// The patches' seeds: undamaged for each pair, the others for each pair in turn.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (pairs, seeds) = (bases().len(), patch::seeds());
    let undamaged = (0..pairs).map(|pair| [&[pair as u8], &seeds[1][..]].concat());
    let damaged =
        seeds.iter().enumerate().skip(2).map(|(at, seed)| [&[(at % pairs) as u8], &seed[..]].concat());
    undamaged.chain(damaged).collect()
}
