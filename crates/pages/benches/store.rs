//! What the page store costs in time: reading what is in memory, changing it, and sealing.
//!
//! Invariant: the device is memory, so that only the store's own work is timed. Compare ratios, not numbers between machines.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spinney_core::{BlockDevice, Extent, PageKind, PageNo, PageRead, PageTxn, Pba, Root};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions, store};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const KIND: PageKind = PageKind::TREE;

struct Setup {
    device: Arc<dyn BlockDevice>,
    area: [Extent; 1],
    store: PageStore,
    pages: Vec<PageNo>,
    root: Root,
}

/// A committed store of `pages` pages.
fn setup(pages: u64) -> Setup {
    // Twice the pages: some benches rewrite all of them in one epoch.
    let blocks = store::area_blocks_for(2 * pages).expect("small enough");
    let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(blocks));
    let area = [Extent::new(Pba(0), blocks)];
    let options = StoreOptions { cache_pages: 1 << 15, dirty_pages: 1 << 15, ..StoreOptions::default() };
    let mut store = PageStore::format(device.clone(), &area, options).expect("a fine area");
    let numbers = (0..pages).map(|_| store.alloc(KIND).expect("room")).collect();
    let root = commit(&mut store);
    Setup { device, area, store, pages: numbers, root }
}

fn commit(store: &mut PageStore) -> Root {
    let epoch = store.epoch().next();
    let root = store.seal(epoch).expect("memory does not fail");
    store.committed(epoch);
    root
}

/// Page numbers in an order without locality.
fn shuffled(pages: &[PageNo]) -> impl Iterator<Item = PageNo> + '_ {
    let mut at = 0;
    std::iter::repeat_with(move || {
        at = (at + 7919) % pages.len();
        pages[at]
    })
}

fn read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read");
    for pages in [16, 10_000] {
        let setup = setup(pages);
        let view = setup.store.view();
        let mut order = shuffled(&setup.pages);
        group.bench_function(BenchmarkId::new("hit", pages), |bench| {
            bench.iter(|| setup.store.read(order.next().expect("endless"), KIND).expect("live"));
        });
        group.bench_function(BenchmarkId::new("view hit", pages), |bench| {
            bench.iter(|| view.read(order.next().expect("endless"), KIND).expect("live"));
        });
    }
    let setup = setup(100_000);
    let mut order = shuffled(&setup.pages);
    let options = StoreOptions { cache_pages: 1 << 10, dirty_pages: 1 << 10, ..StoreOptions::default() };
    let store = PageStore::open(setup.device.clone(), &setup.area, &setup.root, options).expect("sound");
    group.bench_function("miss, 100000 pages", |bench| {
        bench.iter(|| store.read(order.next().expect("endless"), KIND).expect("live"));
    });
    group.finish();
}

fn edit(criterion: &mut Criterion) {
    let mut setup = setup(10_000);
    let pages = setup.pages.clone();
    let mut order = shuffled(&pages);
    pages.iter().for_each(|page| setup.store.edit(*page, KIND).expect("live")[0] = 1);
    criterion.bench_function("edit/dirty", |bench| {
        bench.iter(|| {
            let payload = setup.store.edit(order.next().expect("endless"), KIND).expect("live");
            black_box(payload)[0] ^= 1;
        });
    });
}

fn seal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("seal");
    for dirty in [1_usize, 100, 10_000] {
        let mut setup = setup(40_000);
        let pages = setup.pages.clone();
        let mut order = shuffled(&pages);
        group.throughput(Throughput::Elements(dirty as u64));
        group.bench_function(BenchmarkId::new("edit and commit", dirty), |bench| {
            bench.iter(|| {
                for page in order.by_ref().take(dirty) {
                    setup.store.edit(page, KIND).expect("live")[7] ^= 1;
                }
                commit(&mut setup.store)
            });
        });
    }
    group.finish();
}

fn open(criterion: &mut Criterion) {
    let setup = setup(100_000);
    criterion.bench_function("open/100000 pages", |bench| {
        let open = |()| {
            PageStore::open(setup.device.clone(), &setup.area, &setup.root, StoreOptions::default())
                .expect("sound")
        };
        bench.iter_batched(|| (), open, BatchSize::PerIteration);
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().measurement_time(Duration::from_secs(2)).warm_up_time(Duration::from_millis(500));
    targets = read, edit, seal, open
}
criterion_main!(benches);
