//! Put and get of the fixed-width map on pages in memory, beside the standard library's tree in the same run.
//!
//! The pages are a vector of shared buffers: the cheapest page store there can be, so that the map's own cost shows.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spinney_core::{Error, PageBuf, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result};
use spinney_pages::TypedMap;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

/// Pages by number, from 1. Never frees.
#[derive(Default)]
struct VecPages(Vec<Arc<PageBuf>>);

impl PageRead for VecPages {
    fn read(&self, page: PageNo, _kind: PageKind) -> Result<PageRef> {
        let index = usize::try_from(page.0.wrapping_sub(1)).unwrap_or(usize::MAX);
        let found = self.0.get(index).ok_or(Error::corrupt_page("page number", page))?;
        Ok(PageRef::new(found.clone()))
    }
}

impl PageTxn for VecPages {
    fn alloc(&mut self, _kind: PageKind) -> Result<PageNo> {
        self.0.push(Arc::new(PageBuf::zeroed()));
        Ok(PageNo(self.0.len() as u64))
    }
    fn edit(&mut self, page: PageNo, _kind: PageKind) -> Result<&mut Payload> {
        let index = usize::try_from(page.0.wrapping_sub(1)).unwrap_or(usize::MAX);
        let found = self.0.get_mut(index).ok_or(Error::corrupt_page("page number", page))?;
        Ok(Arc::make_mut(found).payload_mut())
    }
    fn free(&mut self, _page: PageNo, _kind: PageKind) -> Result<()> {
        Ok(())
    }
}

/// Unique keys scattered over all of `u64`: multiplying by an odd number and folding the high bits in both permute it.
fn key(number: u64) -> u64 {
    let folded = (number ^ (number >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let folded = (folded ^ (folded >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    folded ^ (folded >> 32)
}

type Map = TypedMap<u64, (u64, u64)>;

fn filled(entries: u64) -> (Map, VecPages) {
    let mut pages = VecPages::default();
    let map = Map::create(PageKind::TREE, &mut pages).expect("a page");
    for number in 0..entries {
        map.put(&key(number), &(number, number), &mut pages).expect("pages without end");
    }
    eprintln!(
        "{entries} entries: {:.1} bytes an entry on pages",
        pages.0.len() as f64 * 4096.0 / entries as f64
    );
    (map, pages)
}

/// Operations in one measured batch.
const BATCH: u64 = 10_000;

fn put(c: &mut Criterion) {
    let mut group = c.benchmark_group("put");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    for entries in [100_000u64, 2_000_000] {
        let (map, mut pages) = filled(entries);
        let mut next = entries;
        group.bench_function(BenchmarkId::new("pages", entries), |b| {
            b.iter(|| {
                (next..next + BATCH).for_each(|number| {
                    black_box(
                        map.put(&key(number), &(number, number), &mut pages).expect("pages without end"),
                    );
                });
                next += BATCH;
            });
        });
        let mut tree: BTreeMap<u64, (u64, u64)> = (0..entries).map(|n| (key(n), (n, n))).collect();
        let mut next = entries;
        group.bench_function(BenchmarkId::new("std", entries), |b| {
            b.iter(|| {
                (next..next + BATCH).for_each(|number| {
                    black_box(tree.insert(key(number), (number, number)));
                });
                next += BATCH;
            });
        });
    }
    group.finish();
}

fn get(c: &mut Criterion) {
    let mut group = c.benchmark_group("get");
    group.throughput(Throughput::Elements(BATCH)).sample_size(20);
    for entries in [100_000u64, 2_000_000] {
        let (map, pages) = filled(entries);
        let tree: BTreeMap<u64, (u64, u64)> = (0..entries).map(|n| (key(n), (n, n))).collect();
        // Another order than that of the puts.
        let wanted: Vec<u64> = (0..BATCH).map(|n| key(n * 7919 % entries)).collect();
        group.bench_function(BenchmarkId::new("pages", entries), |b| {
            b.iter_batched(
                || &wanted,
                |wanted| {
                    wanted.iter().for_each(|key| {
                        assert!(black_box(map.get(key, &pages)).is_ok_and(|value| value.is_some()))
                    })
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function(BenchmarkId::new("std", entries), |b| {
            b.iter_batched(
                || &wanted,
                |wanted| wanted.iter().for_each(|key| assert!(black_box(tree.get(key)).is_some())),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, put, get);
criterion_main!(benches);
