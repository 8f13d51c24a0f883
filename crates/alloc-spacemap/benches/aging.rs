//! Dynamic fit beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-spacemap` measures 2^20 and 2^24 blocks; `AGING_POWERS="28"` names others. Criterion times
//! whole pairs (clock included); the table after it has the clock taken off, tails, failures and memory.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spinney_alloc::FreeIndex;
use spinney_alloc_spacemap::{Policy, RangeIndex, Tuning};
use spinney_core::{Extent, Pba};
use spinney_testkit::aging::{Aged, Space, TreePair};
use std::time::Duration;

fn range(policy: Policy, blocks: u64) -> RangeIndex {
    let (mut index, universe) =
        (RangeIndex::new(Tuning { policy, ..Tuning::default() }), Extent::new(Pba(0), blocks));
    index.reset(universe);
    index.insert(universe);
    index
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
    candidate(c, "pair of B-trees", TreePair::new);
}

criterion_group!(benches, aging);
criterion_main!(benches);
