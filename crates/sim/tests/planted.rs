//! Each planted fault must be seen by the lives: a fault that survives is a hole in the net.

use rayon::prelude::*;
use spinney_registry::Registry;
use spinney_sim::{Life, Pair, planted::FAULTS};
use std::sync::Arc;

/// Lives that a fault may survive before it counts as missed.
const LIVES_MAX: u64 = 600;

#[test]
fn every_planted_fault_is_caught_in_every_pair() {
    std::panic::set_hook(Box::new(|_| {}));
    let registry = Arc::new(Registry::standard());
    let mut missed = Vec::new();
    for fault in FAULTS {
        for mut pair in Pair::all(&registry) {
            (fault.plant)(&mut pair);
            let caught = (0..LIVES_MAX).into_par_iter().any(|seed| Life::of_seed(&pair, seed, 60).is_err());
            if !caught {
                missed
                    .push(format!("{} in {} x {}: {}", fault.name, pair.allocator, pair.scheme, fault.what));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert!(missed.is_empty(), "not caught in {LIVES_MAX} lives each: {missed:#?}");
}
