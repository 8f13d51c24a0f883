//! A list of small numbers that knows where its highest is.
//!
//! Invariant: each number of a level is the highest of its group of 64 on the level below; the last level is one number.
//! A byte and a bit for each number of the list. Knows no meaning.

/// Numbers that share one on the level above.
const GROUP: usize = 64;

/// The list, and above it the levels of highest numbers.
#[derive(Default)]
pub(super) struct Peaks {
    levels: Vec<Vec<u8>>,
}

impl Peaks {
    /// More numbers, zero.
    pub(super) fn grow(&mut self, length: usize) {
        let (mut level, mut length) = (0, length);
        loop {
            if level == self.levels.len() {
                // A new top starts from what stands below it.
                let below = self.levels.last().map_or(&[][..], |below| below);
                self.levels.push(below.chunks(GROUP).map(highest_of).collect());
            }
            assert!(length >= self.levels[level].len(), "peaks only grow");
            self.levels[level].resize(length, 0);
            if length <= 1 {
                return;
            }
            (level, length) = (level + 1, length.div_ceil(GROUP));
        }
    }
    /// Change a number.
    pub(super) fn set(&mut self, at: usize, number: u8) {
        let (mut at, mut number) = (at, number);
        for level in 0..self.levels.len() {
            let old = std::mem::replace(&mut self.levels[level][at], number);
            let Some(above) = self.levels.get(level + 1).map(|above| above[at / GROUP]) else { return };
            if number <= above && old < above {
                return;
            }
            at /= GROUP;
            number = if number >= above { number } else { self.highest_in(level, at) };
            if number == above {
                return;
            }
        }
    }
    /// Where the highest number is; the first of them if there are several. Zero if the list is empty.
    pub(super) fn highest(&self) -> usize {
        let mut at = 0;
        for level in self.levels.iter().rev() {
            let group = &level[at * GROUP..level.len().min((at + 1) * GROUP)];
            let highest = highest_of(group);
            at = at * GROUP + group.iter().position(|number| *number == highest).unwrap_or(0);
        }
        at
    }
    fn highest_in(&self, level: usize, group: usize) -> u8 {
        let numbers = &self.levels[level];
        highest_of(&numbers[group * GROUP..numbers.len().min((group + 1) * GROUP)])
    }
}

fn highest_of(numbers: &[u8]) -> u8 {
    numbers.iter().copied().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};

    #[test]
    fn agrees_with_a_plain_list_that_grows() {
        for seed in 0..16 {
            let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let (mut peaks, mut model) = (Peaks::default(), Vec::new());
            for step in 0..3_000 {
                if step % 500 == 0 {
                    let length = model.len() + chance.random_range(1..6_000);
                    model.resize(length, 0);
                    peaks.grow(length);
                }
                let (at, number) = (chance.random_range(0..model.len()), chance.random_range(0..65));
                model[at] = number;
                peaks.set(at, number);
                let highest = *model.iter().max().unwrap();
                let first = model.iter().position(|number| *number == highest).unwrap();
                assert_eq!(peaks.highest(), first, "seed {seed} step {step}");
            }
        }
    }
}
