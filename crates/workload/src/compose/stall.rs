//! A reader that stalls: it begins after one round of a workload and leaves some rounds later.
//!
//! Invariant: the workload's operations stay as they are; the reader begins and ends right after a round, at what its flush made
//! durable.

use crate::error::Result;
use crate::op::Op;
use crate::workload::{Account, Workload};

/// A workload with a reader.
pub struct Stall {
    base: Box<dyn Workload>,
    from: u64,
    until: u64,
    ready: Option<Op>,
}

impl Stall {
    /// The reader begins after round `from` of `base` (which has no other phases) and stays for `rounds` rounds, at least 1.
    #[must_use]
    pub fn new(base: Box<dyn Workload>, from: u64, rounds: u64) -> Stall {
        Stall { base, from, until: from.saturating_add(rounds), ready: None }
    }
}

impl Workload for Stall {
    fn next(&mut self) -> Result<Option<Op>> {
        if let Some(op) = self.ready.take() {
            return Ok(Some(op));
        }
        let op = self.base.next()?;
        self.ready = match op {
            Some(Op::Round(round)) if round == self.from => Some(Op::OpenReader),
            Some(Op::Round(round)) if round == self.until => Some(Op::CloseReader),
            _ => None,
        };
        Ok(op)
    }
    fn progress(&self) -> f64 {
        self.base.progress()
    }
    fn account(&self) -> Account {
        self.base.account()
    }
}
