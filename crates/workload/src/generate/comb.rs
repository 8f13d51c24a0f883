//! Free space in runs of one length: everything is laid down, then every n-th unit is discarded.
//!
//! Invariant: after the one round, of every `spacing` units in a row the last is not live and all others are. Nothing is random.

use super::{Commits, FLUSH_EVERY, UNIT_BLOCKS, Units, part, real_in};
use crate::compose::{self, SCAN};
use crate::error::{Result, WorkloadError};
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const FILL: Parameter = Parameter::real(
    "fill",
    1.0,
    "Share of the volume that holds data before the discards, over 0. All of it, so that what is free afterwards is the gaps \
     and what the device has beyond the volume.",
);
const SPACING: Parameter = Parameter::integer(
    "spacing",
    2,
    "Of so many units in a row the last is discarded. 2 frees half of the data, in runs of one unit; more frees less, in runs \
     of the same length. At least 2.",
);

/// A comb.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "comb",
    summary: "every n-th unit is discarded, once: free space in runs of one length",
    paper: "a construction: free-space metrics get an input for which their value can be computed by hand",
    parameters: &[FILL, UNIT_BLOCKS, SPACING, FLUSH_EVERY, SCAN],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = real_in(settings, &FILL, f64::MIN_POSITIVE, 1.0, "over 0 and at most 1")?;
    let spacing = settings.integer(&SPACING);
    if spacing < 2 {
        return Err(WorkloadError::bad_setting("spacing", spacing, "at least 2: something has to stay"));
    }
    let comb = Comb {
        units: Units::new(context, fill, settings.integer(&UNIT_BLOCKS))?,
        spacing,
        next: spacing - 1,
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
    };
    compose::begin_and_scan(Box::new(Stream::new(comb)), context, settings, fill)
}

struct Comb {
    units: Units,
    spacing: u64,
    /// The unit that is discarded next.
    next: u64,
    commits: Commits,
}

impl Steps for Comb {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.commits.rounds() == 1 {
            return Ok(false);
        }
        if self.next < self.units.count {
            let bytes = self.units.bytes(self.next);
            self.commits.push(Op::Discard { of: Handle::VOLUME, bytes }, out);
            self.next = self.next.saturating_add(self.spacing);
        } else {
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        if self.commits.rounds() == 1 { 1.0 } else { part(self.next + 1 - self.spacing, self.units.count) }
    }
}
