//! How soon the lives see a planted fault.
//!
//! Invariant: the number of lives is that of the first seed that fails, whatever the threads do; only the seconds are the machine's.

use super::Fault;
use crate::{Life, Pair};
use rayon::prelude::*;
use std::time::Instant;

/// Lives that a fault may survive in a pair before it counts as missed.
pub const LIVES_MAX: u64 = 600;
/// Steps of each life.
pub const STEPS: usize = 60;

/// A fault in one pair.
pub struct Caught {
    /// The pair.
    pub pair: String,
    /// Lives up to and with the one that failed; none if all passed.
    pub lives: Option<u64>,
    /// How long that took here.
    pub seconds: f64,
}

/// Plant the fault in the pair and live until it shows.
#[must_use]
pub fn catch(fault: &Fault, pair: &Pair) -> Caught {
    let mut planted = pair.clone();
    (fault.plant)(&mut planted);
    let started = Instant::now();
    let fails = |seed: &u64| Life::of_seed(&planted, *seed, STEPS).is_err();
    let first = (0..LIVES_MAX).into_par_iter().find_first(fails);
    Caught {
        pair: pair.to_string(),
        lives: first.map(|seed| seed + 1),
        seconds: started.elapsed().as_secs_f64(),
    }
}
