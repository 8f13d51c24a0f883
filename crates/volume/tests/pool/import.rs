//! Tests of pools that begin with somebody else's free space.
//!
//! Invariant: lists are counted from the first data block. Knows only the public face of the crate.

use crate::bench::{metadata, open, parts, sound};
use spinney_core::{Error, Extent, Flow, Pba};
use spinney_device::MemoryDevice;
use spinney_volume::{ChecksumKind, Pool, PoolOptions};
use std::sync::Arc;

const DATA: u64 = 4_000;
/// Nodes have eight slots, so the map of the whole has some 600 pages.
const METADATA: u64 = 2_000;

fn fresh(checksums: ChecksumKind) -> (Arc<MemoryDevice>, Pool) {
    let device = Arc::new(MemoryDevice::new(16 + METADATA + DATA));
    let pool =
        Pool::format(device.clone(), parts(), PoolOptions { checksums, ..metadata(METADATA) }).unwrap();
    (device, pool)
}

fn runs(list: &[(u64, u64)]) -> Vec<Extent> {
    list.iter().map(|(start, blocks)| Extent { start: Pba(*start), blocks: *blocks }).collect()
}

/// Free runs, counted from the first data block.
fn free_of(pool: &Pool) -> Vec<Extent> {
    let (mut free, first) = (Vec::new(), pool.layout().data.start.0);
    pool.visit_free(&mut |run| {
        free.push(Extent { start: Pba(run.start.0 - first), ..run });
        Flow::Continue
    })
    .unwrap();
    free
}

#[test]
fn what_is_free_there_is_free_here_and_the_rest_is_owned() {
    for list in [
        vec![(0, 7), (100, 1), (102, 3_000), (DATA - 3, 3)],
        vec![(5, DATA - 10)],
        vec![],
        vec![(0, DATA)],
        (0..80).map(|run| (run * 50, 17)).collect(),
    ] {
        let (device, mut pool) = fresh(ChecksumKind::None);
        let imported = pool.import(&runs(&list)).unwrap();
        assert_eq!(free_of(&pool), runs(&list));
        sound(&pool);
        drop(pool);
        let pool = open(device).unwrap();
        assert_eq!(free_of(&pool), runs(&list), "durable");
        let used = DATA - list.iter().map(|(_, blocks)| blocks).sum::<u64>();
        assert_eq!(pool.usage(imported).unwrap().exclusive_blocks, used);
        sound(&pool);
    }
}

#[test]
fn an_imported_version_can_be_deleted_and_all_is_free() {
    let (_, mut pool) = fresh(ChecksumKind::None);
    let imported = pool.import(&runs(&[(10, 20), (1_000, 5)])).unwrap();
    pool.delete(imported).unwrap();
    pool.settle().unwrap();
    assert_eq!(free_of(&pool), runs(&[(0, DATA)]));
    sound(&pool);
}

#[test]
fn a_list_that_is_none_is_refused() {
    for list in [vec![(5, 5), (9, 2)], vec![(9, 2), (5, 1)], vec![(0, DATA + 1)], vec![(u64::MAX, 2)]] {
        let (_, mut pool) = fresh(ChecksumKind::None);
        assert!(matches!(pool.import(&runs(&list)), Err(Error::OutOfRange { .. })), "{list:?}");
        sound(&pool);
    }
    let (_, mut pool) = fresh(ChecksumKind::Xxh3);
    assert!(matches!(pool.import(&[]), Err(Error::Unsupported(_))));
}

#[test]
fn a_pool_in_use_is_refused() {
    let (_, mut pool) = fresh(ChecksumKind::None);
    let volume = pool.create(100).unwrap();
    pool.write(volume, 0, &[7; 40_960]).unwrap();
    assert!(matches!(pool.import(&[]), Err(Error::NoSpace { .. })));
}
