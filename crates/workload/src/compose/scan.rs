//! A front-to-back read behind a workload.
//!
//! Invariant: each byte of the scanned part is read once, in order, of the version that was written last; then one round
//! ends.

use crate::error::Result;
use crate::op::{Bytes, Handle, Op, Phase};
use crate::workload::{Account, Workload};

/// A workload, then a scan.
pub struct Scan {
    base: Box<dyn Workload>,
    bytes: u64,
    read_bytes: u64,
    written: Handle,
    at: At,
}

enum At {
    Base,
    Reading(u64),
    Flushed,
    Over,
}

impl Scan {
    /// After `base`, read the first `bytes` bytes, `read_bytes` (at least 1) at a time.
    #[must_use]
    pub fn new(base: Box<dyn Workload>, bytes: u64, read_bytes: u64) -> Scan {
        Scan { base, bytes, read_bytes, written: Handle::VOLUME, at: At::Base }
    }
    fn read(&mut self, offset: u64) -> Op {
        if offset == self.bytes {
            self.at = At::Flushed;
            return Op::Flush;
        }
        let length = self.read_bytes.min(self.bytes - offset);
        self.at = At::Reading(offset + length);
        Op::Read { of: self.written, bytes: Bytes { offset, length } }
    }
}

impl Workload for Scan {
    fn next(&mut self) -> Result<Option<Op>> {
        match self.at {
            At::Base => {
                let op = self.base.next()?;
                if let Some((of, _)) = op.and_then(|op| op.changes()) {
                    self.written = of;
                }
                if op.is_none() {
                    self.at = At::Reading(0);
                    return Ok(Some(Op::Phase(Phase::Scan)));
                }
                Ok(op)
            }
            At::Reading(offset) => Ok(Some(self.read(offset))),
            At::Flushed => {
                self.at = At::Over;
                Ok(Some(Op::Round(1)))
            }
            At::Over => Ok(None),
        }
    }
    fn progress(&self) -> f64 {
        match self.at {
            At::Base => 0.95 * self.base.progress(),
            At::Reading(offset) => 0.95 + 0.05 * offset as f64 / self.bytes.max(1) as f64,
            At::Flushed | At::Over => 1.0,
        }
    }
    fn account(&self) -> Account {
        self.base.account()
    }
}
