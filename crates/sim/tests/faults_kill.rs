//! Two hundred processes killed at random moments, and two planted faults that such kills must show.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::Pair;
use spinney_sim::faults::kill::{Planted, Told, kill_once};
use std::path::Path;
use std::sync::Arc;

const KILLS: u64 = 200;

fn kill(folder: &Path, seed: u64, planted: Planted) -> Result<Told, String> {
    // Round by round over a sample, so that the kills meet all allocators and all schemes.
    let registry = Arc::new(Registry::standard());
    let seed_of = seed as usize;
    let each = Pair::sample(&registry, 0).len();
    let pair = &Pair::sample(&registry, seed_of / each)[seed_of % each];
    let program = Path::new(env!("CARGO_BIN_EXE_spinney-sim"));
    kill_once(program, folder, [&pair.allocator, &pair.scheme], seed, planted)
}

#[test]
fn after_two_hundred_kills_nothing_flushed_is_lost_and_nothing_invented() {
    let folder = tempfile::tempdir().unwrap();
    let told: Vec<Told> =
        (0..KILLS).into_par_iter().map(|seed| kill(folder.path(), seed, Planted::Nothing).unwrap()).collect();
    let in_flush = told.iter().filter(|told| told.in_flush()).count();
    let flushes: u64 = told.iter().map(|told| told.flushed).sum();
    println!("{KILLS} kills after {flushes} flushes, {in_flush} of them inside one");
    assert!(in_flush as u64 * 10 > KILLS, "too few kills fall inside a flush: {in_flush}");
    assert!(in_flush as u64 * 10 < KILLS * 9, "too few kills fall outside a flush: {in_flush}");
    assert!(flushes > KILLS * 5, "the writers are killed too early: {flushes}");
}

/// Kills until one shows the fault. Also the proof that the comparison can fail.
fn caught(planted: Planted) -> String {
    let folder = tempfile::tempdir().unwrap();
    let shown = (0..KILLS).into_par_iter().find_map_any(|seed| kill(folder.path(), seed, planted).err());
    shown.unwrap_or_else(|| panic!("{planted:?} was not seen in {KILLS} kills"))
}

#[test]
fn a_device_whose_flush_lies_is_seen() {
    println!("{}", caught(Planted::FlushLies));
}

#[test]
fn a_commit_without_its_first_flush_is_seen() {
    println!("{}", caught(Planted::OneFlush));
}
