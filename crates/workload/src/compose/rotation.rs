//! Snapshots in rotation: one after every m counted events, the last w kept.
//!
//! Invariant: at most `keep` of its snapshots exist, but for the moment between taking one and deleting the oldest; a
//! round stays right behind its flush. Snapshots are of the version that the workload wrote last.

use crate::error::Result;
use crate::op::{Handle, Op};
use crate::workload::{Account, Workload};
use std::collections::{BTreeMap, VecDeque};

/// What is counted between two snapshots.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Counted {
    /// A write, a discard or a zero.
    Op,
    /// A flush.
    Flush,
    /// The end of a round.
    Round,
}

/// A workload with snapshots put in.
pub struct Rotation {
    base: Box<dyn Workload>,
    counted: Counted,
    every: u64,
    keep: u64,
    since: u64,
    written: Handle,
    /// Own snapshots, oldest first.
    kept: VecDeque<Handle>,
    /// The base's handles, renamed.
    names: BTreeMap<Handle, Handle>,
    next_name: u64,
    ready: VecDeque<Op>,
}

impl Rotation {
    /// After every `every` (at least 1) events a snapshot, of which `keep` (at least 1) stay.
    #[must_use]
    pub fn new(base: Box<dyn Workload>, counted: Counted, every: u64, keep: u64) -> Rotation {
        assert!(every > 0 && keep > 0, "a rotation of {every}, {keep}");
        Rotation {
            base,
            counted,
            every,
            keep,
            since: 0,
            written: Handle::VOLUME,
            kept: VecDeque::new(),
            names: BTreeMap::from([(Handle::VOLUME, Handle::VOLUME)]),
            next_name: 1,
            ready: VecDeque::new(),
        }
    }
    fn new_name(&mut self) -> Handle {
        let name = Handle(self.next_name);
        self.next_name += 1;
        name
    }
    fn named(&self, base: Handle) -> Handle {
        *self.names.get(&base).expect("a workload uses only handles that it named")
    }
    fn renamed(&mut self, op: Op) -> Op {
        match op {
            Op::Write { to, bytes } => Op::Write { to: self.named(to), bytes },
            Op::Read { of, bytes } => Op::Read { of: self.named(of), bytes },
            Op::Discard { of, bytes } => Op::Discard { of: self.named(of), bytes },
            Op::Zero { of, bytes } => Op::Zero { of: self.named(of), bytes },
            Op::Snapshot { of, named } => {
                let name = self.new_name();
                self.names.insert(named, name);
                Op::Snapshot { of: self.named(of), named: name }
            }
            Op::Clone { of, named } => {
                let name = self.new_name();
                self.names.insert(named, name);
                Op::Clone { of: self.named(of), named: name }
            }
            Op::Delete { of } => Op::Delete { of: self.names.remove(&of).unwrap_or(of) },
            Op::Flush | Op::Settle | Op::OpenReader | Op::CloseReader | Op::Phase(_) | Op::Round(_) => op,
        }
    }
    fn take(&mut self) {
        let named = self.new_name();
        self.ready.push_back(Op::Snapshot { of: self.written, named });
        self.kept.push_back(named);
        if self.kept.len() as u64 > self.keep {
            self.ready.extend(self.kept.pop_front().map(|of| Op::Delete { of }));
        }
        self.since = 0;
    }
    fn count(&mut self, op: Op) {
        let counts = match self.counted {
            Counted::Op => op.changes().is_some(),
            Counted::Flush => op == Op::Flush,
            Counted::Round => matches!(op, Op::Round(_)),
        };
        self.since += u64::from(counts);
        if let Some((of, _)) = op.changes() {
            self.written = of;
        }
    }
}

impl Workload for Rotation {
    fn next(&mut self) -> Result<Option<Op>> {
        if let Some(op) = self.ready.pop_front() {
            return Ok(Some(op));
        }
        let op = self.base.next()?;
        // A snapshot that is due waits behind a round, so that the round stays behind its flush.
        if self.since >= self.every && !matches!(op, Some(Op::Round(_))) {
            self.take();
        }
        if let Some(op) = op {
            // Renamed behind the snapshot, so that names rise in the order of the stream.
            let op = self.renamed(op);
            self.count(op);
            self.ready.push_back(op);
        }
        Ok(self.ready.pop_front())
    }
    fn progress(&self) -> f64 {
        self.base.progress()
    }
    fn account(&self) -> Account {
        self.base.account()
    }
}
