//! From a failing seed to a case of a few lines.
//!
//! Invariant: what it returns still fails. Removes ever smaller chunks of steps until none can go (delta debugging).

use crate::{Failure, Life, Pair, Step};

/// The shortest failing list that removing steps can find, and how it fails.
#[must_use]
pub fn shrink(pair: &Pair, steps: &[Step], failure: Failure) -> (Vec<Step>, Failure) {
    let (mut steps, mut failure) = (steps.to_vec(), failure);
    steps.truncate(failure.step + 1);
    let mut chunk = steps.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        let mut gone = false;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + chunk).min(steps.len()));
            match Life::run(pair, &fewer) {
                Err(still) => {
                    (steps, failure) = (fewer, still);
                    gone = true;
                }
                Ok(_) => at += chunk,
            }
        }
        if !gone || chunk > 1 {
            chunk /= 2;
        }
    }
    (steps, failure)
}
