//! Groups in the order of a number that changes.
//!
//! Invariant: every group is in the order once, under its present number; among equals the lower address is first.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// What an ordered set of pairs holds for each, reckoned as nodes of 11 at two thirds.
const ENTRY_BYTES: u64 = 28;

/// The order.
#[derive(Clone, Debug, Default)]
pub(super) struct Ranked {
    keys: Vec<u64>,
    order: BTreeSet<(u64, usize)>,
}

impl Ranked {
    /// Groups with these numbers.
    pub(super) fn new(keys: impl Iterator<Item = u64>) -> Ranked {
        let keys: Vec<u64> = keys.collect();
        let order = keys.iter().enumerate().map(|(group, key)| (*key, group)).collect();
        Ranked { keys, order }
    }
    /// Give a group its new number.
    pub(super) fn set(&mut self, group: usize, key: u64) {
        let old = core::mem::replace(&mut self.keys[group], key);
        if old != key {
            self.order.remove(&(old, group));
            self.order.insert((key, group));
        }
    }
    /// Groups from the least number that is at least `from`, upward.
    pub(super) fn from(&self, from: u64) -> impl Iterator<Item = usize> + '_ {
        self.order.range((from, 0)..).map(|(_, group)| *group)
    }
    /// Bytes held.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.keys.len() as u64 * (8 + ENTRY_BYTES)
    }
}
