//! How a seed draws the steps of its life.
//!
//! Invariant: swarm style: each seed switches about half of the kinds of step off and skews the rest, since a bug that needs many of
//! one kind in a row is hidden by an even mixture. Writes and cuts stay on: without them there is nothing to lose.

use crate::step::{Bad, Step};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Weight of each kind of step, in the order of [`step`].
const WEIGHTS: [u32; 16] = [30, 12, 6, 6, 4, 2, 9, 8, 9, 8, 4, 2, 4, 8, 8, 2];
/// The same of the kinds that go by name, which one seed in [`NAMED_EVERY`] has.
const NAMED: [u32; 7] = [5, 8, 7, 4, 5, 4, 6];
const NAMED_EVERY: u64 = 4;
/// Kinds that are never off: writes and cuts.
const ALWAYS: usize = 2;

/// The life of a seed.
#[must_use]
pub fn draw(seed: u64, steps: usize) -> Vec<Step> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = weights(WEIGHTS.to_vec(), ALWAYS, &mut chance);
    if seed % NAMED_EVERY == NAMED_EVERY - 1 {
        weights.extend(self::weights(NAMED.to_vec(), 0, &mut chance));
    }
    let mut life = Vec::with_capacity(steps + 1);
    while life.len() < steps {
        let kind = pick(&weights, &mut chance);
        // Two cuts of three are aimed at a flush: that is where order matters. Half of these flushes have only a write to make durable,
        // which is what the intent log is for.
        if kind == 1 && chance.random_ratio(2, 3) {
            if chance.random() {
                life.extend([Step::Flush, step(0, &mut chance)]);
            }
            life.push(aimed(crash(20, &mut chance)));
            life.push(Step::Flush);
        } else {
            life.push(step(kind, &mut chance));
        }
    }
    life
}

fn weights(mut weights: Vec<u32>, always: usize, chance: &mut impl Rng) -> Vec<u32> {
    for weight in &mut weights[always..] {
        match chance.random_range(0..8) {
            0..4 => *weight = 0,
            4 => *weight *= 4,
            _ => {}
        }
    }
    weights
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

fn crash(within: u8, chance: &mut impl Rng) -> Step {
    Step::Crash { after: chance.random_range(0..within), fates: u64::from(chance.random::<u32>()) }
}

/// The first two changes oftener: a flush through the intent log has no more, a record and a flush of the device.
fn aimed(cut: Step) -> Step {
    match cut {
        Step::Crash { after: after @ 16.., fates } => Step::Crash { after: after % 2, fates },
        other => other,
    }
}

fn fail(chance: &mut impl Rng) -> Step {
    let kind = [Bad::Read, Bad::Write, Bad::Flush][chance.random_range(0..3)];
    Step::Fail { kind, after: chance.random_range(0..30), then_cut: chance.random() }
}

fn step(kind: usize, chance: &mut impl Rng) -> Step {
    let of = chance.random();
    let blocks =
        if chance.random_ratio(1, 3) { chance.random_range(1..=24) } else { chance.random_range(1..=3) };
    let (at, offset) = (chance.random_range(0..48), chance.random_range(0..48 * 4096));
    match kind {
        0 => Step::Write { of, at, blocks },
        1 => crash(40, chance),
        2 => Step::Ragged { of, offset, bytes: chance.random_range(1..=10_000) },
        3 => Step::Discard { of, at, blocks },
        4 => Step::Zero { of, offset, bytes: chance.random_range(1..=40_000) },
        5 => Step::Create { blocks: chance.random_range(1..=48) },
        6 => Step::Snapshot { of },
        7 => Step::Clone { of },
        8 => Step::Delete { of },
        9 => Step::Flush,
        10 => Step::Tend { budget: chance.random_range(1..=8) },
        11 => Step::Audit,
        12 => Step::Reopen,
        14 => Step::Pin,
        15 => Step::Unpin,
        16 => Step::Name { blocks: chance.random_range(1..=48) },
        17 => Step::SnapshotAs { of },
        18 => Step::CloneAs { of },
        19 => Step::Rename { of },
        20 => Step::Rollback { of },
        21 => Step::Promote { of },
        22 => Step::Destroy { set: chance.random() },
        _ => fail(chance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_seed_draws_the_same_life_each_time_and_about_half_of_the_kinds() {
        let kinds = |seed| {
            let name = |step: &Step| step.to_string().split(' ').next().map(str::to_owned);
            draw(seed, 400).iter().filter_map(name).collect::<BTreeSet<_>>().len()
        };
        assert_eq!(draw(7, 60), draw(7, 60));
        let all: usize = (0..200).map(kinds).sum();
        // Write, crash and the flush that a cut is aimed at; of the other thirteen, half; in some lives, of seven more.
        assert!((200 * 8..200 * 11).contains(&all), "{all} kinds in 200 lives");
    }
}
