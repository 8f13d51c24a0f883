//! Seeded chance for laws and lives, and the seed's name in every failure.
//!
//! Invariant: the same seed gives the same numbers on any machine. Knows nothing of what the numbers are for.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded source of numbers. When a test panics while it is alive, it prints its name and seed.
pub struct Dice {
    source: ChaCha8Rng,
    law: &'static str,
    seed: u64,
}

impl Dice {
    /// Dice for one case of `law`.
    #[must_use]
    pub fn new(law: &'static str, seed: u64) -> Dice {
        Dice { source: ChaCha8Rng::seed_from_u64(seed), law, seed }
    }
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.source.next_u64()
    }
    /// A number below `limit`, which must not be 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        assert!(limit > 0, "no number is below 0");
        ((u128::from(self.any()) * u128::from(limit)) >> 64) as u64
    }
    /// A number of `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }
    /// True once in `times`.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
    /// A number of `1..=limit`, each power of two as likely as the next: many small ones, a few large.
    pub fn log_uniform(&mut self, limit: u64) -> u64 {
        let top = self.below(u64::from(limit.ilog2()) + 1);
        self.between(1 << top, ((1 << top) * 2 - 1).min(limit))
    }
    /// One of them.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
    /// The items in another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for place in (1..items.len()).rev() {
            items.swap(place, self.below(place as u64 + 1) as usize);
        }
    }
}

impl Drop for Dice {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed: {} with seed {}", self.law, self.seed);
        }
    }
}
