//! Writes and reads spread over a volume and clones of it that live side by side.
//!
//! Invariant: all clones are made of the first volume in round 1, before anything is written; from then on no version comes
//! or goes, and every operation goes to a version chosen uniformly.

use super::target::Target;
use super::{Commits, FILL, FLUSH_EVERY, ROUND_SHARE, ROUNDS, UNIT_BLOCKS, Units, part, real_in, share};
use crate::chance::Chance;
use crate::compose::{self, SCAN};
use crate::error::{Result, WorkloadError};
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const VERSIONS: Parameter = Parameter::integer(
    "versions",
    2,
    "How many versions take the operations: the volume and clones of it, 1 to 1,024. 1 is an unshared volume, to compare with; \
     2 is the published measurement. Each needs room for all that it overwrites.",
);
const READ_SHARE: Parameter = Parameter::real(
    "read_share",
    0.0,
    "Share of the operations that read a unit instead of writing one, below 1. A round ends when its share was written. 0 \
     because a write is what sharing can make dearer.",
);

/// Spread operations.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "spread",
    summary: "a volume and its clones, written and read side by side at random",
    paper: "Rodeh, IBM report H-0245, 2006 (ACM TOS 3(4), 2008): performance of clones",
    parameters: &[FILL, UNIT_BLOCKS, ROUNDS, ROUND_SHARE, VERSIONS, READ_SHARE, FLUSH_EVERY, SCAN],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = share(settings, &FILL)?;
    let units = Units::new(context, fill, settings.integer(&UNIT_BLOCKS))?;
    let round_share = real_in(settings, &ROUND_SHARE, f64::MIN_POSITIVE, 1e6, "over 0")?;
    let versions = settings.integer(&VERSIONS);
    if !(1..=1024).contains(&versions) {
        return Err(WorkloadError::bad_setting("versions", versions, "1 to 1024"));
    }
    let spread = Spread {
        units,
        target: Target::uniform(units.count, context.seed),
        chance: Chance::new(context.seed, 6),
        read_share: real_in(settings, &READ_SHARE, 0.0, 0.999, "at least 0 and below 1")?,
        round_writes: (units.count as f64 * round_share).max(1.0) as u64,
        rounds: settings.integer(&ROUNDS),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        versions,
        written: 0,
    };
    compose::begin_and_scan(Box::new(Stream::new(spread)), context, settings, fill)
}

struct Spread {
    units: Units,
    target: Target,
    chance: Chance,
    read_share: f64,
    round_writes: u64,
    /// Rounds after the one that makes the clones.
    rounds: u64,
    commits: Commits,
    versions: u64,
    written: u64,
}

impl Steps for Spread {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.commits.rounds() == 0 {
            for clone in 1..self.versions {
                self.commits.push(Op::Clone { of: Handle::VOLUME, named: Handle(clone) }, out);
            }
            self.commits.end_round(out);
            return Ok(true);
        }
        if self.commits.rounds() > self.rounds {
            return Ok(false);
        }
        let of = Handle(self.chance.below(self.versions));
        let bytes = self.units.bytes(self.target.unit());
        if self.read_share > 0.0 && self.chance.happens(self.read_share) {
            self.commits.push(Op::Read { of, bytes }, out);
            return Ok(true);
        }
        self.commits.push(Op::Write { to: of, bytes }, out);
        self.written += 1;
        if self.written == self.round_writes {
            self.written = 0;
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        part(self.commits.rounds(), self.rounds.saturating_add(1))
    }
}
