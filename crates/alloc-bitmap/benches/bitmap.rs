//! The bitmap beside a plain pair of B-trees under the aging program: fill, turn over, then free one and allocate one.
//!
//! `cargo bench -p spinney-alloc-bitmap` measures 2^20 and 2^24 blocks; `AGING_POWERS="28"` names others, and
//! `AGING_GROUPS="1 16 64"` adds the bitmap with other settings. `floor` changes a random word for each call. Criterion times whole pairs (clock included); the table beside it has
//! the clock taken off, tails, requests that found no run of their size, and memory.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use spinney_alloc::FreeIndex;
use spinney_alloc_bitmap::{BitmapIndex, Fit};
use spinney_core::{Extent, Pba};
use spinney_testkit::Dice;
use spinney_testkit::aging::{Aged, Space, TreePair};
use std::time::Duration;

fn bitmap(fit: Fit, groups: u64, blocks: u64) -> BitmapIndex {
    let (mut index, universe) = (BitmapIndex::new(fit, groups, 4096), Extent::new(Pba(0), blocks));
    index.reset(universe);
    index.insert(universe);
    index
}

/// What no bitmap can beat: for a free and for an allocation, one word each at a random place is changed, and no more.
struct Floor {
    words: Vec<u64>,
    dice: Dice,
}

impl Floor {
    fn new(blocks: u64) -> Floor {
        Floor { words: vec![0; blocks as usize / 64], dice: Dice::new("floor", 1) }
    }
}

impl Space for Floor {
    fn take(&mut self, blocks: u64) -> Option<u64> {
        let at = self.dice.below(self.words.len() as u64);
        self.words[at as usize] ^= blocks;
        Some(at * 64)
    }
    fn give(&mut self, start: u64, blocks: u64) {
        self.words[start as usize / 64] ^= blocks;
    }
    fn free_runs(&self) -> u64 {
        0
    }
    fn memory_bytes(&self) -> u64 {
        self.words.len() as u64 * 8
    }
}

fn candidate<S: Space>(c: &mut Criterion, power: u32, name: &str, make: impl Fn(u64) -> S) {
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
        let (times, runs, bytes) = (aged.times(), aged.space.free_runs(), aged.space.memory_bytes());
        eprintln!(
            "| 2^{power} | {percent} % | {name} | {:.0} | {} / {} | {:.4} | {runs} | {:.3} |",
            times.pair_trimmed_mean,
            times.free_p99,
            times.allocate_p99,
            aged.halved as f64 / aged.requests as f64,
            bytes as f64 * 8.0 / (1u64 << power) as f64,
        );
    }
    assert!(aged.fill_up(), "{name} reaches the last block");
}

fn numbers(variable: &str, otherwise: &str) -> Vec<u64> {
    let list = std::env::var(variable).unwrap_or(otherwise.into());
    list.split_whitespace().map(|number| number.parse().expect("a number")).collect()
}

fn aging(c: &mut Criterion) {
    eprintln!(
        "| blocks | full | candidate | ns a pair | p99 free / allocate | no run of the size | free runs | bits a block |"
    );
    for power in numbers("AGING_POWERS", "20 24") {
        let power = power as u32;
        candidate(c, power, "bitmap, best", |blocks| bitmap(Fit::Best, 8, blocks));
        candidate(c, power, "pair of B-trees", TreePair::new);
        candidate(c, power, "floor", Floor::new);
        candidate(c, power, "bitmap, first", |blocks| bitmap(Fit::First, 8, blocks));
        for groups in numbers("AGING_GROUPS", "") {
            candidate(c, power, &format!("best, {groups} groups"), |blocks| {
                bitmap(Fit::Best, groups, blocks)
            });
        }
    }
}

criterion_group!(benches, aging);
criterion_main!(benches);
