//! A write and a flush at queue depth 1 on a file, with an intent log and without.
//!
//! Invariant: all rows are of one run on files in one folder (`VOLUME_FOLDER`, else the one for temporary files), in turns, so that what
//! the disk does meanwhile meets all; wall-clock time, since waiting is what is measured. Read the ratios.

use crate::clock::Windows;
use spinney_core::{BLOCK_BYTES, BlockDevice, DevId, Pba};
use spinney_device::FileDevice;
use spinney_registry::Registry;
use spinney_volume::{Pool, PoolOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// 256 MiB, of which a quarter is the volume.
const DEVICE_BLOCKS: u64 = 1 << 16;
const VOLUME_BLOCKS: u64 = DEVICE_BLOCKS / 4;
const WRITES: u64 = 100;
const WINDOWS: usize = 9;

/// Somewhere to write a block durably.
enum Target {
    File(FileDevice),
    Pool(Box<Pool>, DevId),
}

impl Target {
    fn write(&mut self, at: u64, block: &[u8]) {
        let done = match self {
            Target::File(device) => device.write(Pba(at), block).and_then(|()| device.flush()),
            Target::Pool(pool, volume) => pool.write(*volume, at * BLOCK, block).and_then(|()| pool.flush()),
        };
        done.expect("a disk with room");
    }
}

/// Removes its file.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn file(folder: &Path, name: &str) -> (Scratch, FileDevice) {
    let scratch = Scratch(folder.join(format!("spinney-flush-{}-{name}", std::process::id())));
    let device = FileDevice::create(&scratch.0, DEVICE_BLOCKS).expect("a folder that can be written");
    // Every block is there: what is measured is no allocation of the file system.
    for at in (0..DEVICE_BLOCKS).step_by(256) {
        device.write(Pba(at), &vec![0xA5; 256 * BLOCK_BYTES]).expect("a disk with room");
    }
    device.flush().expect("a disk with room");
    (scratch, device)
}

/// A pool whose volume is written once.
fn pool(device: FileDevice, allocator: &str, scheme: &str, log_blocks: u64) -> Target {
    let registry = Registry::standard();
    let spec = registry.spec(allocator, scheme).expect("registered names");
    let parts = registry.parts(&spec).expect("defaults are lawful");
    let options = PoolOptions { log_blocks, ..PoolOptions::default() };
    let mut pool = Pool::format(Arc::new(device), parts, options).expect("room");
    let volume = pool.create(VOLUME_BLOCKS).expect("room");
    for at in (0..VOLUME_BLOCKS).step_by(256) {
        pool.write(volume, at * BLOCK, &vec![1; 256 * BLOCK_BYTES]).expect("room");
    }
    pool.settle().expect("room");
    Target::Pool(Box::new(pool), volume)
}

/// The table.
#[expect(clippy::print_stdout, reason = "a bench that prints its tables")]
pub(crate) fn flushes(pairs: &[(String, String)]) {
    let folder = std::env::var_os("VOLUME_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
    let mut rows: Vec<(String, Scratch, Target, Vec<Duration>)> = Vec::new();
    let (scratch, device) = file(&folder, "raw");
    rows.push(("limit: the file, write and flush".into(), scratch, Target::File(device), Vec::new()));
    for (allocator, scheme) in pairs {
        for log_blocks in [0, 1024] {
            let (scratch, device) = file(&folder, &format!("{allocator}-{scheme}-{log_blocks}"));
            let name = format!("{allocator} x {scheme}, {}", if log_blocks > 0 { "log" } else { "no log" });
            rows.push((name, scratch, pool(device, allocator, scheme, log_blocks), Vec::new()));
        }
    }
    let mut place = 1;
    for _ in 0..WINDOWS {
        for (_, _, target, times) in &mut rows {
            let started = Instant::now();
            for _ in 0..WRITES {
                place = place * 5 % 16_381; // all places in turn, far from each other
                target.write(place % VOLUME_BLOCKS, &[place as u8; BLOCK_BYTES]);
            }
            times.push(started.elapsed());
        }
    }
    println!("\n### 4 KiB at random and a flush, queue depth 1, on a file: microseconds\n");
    println!("| | each | share of the file's rate |\n| --- | ---: | ---: |");
    let limit = Windows::of(WRITES, &rows[0].3);
    for (name, _, _, times) in &rows {
        let row = Windows::of(WRITES, times);
        println!("| {name} | {} | {} |", row.micros(), row.share_of(&limit));
    }
}
