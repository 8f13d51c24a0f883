//! Overwrite live units for ever: the basic aging of a copy-on-write store.
//!
//! Invariant: the set of live bytes never changes; only where they lie does. Rounds are measured in shares of the live
//! data written, not in seconds.

use super::target::{HOT_SHARE, HOT_TRAFFIC, PATTERN, SCATTER, Target, ZIPF_EXPONENT};
use super::{Commits, FILL, FLUSH_EVERY, ROUND_SHARE, ROUNDS, UNIT_BLOCKS, Units, part, real_in, share};
use crate::chance::Chance;
use crate::compose::{
    self, KEEP, LOG_BLOCKS, READER_FROM, READER_ROUNDS, SCAN, SNAPSHOT_EVERY, SNAPSHOT_UNIT, TEARDOWN_ROUNDS,
};
use crate::error::Result;
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const READ_SHARE: Parameter = Parameter::real(
    "read_share",
    0.0,
    "Share of the operations that read a unit (by the same pattern) instead of writing one, below 1. A round still ends \
     when its share was written. 0 because reads change no layout.",
);

/// Overwrites.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "overwrite",
    summary: "live units are overwritten: uniform, zipf, hot and cold, or sequentially",
    paper: "Rosenblum and Ousterhout, SOSP 1991 (hot and cold); Gray et al., SIGMOD 1994 (skew)",
    parameters: &[
        FILL,
        PATTERN,
        UNIT_BLOCKS,
        ROUNDS,
        ROUND_SHARE,
        FLUSH_EVERY,
        READ_SHARE,
        ZIPF_EXPONENT,
        HOT_SHARE,
        HOT_TRAFFIC,
        SCATTER,
        SNAPSHOT_EVERY,
        SNAPSHOT_UNIT,
        KEEP,
        READER_FROM,
        READER_ROUNDS,
        LOG_BLOCKS,
        TEARDOWN_ROUNDS,
        SCAN,
    ],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = share(settings, &FILL)?;
    let units = Units::new(context, fill, settings.integer(&UNIT_BLOCKS))?;
    let round_share = real_in(settings, &ROUND_SHARE, f64::MIN_POSITIVE, 1e6, "over 0")?;
    let overwrite = Overwrite {
        units,
        target: Target::new(settings, units.count, context.seed)?,
        reads: Chance::new(context.seed, 3),
        read_share: real_in(settings, &READ_SHARE, 0.0, 0.999, "at least 0 and below 1")?,
        round_writes: (units.count as f64 * round_share).max(1.0) as u64,
        rounds: settings.integer(&ROUNDS),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        written: 0,
    };
    let between = match overwrite.commits.every() {
        0 => overwrite.round_writes,
        every => every.min(overwrite.round_writes),
    };
    let overwrite = compose::logged(Box::new(Stream::new(overwrite)), context, settings, fill, between)?;
    let overwrite = compose::torn_down(compose::stalled(overwrite, settings)?, settings, units.blocks());
    compose::around(overwrite, context, settings, fill)
}

struct Overwrite {
    units: Units,
    target: Target,
    reads: Chance,
    read_share: f64,
    round_writes: u64,
    rounds: u64,
    commits: Commits,
    written: u64,
}

impl Steps for Overwrite {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.commits.rounds() == self.rounds {
            return Ok(false);
        }
        let bytes = self.units.bytes(self.target.unit());
        if self.read_share > 0.0 && self.reads.happens(self.read_share) {
            self.commits.push(Op::Read { of: Handle::VOLUME, bytes }, out);
            return Ok(true);
        }
        self.commits.push(Op::Write { to: Handle::VOLUME, bytes }, out);
        self.written += 1;
        if self.written == self.round_writes {
            self.written = 0;
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        part(self.commits.rounds(), self.rounds)
    }
}
