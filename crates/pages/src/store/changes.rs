//! What the open epoch changed, and what of it is in memory.
//!
//! Invariant: `owed` is the number of changed pages that have no place yet, so `free - owed` places can still be
//! promised; `resident` lists exactly the pages in memory. Does no I/O and knows no free space.

use super::cache::FastMap;
use spinney_core::{PageBuf, PageKind};
use std::sync::Arc;

/// A page that differs from the last sealed epoch.
pub(super) struct Change {
    pub(super) kind: PageKind,
    /// The last sealed epoch has no page of this number.
    pub(super) fresh: bool,
    /// A place that is already its own; nothing durable points there yet.
    pub(super) place: Option<u64>,
    pub(super) state: State,
}

/// Where the page's content is.
pub(super) enum State {
    /// In memory, at `at` in the list of residents.
    Memory { page: Arc<PageBuf>, at: usize, touched: bool },
    /// At its place on the device.
    Spilled { checksum: u64, epoch: u64 },
    /// Given back.
    Freed,
}

/// The changes of the open epoch, by page number.
#[derive(Default)]
pub(super) struct Changes {
    map: FastMap<Change>,
    resident: Vec<u64>,
    hand: usize,
    owed: u64,
}

impl Changes {
    /// Whether nothing changed.
    pub(super) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
    /// Places that must still be taken for these changes.
    pub(super) fn owed(&self) -> u64 {
        self.owed
    }
    /// Changed pages in memory.
    pub(super) fn resident(&self) -> usize {
        self.resident.len()
    }
    #[inline]
    pub(super) fn get(&self, number: u64) -> Option<&Change> {
        self.map.get(&number)
    }
    #[inline]
    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut Change> {
        self.map.get_mut(&number)
    }
    /// A page is in memory from now on, whatever it was before. It keeps a place that it has.
    pub(super) fn put_in_memory(&mut self, number: u64, kind: PageKind, fresh: bool, page: Arc<PageBuf>) {
        let place = self.map.get(&number).and_then(|change| change.place);
        let state = State::Memory { page, at: self.resident.len(), touched: true };
        self.resident.push(number);
        self.owed += u64::from(place.is_none());
        self.map.insert(number, Change { kind, fresh, place, state });
    }
    /// A page is given back. Returns the place that it had in this epoch, free at once.
    pub(super) fn put_freed(&mut self, number: u64, kind: PageKind) -> Option<u64> {
        let Some(change) = self.map.get_mut(&number) else {
            let change = Change { kind, fresh: false, place: None, state: State::Freed };
            self.map.insert(number, change);
            return None;
        };
        let (place, fresh) = (change.place.take(), change.fresh);
        if let State::Memory { at, .. } = std::mem::replace(&mut change.state, State::Freed) {
            self.owed -= u64::from(place.is_none());
            self.leave_memory(at);
        }
        if fresh {
            self.map.remove(&number);
        }
        place
    }
    /// A page in memory got a place.
    pub(super) fn assign(&mut self, number: u64, place: u64) {
        if let Some(change) = self.map.get_mut(&number)
            && change.place.replace(place).is_none()
        {
            self.owed -= 1;
        }
    }
    /// A page in memory was written to its place and need not stay.
    pub(super) fn put_spilled(&mut self, number: u64, checksum: u64, epoch: u64) {
        let Some(change) = self.map.get_mut(&number) else { return };
        let spilled = State::Spilled { checksum, epoch };
        if let State::Memory { at, .. } = std::mem::replace(&mut change.state, spilled) {
            self.leave_memory(at);
        }
    }
    /// Up to `count` pages in memory that were not touched since the hand last came by, in order of their numbers.
    pub(super) fn choose_cold(&mut self, count: usize) -> Vec<u64> {
        let mut chosen = Vec::with_capacity(count);
        // The first round may only take marks away; the second then finds everything cold.
        for _ in 0..2 * self.resident.len() {
            if chosen.len() == count {
                break;
            }
            let number = self.resident[self.hand % self.resident.len()];
            self.hand = (self.hand + 1) % self.resident.len();
            if let Some(Change { state: State::Memory { touched, .. }, .. }) = self.map.get_mut(&number)
                && !std::mem::take(touched)
            {
                chosen.push(number);
            }
        }
        chosen.sort_unstable();
        chosen.dedup();
        chosen
    }
    /// All changes, in order of their numbers; none are left.
    pub(super) fn drain_sorted(&mut self) -> Vec<(u64, Change)> {
        let mut all: Vec<(u64, Change)> = std::mem::take(self).map.into_iter().collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }
    /// The numbers of all changes, in order.
    pub(super) fn numbers_sorted(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.map.keys().copied().collect();
        all.sort_unstable();
        all
    }
    fn leave_memory(&mut self, at: usize) {
        self.resident.swap_remove(at);
        if let Some(moved) = self.resident.get(at)
            && let Some(Change { state: State::Memory { at: its, .. }, .. }) = self.map.get_mut(moved)
        {
            *its = at;
        }
    }
}
