//! What makes a volume old before it is measured: holes all over, then every unit of the spots anew in random order.
//!
//! Invariant: no version is taken, and all of it belongs to the fill.

use super::spots::Spots;
use crate::chance::{Chance, Permutation};
use crate::error::Result;
use crate::generate::{Commits, part};
use crate::op::{Bytes, Handle, Op};
use crate::workload::Steps;
use spinney_core::BLOCK_BYTES;
use std::collections::VecDeque;

pub(super) struct Age {
    spots: Spots,
    live: u64,
    holes: u64,
    times: u64,
    chance: Chance,
    order: Option<Permutation>,
    commits: Commits,
    /// Holes and units done.
    done: u64,
}

impl Age {
    pub(super) fn new(spots: Spots, live: u64, holes: u64, times: u64, seed: u64, flush_every: u64) -> Age {
        let (chance, commits) = (Chance::new(seed, 11), Commits::new(flush_every));
        Age { spots, live, holes, times, chance, order: None, commits, done: 0 }
    }
    fn all(&self) -> u64 {
        self.holes.saturating_add(self.times.saturating_mul(self.spots.units()))
    }
    fn hole(&self) -> Option<Op> {
        let block = u128::from(2 * self.done + 1) * u128::from(self.live) / (2 * u128::from(self.holes));
        let block = u64::try_from(block).expect("a live block");
        let bytes = Bytes { offset: block * BLOCK_BYTES as u64, length: BLOCK_BYTES as u64 };
        (!self.spots.covers(block)).then_some(Op::Discard { of: Handle::VOLUME, bytes })
    }
    fn unit(&mut self) -> Op {
        let at = (self.done - self.holes) % self.spots.units();
        if at == 0 {
            self.order = Some(Permutation::new(self.spots.units(), &mut self.chance));
        }
        let order = self.order.as_ref().expect("made with the first unit");
        Op::Write { to: Handle::VOLUME, bytes: self.spots.bytes(order.at(at)) }
    }
}

impl Steps for Age {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.done == self.all() {
            if self.done > 0 {
                self.commits.flush(out);
            }
            return Ok(false);
        }
        let op = if self.done < self.holes { self.hole() } else { Some(self.unit()) };
        self.done += 1;
        if let Some(op) = op {
            self.commits.push(op, out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        part(self.done, self.all())
    }
}
