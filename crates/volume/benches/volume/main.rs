//! What one thread gets out of a pool on a memory device, beside the limit: copying 4 KiB and checksumming it.
//!
//! `cargo bench -p spinney-volume` measures every allocator x scheme of the registry and prints the tables of the README;
//! `VOLUME_PAIRS="bitmap,refcount"`, `VOLUME_CHECKSUMS="xxh3 none"` and `VOLUME_TABLES="throughput snapshots"` pick some; `flushes` (on a file in `VOLUME_FOLDER`) is for asking. No criterion: a
//! sample here is a whole number of commits, after the pool is aged. Times are the thread's CPU time, since nothing
//! here waits and other programs then do not count; the median of the windows, and their spread.

#![expect(clippy::print_stdout, reason = "a bench that prints its tables")]

mod clock;
mod flush;
mod limit;
mod pool;

use clock::{Windows, windows};
use pool::{Bench, COMMIT_WRITES, GIB, TIB};
use spinney_registry::Registry;
use spinney_volume::ChecksumKind;

/// Windows of a figure, unless `VOLUME_WINDOWS` says otherwise (many, to look at one with a profiler).
const WINDOWS: usize = 9;

fn wanted(variable: &str, default: &str) -> Vec<String> {
    std::env::var(variable).unwrap_or(default.into()).split_whitespace().map(String::from).collect()
}

fn pairs() -> Vec<(String, String)> {
    let registry = Registry::standard();
    let schemes: Vec<_> = registry.schemes.iter().map(|scheme| scheme.name).collect();
    let all = registry
        .allocator_names()
        .into_iter()
        .flat_map(|allocator| schemes.iter().map(move |scheme| (allocator.to_owned(), (*scheme).to_owned())));
    let some = wanted("VOLUME_PAIRS", "");
    all.filter(|(allocator, scheme)| some.is_empty() || some.contains(&format!("{allocator},{scheme}")))
        .collect()
}

fn kinds() -> Vec<ChecksumKind> {
    let name =
        |name: String| ChecksumKind::named(&name).unwrap_or_else(|| panic!("no checksum is called {name}"));
    wanted("VOLUME_CHECKSUMS", "xxh3 crc32c blake3 none").into_iter().map(name).collect()
}

/// Random overwrites and reads of 4 KiB over 1 GiB, with each kind of checksum.
fn throughput() {
    let count = std::env::var("VOLUME_WINDOWS").map_or(WINDOWS, |count| count.parse().expect("a number"));
    for kind in kinds() {
        println!(
            "\n### 4 KiB at random over 1 GiB, a commit each 64 MiB, {}: thousands a second\n",
            kind.name()
        );
        println!("| | overwrites | share of the device's | reads | share of the device's |");
        println!("| --- | ---: | ---: | ---: | ---: |");
        let device = limit::of_device(kind);
        let line = |name: &str, write: &Windows, read: &Windows| {
            let shares = [write.share_of(&device.write), read.share_of(&device.read)];
            println!("| {name} | {} | {} | {} | {} |", write.rate(), shares[0], read.rate(), shares[1]);
        };
        let memory = limit::of_memory(kind);
        line("limit: checksum and copy", &memory.write, &memory.read);
        line("limit: checksum and memory device", &device.write, &device.read);
        for (allocator, scheme) in pairs() {
            let mut bench = Bench::aged(&allocator, &scheme, kind, GIB);
            let write = windows(count, || (2 * COMMIT_WRITES, bench.overwrite(2 * COMMIT_WRITES)));
            let read = windows(count, || (50_000, bench.read(50_000)));
            line(&format!("{allocator} x {scheme}"), &write, &read);
        }
    }
}

/// Creating a snapshot, and committing 64 scattered blocks, on pools of 1 GiB and 1 TiB.
fn snapshots_and_commits() {
    println!("\n### On pools of 1 GiB and of 1 TiB (sparse), 1 GiB written at random, xxh3: microseconds\n");
    println!(
        "| pair | pool | snapshot | commit of 64 blocks | of 4,096 | pages of the former | of the latter |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: |");
    for (allocator, scheme) in pairs() {
        for (name, bytes) in [("1 GiB", GIB), ("1 TiB", TIB)] {
            let mut bench = Bench::aged(&allocator, &scheme, ChecksumKind::Xxh3, bytes);
            let mut commit = |writes: u64, rounds: usize| {
                let mut pages = 0;
                let time: Windows = windows(rounds, || {
                    let (time, written) = bench.commit_of(writes);
                    pages = written;
                    (1, time)
                });
                (time, pages)
            };
            let (small, small_pages) = commit(64, 101);
            let (large, large_pages) = commit(4096, 31);
            let snapshot = windows(51, || (1, bench.snapshot()));
            println!(
                "| {allocator} x {scheme} | {name} | {} | {} | {} | {small_pages} | {large_pages} |",
                snapshot.micros(),
                small.micros(),
                large.micros(),
            );
        }
    }
}

fn main() {
    let tables = wanted("VOLUME_TABLES", "throughput snapshots");
    if tables.iter().any(|table| table == "throughput") {
        throughput();
    }
    if tables.iter().any(|table| table == "snapshots") {
        snapshots_and_commits();
    }
    // By the clock on the wall, so only when asked for.
    if tables.iter().any(|table| table == "flushes") {
        flush::flushes(&pairs());
    }
}
