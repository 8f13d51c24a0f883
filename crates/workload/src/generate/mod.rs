//! Generated workloads, and the few parts that they share.
//!
//! Invariant: a generator works on whole units of the first `fill` share of a volume, so that the same bytes are live
//! before and after, and fullness stays what the config asked for. Knows no traces.

pub mod bluestore;
pub mod clones;
pub mod comb;
pub mod discard;
pub mod fill;
pub mod fsperf;
pub mod geriatrix;
pub(crate) mod ground;
pub mod grow;
pub mod history;
pub mod overwrite;
pub mod snapshots;
pub mod spike;
pub mod spread;
pub mod target;

use crate::error::{Result, WorkloadError};
use crate::op::{Bytes, Op};
use crate::workload::WorkloadContext;
use spinney_core::{BLOCK_BYTES, Parameter, Settings};
use std::collections::VecDeque;

pub(crate) const FILL: Parameter = Parameter::real(
    "fill",
    0.8,
    "Share of the volume that holds data, laid down in large sequential writes before anything is measured (0: nothing is \
     laid down, and the workload ranges over the whole volume). More leaves an allocator less choice; 0.8 is where most \
     studies of aging run, and where the differences are plain but nothing fails yet.",
);
pub(crate) const UNIT_BLOCKS: Parameter = Parameter::integer(
    "unit_blocks",
    4,
    "Blocks of one operation. Smaller units fragment faster and cost more metadata a byte; 4 (16 KiB) is a database page \
     and near the median write of the traces in configs/traces.",
);
pub(crate) const ROUNDS: Parameter = Parameter::integer(
    "rounds",
    100,
    "How long it runs: a row can be taken after each round. 100 rounds of a tenth overwrite everything ten times, after \
     which most measures are flat.",
);
pub(crate) const ROUND_SHARE: Parameter = Parameter::real(
    "round_share",
    0.1,
    "Share of the live data that one round writes, so that runs on volumes of different sizes can be compared. Smaller \
     gives finer curves, and more rows to take.",
);
pub(crate) const FLUSH_EVERY: Parameter = Parameter::integer(
    "flush_every",
    64,
    "Writes between two flushes (0: only at the end of a round). Each flush is a commit, so few writes a flush means much \
     metadata a write; 64 of 16 KiB is 1 MiB a commit, a busy disk's interval between two fsyncs.",
);

/// Units of a volume that hold data: `0..count`, each of the same size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Units {
    pub(crate) count: u64,
    blocks: u64,
}

impl Units {
    /// The units in the first `fill` share of the volume; all of it if `fill` is 0.
    pub(crate) fn new(context: &WorkloadContext, fill: f64, unit_blocks: u64) -> Result<Units> {
        const RULE: &str = "at least 1, and at most the live share of the volume";
        let live = if fill > 0.0 { share_of(context.volume_blocks, fill) } else { context.volume_blocks };
        if unit_blocks == 0 || unit_blocks > live {
            return Err(WorkloadError::bad_setting("unit_blocks", unit_blocks, RULE));
        }
        Ok(Units { count: live / unit_blocks, blocks: unit_blocks })
    }
    /// One unit.
    pub(crate) fn bytes(&self, unit: u64) -> Bytes {
        debug_assert!(unit < self.count, "unit {unit} of {}", self.count);
        let unit_bytes = self.blocks * BLOCK_BYTES as u64;
        Bytes { offset: unit * unit_bytes, length: unit_bytes }
    }
    /// Blocks of all units.
    pub(crate) fn blocks(&self) -> u64 {
        self.count * self.blocks
    }
    /// How many units a share is; at least one.
    pub(crate) fn share(&self, share: f64) -> u64 {
        share_of(self.count, share).max(1)
    }
}

/// A share of a count, rounded down.
pub(crate) fn share_of(count: u64, share: f64) -> u64 {
    ((count as f64 * share) as u64).min(count)
}

/// A real setting in `low..=high`.
pub(crate) fn real_in(
    settings: &Settings,
    parameter: &Parameter,
    low: f64,
    high: f64,
    rule: &'static str,
) -> Result<f64> {
    let value = settings.real(parameter);
    if (low..=high).contains(&value) {
        Ok(value)
    } else {
        Err(WorkloadError::bad_setting(parameter.name, value, rule))
    }
}

/// A share in 0..=1.
pub(crate) fn share(settings: &Settings, parameter: &Parameter) -> Result<f64> {
    real_in(settings, parameter, 0.0, 1.0, "a share, 0 to 1")
}

/// One of a few words; the answer is its place in `words`.
pub(crate) fn choice(
    settings: &Settings,
    parameter: &Parameter,
    words: &[&str],
    rule: &'static str,
) -> Result<usize> {
    let word = settings.word(parameter);
    words
        .iter()
        .position(|known| *known == word)
        .ok_or_else(|| WorkloadError::bad_setting(parameter.name, format!("{word:?}"), rule))
}

/// Puts a flush after every so many changes, and closes rounds. All operations of a stream go through it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commits {
    every: u64,
    since: u64,
    round: u64,
    /// Whether the last operation was a flush.
    flushed: bool,
}

impl Commits {
    pub(crate) fn new(every: u64) -> Commits {
        Commits { every, since: 0, round: 0, flushed: false }
    }
    /// Append an operation, and a flush if one is due.
    pub(crate) fn push(&mut self, op: Op, out: &mut VecDeque<Op>) {
        out.push_back(op);
        self.flushed = op == Op::Flush;
        self.since = if self.flushed { 0 } else { self.since + u64::from(op.changes().is_some()) };
        if self.every > 0 && self.since >= self.every {
            self.flush(out);
        }
    }
    /// Append a flush, unless the last operation was one.
    pub(crate) fn flush(&mut self, out: &mut VecDeque<Op>) {
        if !self.flushed {
            self.push(Op::Flush, out);
        }
    }
    /// Append the end of a round.
    pub(crate) fn end_round(&mut self, out: &mut VecDeque<Op>) {
        self.flush(out);
        self.round += 1;
        self.flushed = false;
        out.push_back(Op::Round(self.round));
    }
    /// Whether anything was appended.
    pub(crate) fn began(&self) -> bool {
        self.since > 0 || self.flushed || self.round > 0
    }
    /// Changes between two flushes; 0 if only rounds flush.
    pub(crate) fn every(&self) -> u64 {
        self.every
    }
    /// Rounds ended.
    pub(crate) fn rounds(&self) -> u64 {
        self.round
    }
}

/// How much of `all` is done, 0 to 1.
pub(crate) fn part(done: u64, all: u64) -> f64 {
    if all == 0 { 1.0 } else { (done as f64 / all as f64).min(1.0) }
}
