//! Discard storms: a share of the live units is discarded at once, then written again.
//!
//! Invariant: after each round all units are live again, so fullness at the rows is the config's; the low-water rows in
//! between are the odd ones. Knows no snapshots: they are put round it like round any other.

use super::{Commits, FILL, FLUSH_EVERY, UNIT_BLOCKS, Units, choice, part, real_in};
use crate::chance::{Chance, Permutation};
use crate::compose::{self, KEEP, SCAN, SNAPSHOT_EVERY, SNAPSHOT_UNIT};
use crate::error::Result;
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const ROUNDS: Parameter = Parameter::integer(
    "rounds",
    20,
    "How many storms. Each gives two rows: after the discards, and after the rewriting. 20 storms of a fifth replace \
     everything four times.",
);
const STORM_SHARE: Parameter = Parameter::real(
    "storm_share",
    0.2,
    "Share of the live units that a storm discards. BlueStore's allocator test falls from 0.8 or 0.9 full to 0.6 or 0.7, \
     which is about a fifth.",
);
const REFILL: Parameter = Parameter::word(
    "refill",
    "shuffled",
    "In which order the units come back: `shuffled` (a new random order), `same` (the order of the discards) or \
     `ascending` (by address, as a restore would). Shuffled ages most.",
);

/// Discard storms.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "discard-storm",
    summary: "a share of the live units is discarded at once, then written again",
    paper: "BlueStore's allocator aging test (free at random down to low water, fill to high water)",
    parameters: &[
        FILL,
        UNIT_BLOCKS,
        ROUNDS,
        STORM_SHARE,
        REFILL,
        FLUSH_EVERY,
        SNAPSHOT_EVERY,
        SNAPSHOT_UNIT,
        KEEP,
        SCAN,
    ],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = real_in(
        settings,
        &FILL,
        f64::MIN_POSITIVE,
        1.0,
        "over 0 and at most 1: only what is live can be discarded",
    )?;
    let units = Units::new(context, fill, settings.integer(&UNIT_BLOCKS))?;
    let storm_share = real_in(settings, &STORM_SHARE, f64::MIN_POSITIVE, 1.0, "over 0 and at most 1")?;
    let refill =
        match choice(settings, &REFILL, &["shuffled", "same", "ascending"], "shuffled, same or ascending")? {
            0 => Refill::Shuffled,
            1 => Refill::Same,
            _ => Refill::Ascending,
        };
    let storm = Storm {
        units,
        storm_units: units.share(storm_share),
        refill,
        storms: settings.integer(&ROUNDS),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        chance: Chance::new(context.seed, 4),
        gone: Vec::new(),
        refilled: 0,
    };
    compose::around(Box::new(Stream::new(storm)), context, settings, fill)
}

enum Refill {
    Shuffled,
    Same,
    Ascending,
}

struct Storm {
    units: Units,
    storm_units: u64,
    refill: Refill,
    storms: u64,
    commits: Commits,
    chance: Chance,
    /// The units of the present storm, in the order of the refill; 8 bytes a unit.
    gone: Vec<u64>,
    refilled: usize,
}

impl Storm {
    /// Choose, discard, and end the odd round.
    fn strike(&mut self, out: &mut VecDeque<Op>) {
        let order = Permutation::new(self.units.count, &mut self.chance);
        self.gone = (0..self.storm_units).map(|index| order.at(index)).collect();
        for unit in &self.gone {
            self.commits.push(Op::Discard { of: Handle::VOLUME, bytes: self.units.bytes(*unit) }, out);
        }
        self.commits.end_round(out);
        match self.refill {
            Refill::Same => {}
            Refill::Ascending => self.gone.sort_unstable(),
            Refill::Shuffled => shuffle(&mut self.gone, &mut self.chance),
        }
        self.refilled = 0;
    }
}

/// Fisher-Yates.
fn shuffle(list: &mut [u64], chance: &mut Chance) {
    for last in (1..list.len()).rev() {
        let other = usize::try_from(chance.below(last as u64 + 1)).expect("an index of the list");
        list.swap(last, other);
    }
}

impl Steps for Storm {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        if let Some(unit) = self.gone.get(self.refilled) {
            self.refilled += 1;
            self.commits.push(Op::Write { to: Handle::VOLUME, bytes: self.units.bytes(*unit) }, out);
            if self.refilled == self.gone.len() {
                self.commits.end_round(out);
            }
            return Ok(true);
        }
        let over = self.commits.rounds() / 2 == self.storms;
        if !over {
            self.strike(out);
        }
        Ok(!over)
    }
    fn progress(&self) -> f64 {
        part(self.commits.rounds() / 2, self.storms)
    }
}
