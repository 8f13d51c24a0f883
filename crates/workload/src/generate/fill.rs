//! Lay content down once: sequentially, or unit by unit in a shuffled order.
//!
//! Invariant: each unit is written exactly once. Also what [`crate::compose::Begin`] puts in front of other workloads.

use super::{Commits, FLUSH_EVERY, Units, choice, part, real_in};
use crate::chance::{Chance, Permutation};
use crate::error::{Result, WorkloadError};
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

/// Blocks of one write of the fill before other workloads: 1 MiB, what a copy tool or a restore sends.
const LARGE_BLOCKS: u64 = 256;

const SHARE: Parameter = Parameter::real(
    "fill",
    1.0,
    "Share of the volume that is written. 1 because an empty tail tells nothing here.",
);
const UNIT: Parameter = Parameter::integer(
    "unit_blocks",
    256,
    "Blocks of one write. 256 (1 MiB) is what copy tools send; smaller ones test whether an allocator still lays out a \
     sequential stream in one run.",
);
const ROUNDS: Parameter = Parameter::integer(
    "rounds",
    10,
    "In how many parts it is written; a row can be taken after each. 10 shows fullness in steps of a tenth.",
);
const ORDER: Parameter = Parameter::word(
    "order",
    "sequential",
    "`sequential` (from front to back) or `shuffled` (each unit once, in a random order). Shuffled content reads back \
     slowly on a copy-on-write store: the worst first layout, against which aging can be compared.",
);

/// Fill a volume.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "fill",
    summary: "each unit of the volume is written once, in order or shuffled",
    paper: "Conway et al., FAST 2017 (a fresh copy as the baseline of aging)",
    parameters: &[SHARE, UNIT, ROUNDS, ORDER, FLUSH_EVERY],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = real_in(settings, &SHARE, f64::MIN_POSITIVE, 1.0, "over 0 and at most 1")?;
    let units = Units::new(context, fill, settings.integer(&UNIT))?;
    let shuffled = choice(settings, &ORDER, &["sequential", "shuffled"], "sequential or shuffled")? == 1;
    let rounds = settings.integer(&ROUNDS);
    if rounds == 0 {
        return Err(WorkloadError::bad_setting(ROUNDS.name, 0, "at least 1"));
    }
    let order = shuffled.then(|| Permutation::new(units.count, &mut Chance::new(context.seed, 0)));
    let commits = Commits::new(settings.integer(&FLUSH_EVERY));
    Ok(Box::new(Stream::new(Fill { units, order, rounds, commits, done: 0 })))
}

/// The fill that precedes a workload: large, sequential, one flush and no round at its end.
pub(crate) fn before(context: &WorkloadContext, fill: f64) -> Result<impl Steps + use<>> {
    let units = Units::new(context, fill, LARGE_BLOCKS.min(super::share_of(context.volume_blocks, fill)))?;
    Ok(Fill { units, order: None, rounds: 0, commits: Commits::new(64), done: 0 })
}

struct Fill {
    units: Units,
    order: Option<Permutation>,
    rounds: u64,
    commits: Commits,
    done: u64,
}

impl Fill {
    /// Units written when the present round ends.
    fn round_end(&self) -> u64 {
        let ended = u128::from(self.commits.rounds() + 1) * u128::from(self.units.count);
        u64::try_from(ended / u128::from(self.rounds)).unwrap_or(u64::MAX).min(self.units.count)
    }
}

impl Steps for Fill {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.done < self.units.count {
            let unit = self.order.as_ref().map_or(self.done, |order| order.at(self.done));
            self.done += 1;
            self.commits.push(Op::Write { to: Handle::VOLUME, bytes: self.units.bytes(unit) }, out);
        }
        while self.commits.rounds() < self.rounds && self.done >= self.round_end() {
            self.commits.end_round(out);
        }
        if self.rounds == 0 && self.done == self.units.count {
            self.commits.flush(out);
        }
        Ok(self.done < self.units.count)
    }
    fn progress(&self) -> f64 {
        part(self.done, self.units.count)
    }
}
