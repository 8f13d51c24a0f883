//! Dynamic fit beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-spacemap` measures 2^20 and 2^24 blocks; `AGING_POWERS="28"` names others. Criterion times
//! whole pairs (clock included); the table after it has the clock taken off, tails, failures and memory.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spinney_alloc::FreeIndex;
use spinney_alloc_spacemap::{Policy, RangeIndex, Tuning};
use spinney_core::{Extent, Pba};
use spinney_testkit::aging::{Aged, Space, TreePair};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn range(policy: Policy, blocks: u64) -> RangeIndex {
    let (mut index, universe) =
        (RangeIndex::new(Tuning { policy, ..Tuning::default() }), Extent::new(Pba(0), blocks));
    index.reset(universe);
    index.insert(universe);
    index
}

/// Dynamic fit on a plain pair of B-trees: the same choices with what the standard library has.
struct DynamicPair {
    by_start: BTreeMap<u64, u64>,
    by_blocks: BTreeSet<(u64, u64)>,
    cursors: [u64; 64],
    free: u64,
    total: u64,
}

impl DynamicPair {
    fn new(total: u64) -> DynamicPair {
        let (by_start, by_blocks) = (BTreeMap::from([(0, total)]), BTreeSet::from([(total, 0)]));
        DynamicPair { by_start, by_blocks, cursors: [0; 64], free: total, total }
    }
    fn remove(&mut self, start: u64, blocks: u64) {
        self.by_start.remove(&start);
        self.by_blocks.remove(&(blocks, start));
    }
    fn add(&mut self, start: u64, blocks: u64) {
        self.by_start.insert(start, blocks);
        self.by_blocks.insert((blocks, start));
    }
    fn walk(&self, cursor: u64, blocks: u64) -> Option<(u64, u64)> {
        let before = self.by_start.range(..cursor).next_back().filter(|(at, length)| *at + *length > cursor);
        let mut first = None;
        for (seen, (at, length)) in before.into_iter().chain(self.by_start.range(cursor..)).enumerate() {
            if at - *first.get_or_insert(*at) > 4096 && seen >= 100 {
                return None;
            }
            if *length >= blocks {
                return Some((*at, *length));
            }
        }
        None
    }
}

impl Space for DynamicPair {
    fn take(&mut self, blocks: u64) -> Option<u64> {
        let order = blocks.trailing_zeros() as usize;
        let longest = self.by_blocks.last().map_or(0, |(length, _)| *length);
        let plenty = longest >= blocks.max(32) && self.free * 100 >= self.total * 4;
        let found = plenty.then(|| self.walk(self.cursors[order], blocks)).flatten();
        let found =
            found.or_else(|| self.by_blocks.range((blocks, 0)..).next().map(|(length, at)| (*at, *length)));
        let (start, length) = found?;
        self.remove(start, length);
        if length > blocks {
            self.add(start + blocks, length - blocks);
        }
        self.cursors[order] = start + blocks;
        self.free -= blocks;
        Some(start)
    }
    fn give(&mut self, start: u64, blocks: u64) {
        self.free += blocks;
        let (mut start, mut blocks) = (start, blocks);
        let before = self.by_start.range(..start).next_back().map(|(at, length)| (*at, *length));
        if let Some((at, length)) = before.filter(|(at, length)| at + length == start) {
            self.remove(at, length);
            (start, blocks) = (at, blocks + length);
        }
        if let Some(length) = self.by_start.get(&(start + blocks)).copied() {
            self.remove(start + blocks, length);
            blocks += length;
        }
        self.add(start, blocks);
    }
    fn free_runs(&self) -> u64 {
        self.by_start.len() as u64
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

fn candidate<S: Space>(c: &mut Criterion, name: &str, make: impl Fn(u64) -> S) {
    let powers = std::env::var("AGING_POWERS").unwrap_or("20 24".into());
    for power in powers.split_whitespace().map(|power| power.parse::<u32>().expect("a power of two")) {
        let mut aged = Aged::new(make(1 << power), 1 << power, 1);
        for percent in [50, 80, 95] {
            aged.age(percent);
            let mut group = c.benchmark_group(format!("2^{power} blocks, {percent} % full"));
            group
                .warm_up_time(Duration::from_millis(500))
                .measurement_time(Duration::from_secs(2))
                .sample_size(20);
            group.bench_function(BenchmarkId::from_parameter(name), |b| {
                b.iter_custom(|pairs| (0..pairs).map(|_| aged.pair()).sum());
            });
            group.finish();
            let (times, runs) = (aged.times(), aged.space.free_runs());
            eprintln!(
                "| {name} | 2^{power} | {percent} % | {:.0} ns a pair | p99 {} / {} | {:.4} halved | {:.1} bytes a run of {runs} |",
                times.pair_trimmed_mean,
                times.free_p99,
                times.allocate_p99,
                aged.halved as f64 / aged.requests as f64,
                aged.space.memory_bytes() as f64 / runs as f64,
            );
        }
        assert!(aged.fill_up(), "{name} reaches the last block");
    }
}

fn aging(c: &mut Criterion) {
    candidate(c, "dynamic fit", |blocks| range(Policy::Dynamic, blocks));
    candidate(c, "cursor fit", |blocks| range(Policy::Cursor, blocks));
    candidate(c, "new dynamic fit", |blocks| range(Policy::NewDynamic, blocks));
    candidate(c, "pair of B-trees, dynamic fit", DynamicPair::new);
    candidate(c, "pair of B-trees, best fit", TreePair::new);
}

criterion_group!(benches, aging);
criterion_main!(benches);
