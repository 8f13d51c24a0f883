//! The end of a volume: behind a workload the first volume is deleted, and flushes follow in which the pool works that off.
//!
//! Invariant: the workload's operations stay as they are; each flush behind them is a round of its own, counted on from the last one.

use crate::error::Result;
use crate::op::{Handle, Op};
use crate::workload::{Account, Workload};
use std::collections::VecDeque;

/// A workload, then the deletion of its volume.
pub struct Teardown {
    base: Box<dyn Workload>,
    /// Flushes to come.
    left: u64,
    round: u64,
    deleted: bool,
    ready: VecDeque<Op>,
}

impl Teardown {
    /// After `base`, which makes no versions and has one phase, delete the volume and flush `rounds` times.
    #[must_use]
    pub fn new(base: Box<dyn Workload>, rounds: u64) -> Teardown {
        Teardown { base, left: rounds, round: 0, deleted: false, ready: VecDeque::new() }
    }
}

impl Workload for Teardown {
    fn next(&mut self) -> Result<Option<Op>> {
        if let Some(op) = self.ready.pop_front() {
            return Ok(Some(op));
        }
        if let Some(op) = self.base.next()? {
            if let Op::Round(round) = op {
                self.round = round;
            }
            return Ok(Some(op));
        }
        if !std::mem::replace(&mut self.deleted, true) {
            return Ok(Some(Op::Delete { of: Handle::VOLUME }));
        }
        if self.left == 0 {
            return Ok(None);
        }
        (self.left, self.round) = (self.left - 1, self.round + 1);
        self.ready.push_back(Op::Round(self.round));
        Ok(Some(Op::Flush))
    }
    fn progress(&self) -> f64 {
        self.base.progress()
    }
    fn account(&self) -> Account {
        self.base.account()
    }
}
