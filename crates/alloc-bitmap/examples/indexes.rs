//! Every index of this crate on the same small space: four fifths full, random files of 1 to 64 blocks overwritten; then what its
//! free space looks like, how many requests came in pieces, and what it looked at.
//!
//! `cargo run --release -p spinney-alloc-bitmap --example indexes`

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_bitmap::{AreaIndex, BitmapIndex, BlueStoreIndex, CursorIndex, Fit};
use spinney_core::{Extent, Pba};
use std::io::{Write, stdout};

const BLOCKS: u64 = 1 << 18;
const FILES: usize = 6500;
const OVERWRITES: u64 = 60_000;

/// A linear congruential generator: the same on any machine.
fn draw(state: &mut u64, sides: u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % sides
}

/// Blocks for a file, in as few runs as the index gives.
fn file(index: &mut dyn FreeIndex, blocks: u64) -> Vec<Extent> {
    let (mut runs, mut left) = (Vec::new(), blocks);
    while left > 0 {
        let run = index.pick(&Want::up_to(left)).expect("a fifth is free");
        left -= run.blocks;
        runs.push(run);
    }
    runs
}

fn main() -> std::io::Result<()> {
    let indexes: [(&str, Box<dyn FreeIndex>); 7] = [
        ("bitmap, best", Box::new(BitmapIndex::default())),
        ("bitmap, first", Box::new(BitmapIndex::new(Fit::First, 8, 4096))),
        ("bitmap, next", Box::new(BitmapIndex::new(Fit::Next, 8, 4096))),
        ("bitmap, near", Box::new(BitmapIndex::new(Fit::Near, 8, 4096))),
        ("areas", Box::new(AreaIndex::default())),
        ("cursor", Box::new(CursorIndex::default())),
        ("bluestore-bitmap", Box::new(BlueStoreIndex::default())),
    ];
    writeln!(stdout(), "index            | free runs | in pieces | steps a request | bits a block")?;
    for (name, mut index) in indexes {
        let universe = Extent::new(Pba(0), BLOCKS);
        index.reset(universe);
        index.insert(universe);
        let mut state = 1;
        let mut files: Vec<Vec<Extent>> =
            (0..FILES).map(|_| file(&mut *index, 1 + draw(&mut state, 64))).collect();
        let (mut pieces, before) = (0, index.effort().steps);
        for _ in 0..OVERWRITES {
            let at = draw(&mut state, FILES as u64) as usize;
            let runs = file(&mut *index, 1 + draw(&mut state, 64));
            pieces += u64::from(runs.len() > 1);
            std::mem::replace(&mut files[at], runs).into_iter().for_each(|run| index.insert(run));
        }
        let steps = (index.effort().steps - before) as f64 / OVERWRITES as f64;
        let (share, runs) = (100.0 * pieces as f64 / OVERWRITES as f64, index.free_runs());
        let bits = index.memory_bytes() as f64 * 8.0 / BLOCKS as f64;
        writeln!(stdout(), "{name:16} | {runs:9} | {share:7.2} % | {steps:15.1} | {bits:.3}")?;
    }
    Ok(())
}
