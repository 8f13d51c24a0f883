//! Metadata that grows, under every allocator and every scheme of the registry.
//!
//! Invariant: a pool whose metadata grows refuses nothing for want of pages while blocks are free. Names no allocator or scheme.

use rayon::prelude::*;
use spinney_core::{BLOCK_BYTES, DevId, Error, Result};
use spinney_device::MemoryDevice;
use spinney_registry::{PoolSpec, Registry};
use spinney_sim::{Geometry, Pair};
use spinney_volume::Pool;
use std::sync::Arc;

const METADATA_BLOCKS: u64 = 160;
const DATA_BLOCKS: u64 = 1_200;
/// Of the volume; writes are so far apart that each has pages of its own.
const VOLUME_BLOCKS: u64 = 100_000;
const WRITES_PER_SNAPSHOT: u64 = 20;
/// Blocks that may be free when a pool is full: a table's own, and what a run cannot be cut to.
const SPARE_BLOCKS: u64 = 8;

fn fill(pool: &mut Pool) -> Result<(DevId, Vec<DevId>)> {
    let volume = pool.create(VOLUME_BLOCKS)?;
    let mut snapshots = Vec::new();
    let mut takes = true;
    for round in 1.. {
        for at in 0..WRITES_PER_SNAPSHOT {
            let offset = (at * 4_001 + round) * BLOCK_BYTES as u64;
            if let Err(refused) = pool.write(volume, offset, &[round as u8; BLOCK_BYTES]) {
                only_when_full(pool, refused)?;
                return Ok((volume, snapshots));
            }
        }
        match pool.snapshot(volume) {
            Ok(snapshot) if takes => snapshots.push(snapshot),
            Ok(snapshot) => pool.delete(snapshot)?,
            // One that copies may need more blocks than are free, and the writes go on.
            Err(Error::NoSpace { .. }) => takes = false,
            Err(refused) => {
                only_when_full(pool, refused)?;
                return Ok((volume, snapshots));
            }
        }
    }
    unreachable!("every pool fills up")
}

/// Errors: what a pool with free blocks was refused for.
fn only_when_full(pool: &Pool, refused: Error) -> Result<()> {
    if pool.space().free_blocks < SPARE_BLOCKS { Ok(()) } else { Err(refused) }
}

fn sound(pool: &Pool, pair: &Pair) {
    let report = pool.check(true).expect("memory can be read");
    assert!(report.is_sound(), "{pair}: {:?}", report.findings);
}

#[test]
fn a_pool_of_any_pair_ends_for_want_of_blocks_and_not_of_pages() {
    let registry = Arc::new(Registry::standard());
    let geometry = Geometry {
        metadata_blocks: METADATA_BLOCKS,
        data_blocks: DATA_BLOCKS,
        segments: 1,
        fanout: 8,
        ..Geometry::default()
    };
    let pairs = Pair::sample(&registry, 0);
    let grown = pairs.par_iter().map(|pair| pair.on(geometry)).map(|pair| {
        let device = Arc::new(MemoryDevice::new(16 + METADATA_BLOCKS + DATA_BLOCKS));
        let mut pool =
            Pool::format(device.clone(), registry.parts(&pair.spec()).unwrap(), pair.options()).unwrap();
        let (volume, snapshots) = fill(&mut pool).unwrap_or_else(|refused| {
            panic!(
                "{pair}: {refused}, with {:?} and {} blocks of metadata",
                pool.space(),
                pool.metadata_blocks()
            )
        });
        let grown = usize::from(pool.metadata_blocks() > METADATA_BLOCKS);
        sound(&pool, &pair);
        pool.flush().unwrap();
        drop(pool);
        let build = |text: &str| Ok(registry.parts(&PoolSpec::parse(text).unwrap()).unwrap());
        let mut pool = Pool::open(device, pair.options(), &build).unwrap();
        sound(&pool, &pair);
        for snapshot in snapshots.into_iter().rev().chain([volume]) {
            pool.delete(snapshot).unwrap_or_else(|refused| panic!("{pair}: a delete must work: {refused}"));
        }
        pool.settle().unwrap();
        let space = pool.space();
        assert_eq!(space.free_blocks + pool.segment_blocks(), space.total_blocks, "{pair}: {space:?}");
        sound(&pool, &pair);
        grown
    });
    // A scheme that logs its keys needs few pages, one that copies whole volumes fills its blocks at once.
    let grown: usize = grown.sum();
    assert!(grown * 4 > pairs.len() * 3, "metadata grew in {grown} of {} pairs only", pairs.len());
}
