//! The socket: a stream of operations, and how a kind of workload presents itself.
//!
//! Invariant: a stream is a function of its settings, the volume's size, the seed and (for a replay) the bytes of its
//! trace; it never sees what its operations did. Knows no runner.

use crate::error::Result;
use crate::op::Op;
use spinney_core::{BLOCK_BYTES, Parameter, Settings};
use std::collections::VecDeque;
use std::path::PathBuf;

/// A stream of operations.
pub trait Workload: Send {
    /// The next operation, `None` at the end and ever after. After an error the stream is of no more use.
    fn next(&mut self) -> Result<Option<Op>>;
    /// How far along, 0 to 1: for a progress bar, so it may be off by a little.
    fn progress(&self) -> f64;
    /// What was left out or bent so far; a report shows it.
    fn account(&self) -> Account {
        Account::default()
    }
}

/// What a replay could not do as the trace has it. All zero for a generator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// Requests taken from the trace.
    pub requests: u64,
    /// Lines that could not be understood, and were skipped within the error budget.
    pub bad_lines: u64,
    /// Requests wholly past the volume's end, dropped.
    pub dropped: u64,
    /// Requests cut off at the volume's end.
    pub clipped: u64,
    /// Requests moved back by whole volume sizes.
    pub wrapped: u64,
}

/// What a workload is built for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WorkloadContext {
    /// Size of the volume with handle 0, at least 1.
    pub volume_blocks: u64,
    /// Everything random follows from it.
    pub seed: u64,
    /// Where a relative file name in a setting starts.
    pub folder: PathBuf,
}

impl WorkloadContext {
    /// The volume's size in bytes. A size that does not fit is a programmer error.
    #[must_use]
    pub fn volume_bytes(&self) -> u64 {
        self.volume_blocks.checked_mul(BLOCK_BYTES as u64).expect("a volume's bytes fit in 64 bits")
    }
}

/// A kind of workload that a config can name.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadEntry {
    /// As a config names it.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// Where the idea comes from.
    pub paper: &'static str,
    /// What can be set.
    pub parameters: &'static [Parameter],
    /// Make one, from settings whose names and kinds were checked against `parameters`. Errors: `BadSetting`, and what
    /// opening a trace can give.
    pub build: fn(&WorkloadContext, &Settings) -> Result<Box<dyn Workload>>,
}

/// A workload that makes several operations at a time.
pub(crate) trait Steps: Send {
    /// Append the next few operations; false if there were no more.
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool>;
    /// As [`Workload::progress`].
    fn progress(&self) -> f64;
    /// As [`Workload::account`].
    fn account(&self) -> Account {
        Account::default()
    }
}

/// Hands out one at a time what [`Steps`] makes.
pub(crate) struct Stream<S> {
    steps: S,
    ready: VecDeque<Op>,
    over: bool,
}

impl<S: Steps> Stream<S> {
    pub(crate) fn new(steps: S) -> Stream<S> {
        Stream { steps, ready: VecDeque::new(), over: false }
    }
}

impl<S: Steps> Workload for Stream<S> {
    fn next(&mut self) -> Result<Option<Op>> {
        while self.ready.is_empty() && !self.over {
            self.over = !self.steps.step(&mut self.ready)?;
        }
        Ok(self.ready.pop_front())
    }
    fn progress(&self) -> f64 {
        self.steps.progress()
    }
    fn account(&self) -> Account {
        self.steps.account()
    }
}
