//! The steps of a life, how a seed draws them, and their text.
//!
//! Invariant: `parse(step.to_string()) == step`. A step names versions by a number that is taken modulo those alive, so
//! any sub-list of a life is a life. Swarm style: each seed switches kinds of step off and skews the rest.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// One step. Blocks are 4 KiB; `of` counts versions alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Write whole blocks.
    Write {
        /// Which version.
        of: u8,
        /// First block.
        at: u8,
        /// How many.
        blocks: u8,
    },
    /// Write bytes across block borders.
    Ragged {
        /// Which version.
        of: u8,
        /// First byte.
        offset: u32,
        /// How many.
        bytes: u16,
    },
    /// Discard whole blocks.
    Discard {
        /// Which version.
        of: u8,
        /// First block.
        at: u8,
        /// How many.
        blocks: u8,
    },
    /// Write zeroes over bytes.
    Zero {
        /// Which version.
        of: u8,
        /// First byte.
        offset: u32,
        /// How many.
        bytes: u32,
    },
    /// Make a volume.
    Create {
        /// Its size.
        blocks: u8,
    },
    /// Take a snapshot.
    Snapshot {
        /// Of which version.
        of: u8,
    },
    /// Make a clone.
    Clone {
        /// Of which version.
        of: u8,
    },
    /// Delete a version.
    Delete {
        /// Which.
        of: u8,
    },
    /// Flush.
    Flush,
    /// Background work.
    Tend {
        /// Slots.
        budget: u8,
    },
    /// Compare everything with the model, without a crash.
    Audit,
    /// Close (losing what was not flushed) and open again.
    Reopen,
    /// Cut the power after so many more changes of the device.
    Crash {
        /// Changes and flushes that still succeed.
        after: u8,
        /// Draws what becomes of each unflushed request.
        fates: u64,
    },
}

/// Weight of each kind of step, in the order of [`kind`].
const WEIGHTS: [u32; 13] = [30, 6, 6, 4, 2, 9, 8, 9, 8, 4, 2, 2, 12];

/// The life of a seed.
#[must_use]
pub fn draw(seed: u64, steps: usize) -> Vec<Step> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = WEIGHTS;
    for weight in &mut weights[1..12] {
        match chance.random_range(0..4) {
            0 => *weight = 0,
            1 => *weight *= 4,
            _ => {}
        }
    }
    let mut life = Vec::with_capacity(steps + 1);
    while life.len() < steps {
        let step = step(pick(&weights, &mut chance), &mut chance);
        life.push(step);
        // Two cuts of three are aimed at a commit: that is where order matters.
        if matches!(step, Step::Crash { .. }) && chance.random_ratio(2, 3) {
            life.pop();
            life.push(Step::Crash {
                after: chance.random_range(0..20),
                fates: u64::from(chance.random::<u32>()),
            });
            life.push(Step::Flush);
        }
    }
    life
}

/// A kind of step, by weight.
fn pick(weights: &[u32], chance: &mut impl Rng) -> usize {
    let mut at = chance.random_range(0..weights.iter().sum());
    let chosen = weights.iter().position(|weight| {
        let here = at < *weight;
        at = at.saturating_sub(*weight);
        here
    });
    chosen.unwrap_or(0)
}

fn step(kind: usize, chance: &mut impl Rng) -> Step {
    let of = chance.random();
    let blocks =
        if chance.random_ratio(1, 3) { chance.random_range(1..=24) } else { chance.random_range(1..=3) };
    let (at, offset) = (chance.random_range(0..48), chance.random_range(0..48 * 4096));
    match kind {
        0 => Step::Write { of, at, blocks },
        1 => Step::Ragged { of, offset, bytes: chance.random_range(1..=10_000) },
        2 => Step::Discard { of, at, blocks },
        3 => Step::Zero { of, offset, bytes: chance.random_range(1..=40_000) },
        4 => Step::Create { blocks: chance.random_range(1..=48) },
        5 => Step::Snapshot { of },
        6 => Step::Clone { of },
        7 => Step::Delete { of },
        8 => Step::Flush,
        9 => Step::Tend { budget: chance.random_range(1..=8) },
        10 => Step::Audit,
        11 => Step::Reopen,
        _ => Step::Crash { after: chance.random_range(0..40), fates: u64::from(chance.random::<u32>()) },
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Write { of, at, blocks } => write!(f, "write {of} {at} {blocks}"),
            Step::Ragged { of, offset, bytes } => write!(f, "ragged {of} {offset} {bytes}"),
            Step::Discard { of, at, blocks } => write!(f, "discard {of} {at} {blocks}"),
            Step::Zero { of, offset, bytes } => write!(f, "zero {of} {offset} {bytes}"),
            Step::Create { blocks } => write!(f, "create {blocks}"),
            Step::Snapshot { of } => write!(f, "snapshot {of}"),
            Step::Clone { of } => write!(f, "clone {of}"),
            Step::Delete { of } => write!(f, "delete {of}"),
            Step::Flush => write!(f, "flush"),
            Step::Tend { budget } => write!(f, "tend {budget}"),
            Step::Audit => write!(f, "audit"),
            Step::Reopen => write!(f, "reopen"),
            Step::Crash { after, fates } => write!(f, "crash {after} {fates}"),
        }
    }
}

/// Read a step back; `None` if it is not one.
#[must_use]
pub fn parse(line: &str) -> Option<Step> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let mut number = || words.next()?.parse::<u64>().ok();
    let step = match name {
        "write" => Step::Write { of: number()? as u8, at: number()? as u8, blocks: number()? as u8 },
        "ragged" => Step::Ragged { of: number()? as u8, offset: number()? as u32, bytes: number()? as u16 },
        "discard" => Step::Discard { of: number()? as u8, at: number()? as u8, blocks: number()? as u8 },
        "zero" => Step::Zero { of: number()? as u8, offset: number()? as u32, bytes: number()? as u32 },
        "create" => Step::Create { blocks: number()? as u8 },
        "snapshot" => Step::Snapshot { of: number()? as u8 },
        "clone" => Step::Clone { of: number()? as u8 },
        "delete" => Step::Delete { of: number()? as u8 },
        "flush" => Step::Flush,
        "tend" => Step::Tend { budget: number()? as u8 },
        "audit" => Step::Audit,
        "reopen" => Step::Reopen,
        "crash" => Step::Crash { after: number()? as u8, fates: number()? },
        _ => return None,
    };
    Some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_drawn_step_reads_back_from_its_text() {
        for step in (0..50).flat_map(|seed| draw(seed, 40)) {
            assert_eq!(parse(&step.to_string()), Some(step));
        }
    }
}
