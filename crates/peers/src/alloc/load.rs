//! A million free runs: what it takes to commit them the first time, to commit a change, and to load them again.
//!
//! Invariant: all get the same runs: free and taken ones in turns, log-uniform, 1 to 64 blocks; pages are in memory, so no
//! device's time is in it. Knows no allocator's type.

use crate::whole::Whole;
use serde::{Deserialize, Serialize};
use spinney_core::{Extent, Pba};
use spinney_registry::Registry;
use spinney_testkit::Dice;
use std::time::Instant;

/// One allocator's line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Loaded {
    pub(crate) allocator: String,
    pub(crate) runs: u64,
    pub(crate) first_commit_ms: f64,
    pub(crate) first_commit_pages: u64,
    pub(crate) change_commit_ms: f64,
    pub(crate) change_commit_pages: u64,
    pub(crate) load_ms: f64,
    pub(crate) memory_bytes: u64,
    pub(crate) regions_loaded: u64,
}

/// Runs released for the commit of a change.
pub(crate) const CHANGES: u64 = 10_000;

/// What is taken so that `runs` free runs are left, and the space's blocks.
fn taken(runs: u64) -> (Vec<Extent>, u64) {
    let mut dice = Dice::new("load", 1);
    let mut at = 0;
    let mut run = |dice: &mut Dice| {
        let run = Extent::new(Pba(at), dice.log_uniform(64).max(1));
        at = run.end().0;
        run
    };
    let list = (0..runs)
        .map(|_| {
            let taken = run(&mut dice);
            run(&mut dice);
            taken
        })
        .collect();
    (list, at)
}

fn ms(begun: Instant) -> f64 {
    begun.elapsed().as_nanos() as f64 / 1e6
}

/// Measure the allocator of that name.
pub(crate) fn measure(name: &str, runs: u64) -> spinney_core::Result<Loaded> {
    let spec = Registry::standard().allocator(name).expect("a registered name");
    let (taken, blocks) = taken(runs);
    let mut whole = Whole::new(&spec, blocks);
    for run in &taken {
        whole.allocator.claim(*run, &whole.pages)?;
    }
    let begun = Instant::now();
    let (_, first_commit_pages) = whole.commit();
    let first_commit_ms = ms(begun);
    let mut dice = Dice::new("load", 2);
    let mut change: Vec<Extent> = (0..CHANGES).map(|_| *dice.one_of(&taken)).collect();
    change.sort_unstable();
    change.dedup();
    for run in &change {
        whole.allocator.release(*run, &whole.pages)?;
    }
    let begun = Instant::now();
    let (root, change_commit_pages) = whole.commit();
    let change_commit_ms = ms(begun);
    let mut again = Whole::new(&spec, blocks);
    let begun = Instant::now();
    again.allocator.open(Extent::new(Pba(0), blocks), &root, &whole.pages)?;
    let load_ms = ms(begun);
    let stats = again.allocator.stats();
    Ok(Loaded {
        allocator: name.into(),
        runs,
        first_commit_ms,
        first_commit_pages,
        change_commit_ms,
        change_commit_pages,
        load_ms,
        memory_bytes: stats.memory_bytes,
        regions_loaded: stats.loads,
    })
}
