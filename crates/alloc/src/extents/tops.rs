//! The largest number of each place, and the largest of every 32 places, of every 32 of those, and so on to one.
//!
//! Invariant: an entry above is the largest of its 32 below (one cache line). So the first place from anywhere that reaches
//! a number is found by a look at a few lines, and that there is none is known from the top. Knows not what is numbered.

use alloc::vec;
use alloc::vec::Vec;

const FAN: usize = 32;

/// Numbers of places, and the largest of each group.
#[derive(Clone, Debug, Default)]
pub(super) struct Tops {
    tiers: Vec<Vec<u16>>,
}

impl Tops {
    /// All 0.
    pub(super) fn new(places: usize) -> Tops {
        let mut tiers = vec![vec![0; places]];
        let mut count = places;
        while count > 1 {
            count = count.div_ceil(FAN);
            tiers.push(vec![0; count]);
        }
        Tops { tiers }
    }
    /// The number of a place.
    pub(super) fn get(&self, place: u32) -> u16 {
        self.tiers[0][place as usize]
    }
    /// The largest of all.
    pub(super) fn top(&self) -> u16 {
        self.tiers.last().and_then(|tier| tier.first()).copied().unwrap_or(0)
    }
    /// Give a place a number.
    pub(super) fn set(&mut self, place: u32, number: u16) {
        let mut at = place as usize;
        let old = core::mem::replace(&mut self.tiers[0][at], number);
        for tier in 1..self.tiers.len() {
            let group = at / FAN;
            let was = self.tiers[tier][group];
            if was > old.max(number) {
                return;
            }
            let top = if number >= was { number } else { largest(members(&self.tiers[tier - 1], group)) };
            if top == was {
                return;
            }
            self.tiers[tier][group] = top;
            at = group;
        }
    }
    /// The first place at `from` or after it with at least `number` (not 0).
    pub(super) fn next(&self, number: u16, from: u32) -> Option<u32> {
        let mut at = from as usize;
        for (tier, numbers) in self.tiers.iter().enumerate() {
            if at >= numbers.len() {
                return None;
            }
            let end = numbers.len().min((at / FAN + 1) * FAN);
            if let Some(step) = numbers[at..end].iter().position(|has| *has >= number) {
                return Some(self.descend(tier, at + step, number) as u32);
            }
            at = at / FAN + 1;
        }
        None
    }
    fn descend(&self, tier: usize, mut at: usize, number: u16) -> usize {
        for numbers in self.tiers[..tier].iter().rev() {
            let step = members(numbers, at).iter().position(|has| *has >= number);
            at = at * FAN + step.expect("a top is the largest of its members");
        }
        at
    }
    /// Bytes of memory.
    pub(super) fn bytes(&self) -> u64 {
        self.tiers.iter().map(|tier| tier.len() as u64 * 2).sum()
    }
}

fn members(numbers: &[u16], group: usize) -> &[u16] {
    &numbers[group * FAN..numbers.len().min((group + 1) * FAN)]
}

/// The largest of a list, 0 if it is empty.
fn largest(numbers: &[u16]) -> u16 {
    numbers.iter().fold(0, |largest, number| largest.max(*number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_from_everywhere() {
        for places in [1usize, 31, 32, 33, 1024, 5000] {
            let (mut tops, mut model) = (Tops::new(places), vec![0u16; places]);
            let mut seed = places as u64;
            for turn in 0..600 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let (place, number) = ((seed >> 33) as usize % places, (seed >> 20) as u16 % 40);
                let number = if turn % 3 == 0 { 0 } else { number };
                tops.set(place as u32, number);
                model[place] = number;
                let (from, least) = ((seed >> 12) as usize % places, (seed >> 50) as u16 % 45 + 1);
                let first = (from..places).find(|at| model[*at] >= least).map(|at| at as u32);
                assert_eq!(tops.next(least, from as u32), first, "{places} places, turn {turn}");
            }
        }
    }
}
