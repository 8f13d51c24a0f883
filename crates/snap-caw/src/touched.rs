//! Units to look at, and what reads of units have paid so far: all that the policy keeps, in memory only.
//!
//! Invariant: of bounded size. What is forgotten, by a crash too, waits for the unit's next write or its next reads. Knows no map.

use crate::rule::Rule;
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Range;
use spinney_core::{DevId, Lba};

/// So many units are remembered, and so many that are read: a few megabytes, whether anybody asks or not.
pub(crate) const UNITS_MAX: usize = 1 << 16;

/// A unit of a version, by number.
pub(crate) type Key = (DevId, u64);

/// Why and how a unit is to be looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Look {
    /// From where on blocks may still be brought home.
    pub(crate) from: Lba,
    /// Reads of it have paid for a copy.
    pub(crate) paid: bool,
    /// A home was asked for before the last commit already.
    again: bool,
}

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    /// By version and number, in order, so that the copies of neighbors lie near each other.
    units: BTreeMap<Key, Look>,
    /// Units for whose blocks a home was asked for in this epoch: what it freed itself is free only after its commit.
    later: BTreeSet<Key>,
    /// Seeks that reads of a unit had to pay since it was last looked at for them.
    seeks: BTreeMap<Key, u64>,
    /// Where the next look is, so that units that are written in each epoch do not hide those behind them.
    next: Key,
    /// Looks that this round has left; a round ends when nothing is found any more.
    left: Option<u64>,
    look_budget: u64,
}

impl Touched {
    pub(crate) fn new(rule: &Rule) -> Touched {
        Touched { look_budget: rule.look_budget, ..Touched::default() }
    }
    /// The units were written.
    pub(crate) fn note(&mut self, dev: DevId, units: Range<u64>) {
        for unit in units {
            let paid = self.units.get(&(dev, unit)).is_some_and(|look| look.paid);
            if !self.remember((dev, unit), Look { paid, ..Look::default() }) {
                return;
            }
        }
    }
    /// Whether there was room.
    fn remember(&mut self, key: Key, look: Look) -> bool {
        let fits = self.units.len() < UNITS_MAX || self.units.contains_key(&key);
        if fits {
            self.units.insert(key, look);
        }
        fits
    }
    /// A read of the unit paid for a seek that one run would have saved. `worth`: so many pay for a copy.
    pub(crate) fn pay(&mut self, key: Key, worth: u64) {
        if self.seeks.len() == UNITS_MAX && !self.seeks.contains_key(&key) {
            self.seeks.clear(); // all begin anew, or what is read no more would be in the way for ever
        }
        let seeks = self.seeks.entry(key).or_default();
        *seeks += 1;
        if *seeks >= worth {
            self.seeks.remove(&key);
            let look = self.units.get(&key).copied().unwrap_or_default();
            self.remember(key, Look { paid: true, ..look });
        }
    }
    pub(crate) fn forget(&mut self, dev: DevId) {
        self.units.retain(|(other, _), _| *other != dev);
        self.seeks.retain(|(other, _), _| *other != dev);
        self.later.retain(|(other, _)| *other != dev);
    }
    /// The next unit, unless this round's looks are spent or there is none.
    pub(crate) fn pop(&mut self) -> Option<(Key, Look)> {
        let left = self.left.get_or_insert(self.look_budget);
        let found = self.units.range(self.next..).next().or_else(|| self.units.first_key_value());
        let Some((key, look)) = found.map(|(key, look)| (*key, *look)).filter(|_| *left > 0) else {
            self.left = None;
            return None;
        };
        *left -= 1;
        self.units.remove(&key);
        self.next = (key.0, key.1.saturating_add(1));
        Some((key, look))
    }
    /// A home was asked for; the unit is looked at once more at once, from `from` on, and once after the commit.
    pub(crate) fn go_on(&mut self, key: Key, look: Look, from: Lba) {
        if !look.again && self.later.len() < UNITS_MAX {
            self.later.insert(key);
        }
        self.remember(key, Look { from, paid: false, ..look });
        self.next = key;
    }
    /// Nothing of the unit is to be brought home.
    pub(crate) fn is_at_home(&mut self, key: Key) {
        self.later.remove(&key);
    }
    /// What this epoch freed is free from now on.
    pub(crate) fn commit(&mut self) {
        for key in core::mem::take(&mut self.later) {
            if !self.units.contains_key(&key) {
                self.remember(key, Look { again: true, ..Look::default() });
            }
        }
    }
    /// Units that wait.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.units.len().max(self.seeks.len())
    }
}
