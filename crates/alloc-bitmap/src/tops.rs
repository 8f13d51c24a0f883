//! The level of each leaf, and the highest level of every 64 leaves, of every 64 of those, and so on to one.
//!
//! Invariant: an entry above is the highest of its 64 below. So the first leaf, from any place, that reaches a level is found
//! by looking at a few lines of 64 bytes, and that there is none is known from the top. Knows not what a level means.

use alloc::vec;
use alloc::vec::Vec;

pub(crate) const FAN: usize = 64;

/// Levels of leaves, and the highest of each group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tops {
    tiers: Vec<Vec<u8>>,
}

impl Tops {
    /// All 0.
    pub(crate) fn new(leaves: usize) -> Tops {
        let mut tiers = vec![vec![0; leaves]];
        let mut count = leaves;
        while count > 1 {
            count = count.div_ceil(FAN);
            tiers.push(vec![0; count]);
        }
        Tops { tiers }
    }
    /// How many leaves.
    pub(crate) fn count(&self) -> usize {
        self.tiers.first().map_or(0, Vec::len)
    }
    /// A leaf's level.
    pub(crate) fn level(&self, leaf: usize) -> u8 {
        self.tiers[0][leaf]
    }
    /// Give a leaf a level.
    pub(crate) fn set(&mut self, leaf: usize, level: u8) {
        let old = core::mem::replace(&mut self.tiers[0][leaf], level);
        if level > old { self.raise(leaf / FAN, level) } else { self.lower(leaf / FAN, old) }
    }
    fn raise(&mut self, group: usize, level: u8) {
        let mut at = group;
        for tier in &mut self.tiers[1..] {
            if tier[at] >= level {
                return;
            }
            tier[at] = level;
            at /= FAN;
        }
    }
    /// A member of the group, which had level `old`, has a lower one now.
    fn lower(&mut self, group: usize, old: u8) {
        let mut at = group;
        for tier in 1..self.tiers.len() {
            if self.tiers[tier][at] > old {
                return;
            }
            let highest = highest(members(&self.tiers[tier - 1], at));
            if self.tiers[tier][at] == highest {
                return;
            }
            self.tiers[tier][at] = highest;
            at /= FAN;
        }
    }
    /// The first leaf at `from` or after it with a level of at least `level` (not 0).
    pub(crate) fn next(&self, level: u8, from: usize) -> Option<usize> {
        let mut at = from;
        for (tier, levels) in self.tiers.iter().enumerate() {
            if at >= levels.len() {
                return None;
            }
            let end = levels.len().min((at / FAN + 1) * FAN);
            if let Some(step) = first(&levels[at..end], level) {
                return Some(self.descend(tier, at + step, level));
            }
            at = at / FAN + 1;
        }
        None
    }
    /// The last leaf before `to` with a level of at least `level` (not 0).
    pub(crate) fn previous(&self, level: u8, to: usize) -> Option<usize> {
        let mut end = to;
        for (tier, levels) in self.tiers.iter().enumerate() {
            let start = end / FAN * FAN;
            if let Some(step) = last(&levels[start..end], level) {
                return Some(self.descend_last(tier, start + step, level));
            }
            end /= FAN;
        }
        None
    }
    fn descend_last(&self, tier: usize, mut at: usize, level: u8) -> usize {
        for levels in self.tiers[..tier].iter().rev() {
            let step = last(members(levels, at), level);
            at = at * FAN + step.expect("a top is the highest of its members");
        }
        at
    }
    fn descend(&self, tier: usize, mut at: usize, level: u8) -> usize {
        for levels in self.tiers[..tier].iter().rev() {
            let step = first(members(levels, at), level);
            at = at * FAN + step.expect("a top is the highest of its members");
        }
        at
    }
    /// The highest level of all.
    pub(crate) fn highest(&self) -> u8 {
        self.tiers.last().and_then(|tier| tier.first()).copied().unwrap_or(0)
    }
    /// How many groups of 64 leaves there are.
    pub(crate) fn groups(&self) -> usize {
        self.count().div_ceil(FAN)
    }
    /// Of the leaves of a group with a level of at least `level`, the first of the lowest, and its level.
    pub(crate) fn tightest(&self, group: usize, level: u8) -> Option<(u8, usize)> {
        let levels = members(&self.tiers[0], group);
        // A level that is too low wraps round to more than any that is not.
        let above = levels.iter().fold(u8::MAX, |least, has| least.min(has.wrapping_sub(level)));
        let found = level.checked_add(above)?;
        let place = levels.iter().position(|has| *has == found)?;
        Some((found, group * FAN + place))
    }
    /// Tiers, each of which is one line to look at.
    pub(crate) fn tiers(&self) -> u64 {
        self.tiers.len() as u64
    }
    /// Bytes of memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        self.tiers.iter().map(|tier| tier.len() as u64).sum()
    }
}

fn members(levels: &[u8], group: usize) -> &[u8] {
    &levels[group * FAN..levels.len().min((group + 1) * FAN)]
}

/// Levels compared at once, in two instructions.
const STRIDE: usize = 16;

/// The first that is at least `level`.
fn first(levels: &[u8], level: u8) -> Option<usize> {
    let (strides, _) = levels.as_chunks::<STRIDE>();
    let from = strides.iter().take_while(|stride| highest(&stride[..]) < level).count() * STRIDE;
    Some(from + levels[from..].iter().position(|has| *has >= level)?)
}

/// The last that is.
fn last(levels: &[u8], level: u8) -> Option<usize> {
    let (_, strides) = levels.as_rchunks::<STRIDE>();
    let short = strides.iter().rev().take_while(|stride| highest(&stride[..]) < level).count() * STRIDE;
    levels[..levels.len() - short].iter().rposition(|has| *has >= level)
}

fn highest(levels: &[u8]) -> u8 {
    levels.iter().fold(0, |highest, level| highest.max(*level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_and_previous_agree_with_a_walk() {
        for (leaves, every) in
            [(1, 1), (63, 7), (64, 64), (65, 65), (5000, 1), (5000, 900), (270_000, 99_991)]
        {
            let mut tops = Tops::new(leaves);
            (every - 1..leaves).step_by(every).for_each(|leaf| tops.set(leaf, 1 + (leaf / every % 3) as u8));
            for level in 1..=3 {
                for at in (0..=leaves).step_by(1 + leaves / 97) {
                    let reaches = |leaf: &usize| tops.level(*leaf) >= level;
                    assert_eq!(tops.next(level, at), (at..leaves).find(reaches), "{leaves} {level} {at}");
                    assert_eq!(
                        tops.previous(level, at),
                        (0..at).rev().find(reaches),
                        "{leaves} {level} {at}"
                    );
                }
            }
        }
    }
}
