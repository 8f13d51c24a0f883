//! The end of a volume: behind a workload all that is live is discarded, part by part from front to back.
//!
//! Invariant: the workload's operations stay as they are; each part is a flush and a round of its own, counted on from the last one.

use crate::error::Result;
use crate::op::{Bytes, Handle, Op};
use crate::workload::{Account, Workload};
use spinney_core::BLOCK_BYTES;
use std::collections::VecDeque;

/// A workload, then the discard of its data.
pub struct Teardown {
    base: Box<dyn Workload>,
    blocks: u64,
    parts: u64,
    /// Parts discarded.
    done: u64,
    round: u64,
    ready: VecDeque<Op>,
}

impl Teardown {
    /// After `base`, which makes no versions and has one phase, discard the first `blocks` blocks of the volume in `parts` parts, of
    /// which there are at most as many as blocks.
    #[must_use]
    pub fn new(base: Box<dyn Workload>, blocks: u64, parts: u64) -> Teardown {
        Teardown { base, blocks, parts: parts.min(blocks), done: 0, round: 0, ready: VecDeque::new() }
    }
    /// Where a part begins, in bytes.
    fn edge(&self, part: u64) -> u64 {
        let block = u128::from(self.blocks) * u128::from(part) / u128::from(self.parts);
        u64::try_from(block).expect("a block of the volume") * BLOCK_BYTES as u64
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
        if self.done == self.parts {
            return Ok(None);
        }
        let (offset, end) = (self.edge(self.done), self.edge(self.done + 1));
        (self.done, self.round) = (self.done + 1, self.round + 1);
        self.ready.extend([Op::Flush, Op::Round(self.round)]);
        Ok(Some(Op::Discard { of: Handle::VOLUME, bytes: Bytes { offset, length: end - offset } }))
    }
    fn progress(&self) -> f64 {
        self.base.progress()
    }
    fn account(&self) -> Account {
        self.base.account()
    }
}
