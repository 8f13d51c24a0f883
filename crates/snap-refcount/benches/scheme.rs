//! What the scheme costs a volume of 1 GiB over the real page store on a memory device: the calls that one 4 KiB write
//! makes, a lookup, and a snapshot.
//!
//! Invariant: the map is aged (every block written at random once) before anything is timed.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spinney_core::{DevId, Epoch, Extent, Lba, LbaRange, Pba};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use spinney_snap::{Access, Freed, SnapshotScheme, Work, WritePlan};
use spinney_snap_refcount::RefCount;
use spinney_testkit::Dice;
use std::hint::black_box;
use std::sync::Arc;

const BLOCKS: u64 = 1 << 18;
/// Writes between commits: 64 MiB.
const COMMIT_WRITES: u64 = 1 << 14;

struct Pool {
    scheme: RefCount,
    pages: PageStore,
    dev: DevId,
    dice: Dice,
    free: Vec<u64>,
    freed: Freed,
    writes: u64,
    epoch: Epoch,
}

impl Pool {
    fn new(blocks: u64) -> Pool {
        let device = Arc::new(MemoryDevice::new(1 << 16));
        let area = [Extent::new(Pba(0), 1 << 16)];
        let mut pages = PageStore::format(device, &area, StoreOptions::default()).expect("format");
        let mut scheme = RefCount::new(506, false).expect("a fanout");
        scheme.format(&mut pages).expect("format");
        let dev = scheme.create(blocks, &mut pages).expect("create");
        let mut dice = Dice::new("bench", 1);
        let mut free: Vec<u64> = (0..2 * BLOCKS).collect();
        dice.shuffle(&mut free);
        let (freed, epoch) = (Freed::default(), Epoch(0));
        let mut pool = Pool { scheme, pages, dev, dice, free, freed, writes: 0, epoch };
        let mut order: Vec<u64> = (0..BLOCKS).collect();
        pool.dice.shuffle(&mut order);
        order.into_iter().for_each(|at| pool.write(at));
        pool.commit();
        pool
    }
    fn write(&mut self, at: u64) {
        let range = LbaRange::new(Lba(at), 1);
        let mut plan = WritePlan::default();
        self.scheme.plan_write(self.dev, range, &self.pages, &mut plan).expect("plan");
        let bound = self.scheme.pages_bound(Work::Map(self.dev, range), &self.pages).expect("bound");
        black_box((plan, bound));
        let on = Extent::new(Pba(self.free.pop().expect("a free block")), 1);
        self.scheme.map(self.dev, range.start, on, &mut self.pages, &mut self.freed).expect("map");
        self.writes += 1;
        if self.writes.is_multiple_of(COMMIT_WRITES) {
            self.commit();
        }
    }
    fn commit(&mut self) {
        self.scheme.tend(u64::MAX, &mut self.pages, &mut self.freed).expect("tend");
        self.epoch = self.epoch.next();
        self.scheme.commit(self.epoch, &mut self.pages).expect("commit");
        self.pages.seal(self.epoch).expect("seal");
        self.pages.committed(self.epoch);
        let mut back: Vec<u64> = self.freed.drain().flat_map(|run| run.iter()).map(|at| at.0).collect();
        self.dice.shuffle(&mut back);
        self.free.splice(0..0, back);
    }
    fn lookup(&mut self) {
        let range = LbaRange::new(Lba(self.dice.below(BLOCKS)), 1);
        self.scheme
            .lookup(self.dev, range, &self.pages, &mut |run| assert!(black_box(run).blocks == 1))
            .expect("lookup");
    }
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("refcount 1 GiB");
    group.throughput(Throughput::Elements(1));
    let mut pool = Pool::new(BLOCKS);
    group.bench_function("lookup 4 KiB", |b| b.iter(|| pool.lookup()));
    group.bench_function("overwrite 4 KiB, commit each 64 MiB", |b| {
        b.iter(|| {
            let at = pool.dice.below(BLOCKS);
            pool.write(at);
        });
    });
    let kept = pool.scheme.snapshot(pool.dev, Access::ReadOnly, &mut pool.pages).expect("snapshot");
    for _ in 0..20_000 {
        let at = pool.dice.below(BLOCKS);
        pool.write(at);
    }
    group.bench_function("overwrite 4 KiB under a snapshot", |b| {
        b.iter(|| {
            let at = pool.dice.below(BLOCKS);
            pool.write(at);
            if pool.free.len() < 10_000 {
                pool.scheme.delete(kept, &mut pool.pages, &mut pool.freed).ok();
                pool.commit();
            }
        });
    });
    for blocks in [BLOCKS, 1 << 28] {
        let mut pool = Pool::new(blocks);
        group.bench_function(format!("snapshot of {} GiB, and its delete", blocks >> 18), |b| {
            b.iter(|| {
                let dev =
                    pool.scheme.snapshot(pool.dev, Access::ReadOnly, &mut pool.pages).expect("snapshot");
                pool.scheme.delete(dev, &mut pool.pages, &mut pool.freed).expect("delete");
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = all;
    config = Criterion::default().sample_size(20);
    targets = benches
}
criterion_main!(all);
