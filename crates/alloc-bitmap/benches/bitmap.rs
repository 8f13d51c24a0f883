//! quick
use spinney_alloc::FreeIndex;
use spinney_alloc_bitmap::{BitmapIndex, Fit};
use spinney_core::{Extent, Pba};
use spinney_testkit::aging::{Aged, Space, TreePair};

fn full(fit: Fit, blocks: u64) -> BitmapIndex {
    let mut index = BitmapIndex::new(fit, 4, 4096);
    index.reset(Extent::new(Pba(0), blocks));
    index.insert(Extent::new(Pba(0), blocks));
    index
}

fn run<S: Space>(name: &str, power: u32, make: impl Fn(u64) -> S) {
    let mut aged = Aged::new(make(1 << power), 1 << power, 1);
    for level in [50, 80, 95] {
        aged.age(level);
        for _ in 0..200_000 {
            aged.pair();
        }
        let t = aged.times();
        println!(
            "{name:12} 2^{power} {level}% pair {:6.0} free p99 {:5} alloc p99 {:5} max {:7} halved {:.5} runs {} bits/block {:.4} bytes/run {:.1}",
            t.pair_trimmed_mean,
            t.free_p99,
            t.allocate_p99,
            t.slowest,
            aged.halved as f64 / aged.requests as f64,
            aged.space.free_runs(),
            aged.space.memory_bytes() as f64 * 8.0 / (1u64 << power) as f64,
            aged.space.memory_bytes() as f64 / aged.space.free_runs() as f64
        );
    }
    println!("{name} filled up: {}", aged.fill_up());
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let powers: Vec<u32> = args.iter().filter_map(|a| a.parse().ok()).collect();
    for power in powers {
        run("best", power, |b| full(Fit::Best, b));
        run("first", power, |b| full(Fit::First, b));
        run("tree pair", power, TreePair::new);
    }
}
