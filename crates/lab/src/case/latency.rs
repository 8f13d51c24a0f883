//! How long each operation of a workload took on the modelled device, by kind.
//!
//! Invariant: virtual time only, from the call to its return; what a write leaves for a flush is the flush's.

use super::buckets::Buckets;
use spinney_workload::Op;
use std::collections::BTreeMap;

/// Nanoseconds of each operation since the last row.
#[derive(Default)]
pub(crate) struct Latencies {
    writes: Buckets,
    reads: Buckets,
    flushes: Buckets,
    /// Snapshots and clones.
    takes: Buckets,
    deletes: Buckets,
}

impl Latencies {
    pub(crate) fn add(&mut self, op: Op, ns: u64) {
        let of = match op {
            Op::Write { .. } | Op::Discard { .. } | Op::Zero { .. } => &mut self.writes,
            Op::Read { .. } => &mut self.reads,
            Op::Flush => &mut self.flushes,
            Op::Snapshot { .. } | Op::Clone { .. } => &mut self.takes,
            Op::Delete { .. } => &mut self.deletes,
            _ => return,
        };
        of.add(ns);
    }

    /// The columns; an operation that did not happen leaves its cells empty.
    pub(super) fn put(&self, values: &mut BTreeMap<String, f64>) {
        let kinds = [
            ("write", &self.writes),
            ("read", &self.reads),
            ("flush", &self.flushes),
            ("snapshot", &self.takes),
            ("delete", &self.deletes),
        ];
        for (name, buckets) in kinds {
            for (what, ns) in
                [("mean", buckets.mean()), ("p99", buckets.quantile(0.99)), ("max", buckets.max())]
            {
                values.insert(format!("{name}_ms_{what}"), ns / 1e6);
            }
        }
    }
}
