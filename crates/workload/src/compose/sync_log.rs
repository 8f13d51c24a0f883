//! A log of synchronous writes, in the same space as the data: beside each write a log block, which dies with the next flush.
//!
//! Invariant: the workload's operations stay as they are and in order; the log lies behind what the workload writes, and a log block is
//! discarded before anything else is written after the flush that made it useless. A flush that is due at a round stays before it.

use crate::error::{Result, WorkloadError};
use crate::generate::share_of;
use crate::op::{Bytes, Handle, Op};
use crate::workload::{Account, Workload, WorkloadContext};
use spinney_core::BLOCK_BYTES;
use std::collections::VecDeque;

/// A workload with a log.
pub struct SyncLog {
    base: Box<dyn Workload>,
    /// Where the log begins, in bytes.
    offset: u64,
    /// Bytes of a log block.
    length: u64,
    /// Log blocks written since the last flush.
    open: u64,
    /// Log blocks that the last flush made useless.
    dead: u64,
    ready: VecDeque<Op>,
}

impl SyncLog {
    /// `base`, which writes to the first `fill` share of the volume and flushes after at most `between` writes, each of which puts a
    /// block of `log_blocks` (at least 1) into a log behind that share. Errors: the log does not fit there.
    pub fn new(
        base: Box<dyn Workload>,
        context: &WorkloadContext,
        fill: f64,
        between: u64,
        log_blocks: u64,
    ) -> Result<SyncLog> {
        let first = if fill > 0.0 { share_of(context.volume_blocks, fill) } else { context.volume_blocks };
        let room = context.volume_blocks - first;
        if log_blocks.checked_mul(between).is_none_or(|blocks| blocks > room) {
            const RULE: &str =
                "so few that those of all writes between two flushes fit behind the live share of the volume";
            return Err(WorkloadError::bad_setting("log_blocks", log_blocks, RULE));
        }
        let block = BLOCK_BYTES as u64;
        let (offset, length) = (first * block, log_blocks * block);
        Ok(SyncLog { base, offset, length, open: 0, dead: 0, ready: VecDeque::new() })
    }
    fn block(&self, slot: u64) -> Bytes {
        Bytes { offset: self.offset + slot * self.length, length: self.length }
    }
}

impl Workload for SyncLog {
    fn next(&mut self) -> Result<Option<Op>> {
        if let Some(op) = self.ready.pop_front() {
            return Ok(Some(op));
        }
        let Some(op) = self.base.next()? else { return Ok(None) };
        match op {
            Op::Write { .. } => {
                for slot in 0..std::mem::take(&mut self.dead) {
                    self.ready.push_back(Op::Discard { of: Handle::VOLUME, bytes: self.block(slot) });
                }
                self.ready.push_back(op);
                self.ready.push_back(Op::Write { to: Handle::VOLUME, bytes: self.block(self.open) });
                self.open += 1;
                Ok(self.ready.pop_front())
            }
            Op::Flush => {
                self.dead = self.dead.max(std::mem::take(&mut self.open));
                Ok(Some(op))
            }
            op => Ok(Some(op)),
        }
    }
    fn progress(&self) -> f64 {
        self.base.progress()
    }
    fn account(&self) -> Account {
        self.base.account()
    }
}
