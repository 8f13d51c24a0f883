//! Nanoseconds of instant fit by free holes in the way (claim R54): `cargo run --release -p spinney-alloc-buddy --example instant_fit`.
//!
//! Invariant: no hole holds a request, and each run that was picked goes back, so that every pair meets the same space. Knows no
//! pool; the steps of whole pools are in `experiments/instant-fit`.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_buddy::VmemIndex;
use spinney_core::{Extent, Pba};
use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::time::Instant;

const BLOCKS: u64 = 1 << 22;
const PAIRS: u32 = 200_000;
/// Pairs of the walk, which takes up to a million steps each.
const WALKS: u32 = 40;

fn main() -> std::io::Result<()> {
    writeln!(
        stdout(),
        "| holes | instant fit, ns a pair | walk by address, ns a pick |\n| --- | --- | --- |"
    )?;
    for holes in [1 << 6, 1 << 10, 1 << 14, 1 << 18, 1 << 20] {
        let stride = BLOCKS / 2 / holes;
        let singles = (0..holes).map(|hole| Extent::new(Pba(hole * stride), 1));
        let all: Vec<Extent> = singles.chain([Extent::new(Pba(BLOCKS / 2 + 1), BLOCKS / 4)]).collect();
        writeln!(stdout(), "| {holes} | {:.0} | {:.0} |", instant_fit(&all), walk(&all))?;
    }
    Ok(())
}

fn instant_fit(free: &[Extent]) -> f64 {
    let mut index = VmemIndex::default();
    index.reset(Extent::new(Pba(0), BLOCKS));
    free.iter().for_each(|run| index.insert(*run));
    let begun = Instant::now();
    for pair in 0..PAIRS {
        let run = index.pick(&Want::exactly(2 + u64::from(pair % 64))).expect("the long run holds it");
        index.insert(run);
    }
    begun.elapsed().as_nanos() as f64 / f64::from(PAIRS)
}

/// The linear list that it replaced, here a map by address.
fn walk(free: &[Extent]) -> f64 {
    let map: BTreeMap<u64, u64> = free.iter().map(|run| (run.start.0, run.blocks)).collect();
    let begun = Instant::now();
    let found = (0..WALKS).filter_map(|walk| {
        let blocks = std::hint::black_box(2 + u64::from(walk % 64));
        map.iter().find(|(_, length)| **length >= blocks)
    });
    assert_eq!(found.count(), WALKS as usize);
    begun.elapsed().as_nanos() as f64 / f64::from(WALKS)
}
