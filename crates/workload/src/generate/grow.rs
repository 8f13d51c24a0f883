//! Volumes that grow side by side: each is written front to back, a unit at a time, now one and now another.
//!
//! Invariant: in round 1 the clones of the empty volume are made; from then on every write appends the next unit to a version,
//! and nothing is overwritten. All versions end at the same length.

use super::{Commits, FLUSH_EVERY, UNIT_BLOCKS, Units, choice, part, real_in};
use crate::chance::Chance;
use crate::compose::{self, SCAN};
use crate::error::{Result, WorkloadError};
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const VERSIONS: Parameter = Parameter::integer(
    "versions",
    4,
    "How many volumes grow, 1 to 1,024. 1 is what a volume looks like that grows alone; each more is one more to be kept apart.",
);
const UNTIL: Parameter = Parameter::real(
    "until",
    0.8,
    "Share of its size that each volume has at the end, over 0. All of them together must find room on the device.",
);
const TURNS: Parameter = Parameter::word(
    "turns",
    "random",
    "`random`: each unit goes to a volume drawn anew, so with N volumes the next one is the same with a chance of 1/N, and \
     closed forms can be held against it. `robin`: strictly in turns, the worst for an allocator with one cursor.",
);
const ROUNDS: Parameter = Parameter::integer(
    "rounds",
    8,
    "Into how many equal parts the growth is cut, at least 1; a row can be taken after each. 8 show whether what happens \
     depends on how full the device is.",
);

/// Growing volumes.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "grow",
    summary: "volumes grow side by side, each from front to back",
    paper: "dm-thin's documentation: volumes that grow in parallel share the pool block by block",
    parameters: &[UNIT_BLOCKS, ROUNDS, VERSIONS, UNTIL, TURNS, FLUSH_EVERY, SCAN],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let until = real_in(settings, &UNTIL, f64::MIN_POSITIVE, 1.0, "over 0 and at most 1")?;
    let units = Units::new(context, until, settings.integer(&UNIT_BLOCKS))?;
    let (versions, rounds) = (settings.integer(&VERSIONS), settings.integer(&ROUNDS));
    if !(1..=1024).contains(&versions) {
        return Err(WorkloadError::bad_setting("versions", versions, "1 to 1024"));
    }
    if rounds == 0 {
        return Err(WorkloadError::bad_setting("rounds", rounds, "at least 1"));
    }
    let grow = Grow {
        units,
        chance: Chance::new(context.seed, 7),
        random: choice(settings, &TURNS, &["random", "robin"], "`random` or `robin`")? == 0,
        rounds,
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        lengths: vec![0; versions as usize],
        turn: 0,
        written: 0,
    };
    compose::begin_and_scan(Box::new(Stream::new(grow)), context, settings, 0.0)
}

struct Grow {
    /// What each volume has in the end.
    units: Units,
    chance: Chance,
    random: bool,
    rounds: u64,
    commits: Commits,
    /// Units of each volume so far.
    lengths: Vec<u64>,
    turn: usize,
    written: u64,
}

impl Grow {
    fn versions(&self) -> u64 {
        self.lengths.len() as u64
    }
    fn total(&self) -> u64 {
        self.units.count.saturating_mul(self.versions())
    }
    /// The volume whose turn it is: the first from there on that is not grown.
    fn next(&mut self) -> usize {
        let from = if self.random { self.chance.below(self.versions()) as usize } else { self.turn };
        let all = self.lengths.len();
        let step = (0..all).find(|step| self.lengths[(from + step) % all] < self.units.count).unwrap_or(0);
        let version = (from + step) % all;
        self.turn = (version + 1) % all;
        version
    }
}

impl Steps for Grow {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if self.commits.rounds() == 0 {
            for clone in 1..self.versions() {
                self.commits.push(Op::Clone { of: Handle::VOLUME, named: Handle(clone) }, out);
            }
            self.commits.end_round(out);
            return Ok(true);
        }
        if self.written == self.total() {
            return Ok(false);
        }
        let version = self.next();
        let bytes = self.units.bytes(self.lengths[version]);
        self.lengths[version] += 1;
        self.written += 1;
        self.commits.push(Op::Write { to: Handle(version as u64), bytes }, out);
        // The end of each part; the last one ends with the last unit.
        let due = u128::from(self.total()) * u128::from(self.commits.rounds()) / u128::from(self.rounds);
        if self.written == self.total() || u128::from(self.written) == due {
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        part(self.written, self.total())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::op::Bytes;
    use spinney_core::{BLOCK_BYTES, Setting};

    fn writes(turns: &str, versions: u64) -> Vec<(u64, Bytes)> {
        let context = WorkloadContext { volume_blocks: 100, seed: 3, folder: ".".into() };
        let settings = Settings::new()
            .with("turns", Setting::Word(turns.into()))
            .with("versions", Setting::Integer(versions))
            .with("unit_blocks", Setting::Integer(2));
        let mut workload = build(&context, &settings).unwrap();
        let mut writes = Vec::new();
        while let Some(op) = workload.next().unwrap() {
            if let Op::Write { to, bytes } = op {
                writes.push((to.0, bytes));
            }
        }
        writes
    }

    #[test]
    fn each_volume_is_written_front_to_back_to_the_same_length() {
        for turns in ["random", "robin"] {
            let writes = writes(turns, 3);
            for version in 0..3 {
                let own = writes.iter().filter(|(to, _)| *to == version).map(|(_, bytes)| *bytes);
                let length = 2 * BLOCK_BYTES as u64;
                let wanted = (0..40).map(|unit| Bytes { offset: unit * length, length });
                assert!(own.eq(wanted), "{turns}, volume {version}");
            }
        }
    }

    #[test]
    fn robin_takes_turns_and_random_does_not() {
        let follows = |turns| {
            let writes = writes(turns, 4);
            writes.windows(2).filter(|pair| pair[0].0 == pair[1].0).count() as f64 / writes.len() as f64
        };
        assert_eq!(follows("robin"), 0.0);
        assert!((0.15..0.4).contains(&follows("random")), "a quarter of the units follows its like");
    }
}
