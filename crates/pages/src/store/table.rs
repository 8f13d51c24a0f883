//! One shard of the cache: a hash table whose entries hold the pages themselves, with second-chance replacement.
//!
//! Invariant: at most `capacity` entries; each stands at its hash's position or in the unbroken run of entries after it (linear
//! probing), so that a look-up of a page that nobody used lately waits for memory once, not for an index and then a slot.
//! Positions depend on what was put in and in which order, on nothing else. Knows no lock.

use super::cache::{Cached, spread};
use super::format::kind_of;
use spinney_core::{PageBuf, PageKind};
use std::sync::Arc;

/// Set in `epoch` when the entry was used since the hand last came by.
const USED: u64 = 1 << 63;
/// Above it, and below the mark, stands the page's kind: whoever asks for it need not wait for the page's first bytes.
const EPOCH_BITS: u32 = 55;
const EPOCH_MASK: u64 = (1 << EPOCH_BITS) - 1;
/// Positions that a table starts with.
const POSITIONS_MIN: usize = 16;

/// Half a cache line.
#[derive(Clone)]
struct Entry {
    key: u64,
    /// `None`: nobody stands here.
    page: Option<Arc<PageBuf>>,
    checksum: u64,
    /// Mark, kind and epoch.
    epoch: u64,
}

impl Entry {
    fn epoch(&self) -> u64 {
        self.epoch & EPOCH_MASK
    }
    fn kind(&self) -> PageKind {
        PageKind(((self.epoch & !USED) >> EPOCH_BITS) as u8)
    }
}

const NOBODY: Entry = Entry { key: 0, page: None, checksum: 0, epoch: 0 };

/// The table. Positions are a power of two, at most three quarters of them taken.
pub(super) struct Table {
    entries: Vec<Entry>,
    pages: usize,
    capacity: usize,
    hand: usize,
    hits: u64,
}

impl Table {
    pub(super) fn new(capacity: usize) -> Table {
        Table { entries: vec![NOBODY; POSITIONS_MIN], pages: 0, capacity, hand: 0, hits: 0 }
    }
    pub(super) fn pages(&self) -> usize {
        self.pages
    }
    pub(super) fn hits(&self) -> u64 {
        self.hits
    }
    pub(super) fn clear(&mut self) {
        (self.entries, self.pages, self.hand) = (vec![NOBODY; POSITIONS_MIN], 0, 0);
    }
    /// What `see` makes of the page under `key`, if that `fits`.
    #[inline]
    pub(super) fn look<T>(
        &mut self,
        key: u64,
        fits: impl Fn(u64, u64) -> bool,
        see: impl FnOnce(&Arc<PageBuf>, PageKind) -> T,
    ) -> Option<T> {
        let at = self.find(key).ok()?;
        let entry = &mut self.entries[at];
        if !fits(entry.checksum, entry.epoch()) {
            return None;
        }
        entry.epoch |= USED;
        self.hits += 1;
        let kind = entry.kind();
        entry.page.as_ref().map(|page| see(page, kind))
    }
    /// The page that had been there. A page that is replaced keeps its mark, a new one has none.
    pub(super) fn insert(&mut self, key: u64, cached: Cached) -> Option<Arc<PageBuf>> {
        debug_assert!(cached.epoch <= EPOCH_MASK, "epochs do not come that far");
        let kind = u64::from(kind_of(&cached.page).0) << EPOCH_BITS;
        let new = |mark| Entry {
            key,
            page: Some(cached.page),
            checksum: cached.checksum,
            epoch: cached.epoch & EPOCH_MASK | kind | mark,
        };
        if let Ok(at) = self.find(key) {
            let mark = self.entries[at].epoch & USED;
            return std::mem::replace(&mut self.entries[at], new(mark)).page;
        }
        if self.pages == self.capacity {
            let victim = self.victim();
            self.remove_at(victim);
        } else if (self.pages + 1) * 4 > self.entries.len() * 3 {
            self.double();
        }
        let at = self.find(key).expect_err("it was not there, and is not put in by making room");
        self.entries[at] = new(0);
        self.pages += 1;
        None
    }
    pub(super) fn remove(&mut self, key: u64) {
        if let Ok(at) = self.find(key) {
            self.remove_at(at);
        }
    }
    fn home(&self, key: u64) -> usize {
        // The low bits choose the place; those from 20 on have chosen the shard.
        (spread(key) ^ (spread(key) >> 40)) as usize & (self.entries.len() - 1)
    }
    /// Where the key stands, or the free position where it would.
    #[inline]
    fn find(&self, key: u64) -> Result<usize, usize> {
        let mut at = self.home(key);
        loop {
            let entry = &self.entries[at];
            match entry.page {
                None => return Err(at),
                Some(_) if entry.key == key => return Ok(at),
                Some(_) => at = (at + 1) & (self.entries.len() - 1),
            }
        }
    }
    /// Empty a position, and move up whoever behind it can stand nearer to home.
    fn remove_at(&mut self, at: usize) {
        let mask = self.entries.len() - 1;
        let (mut gap, mut next) = (at, (at + 1) & mask);
        while self.entries[next].page.is_some() {
            let from_home = next.wrapping_sub(self.home(self.entries[next].key)) & mask;
            if from_home >= next.wrapping_sub(gap) & mask {
                self.entries.swap(gap, next);
                gap = next;
            }
            next = (next + 1) & mask;
        }
        self.entries[gap] = NOBODY;
        self.pages -= 1;
    }
    fn double(&mut self) {
        let more = vec![NOBODY; self.entries.len() * 2];
        for entry in std::mem::replace(&mut self.entries, more) {
            if entry.page.is_some() {
                let at = self.find(entry.key).expect_err("keys are unique");
                self.entries[at] = entry;
            }
        }
    }
    /// Second chance: pass over what was used since the hand last came by. Ends within two rounds.
    fn victim(&mut self) -> usize {
        loop {
            let at = self.hand & (self.entries.len() - 1);
            self.hand = at + 1;
            let entry = &mut self.entries[at];
            if entry.page.is_some() && entry.epoch & USED == 0 {
                return at;
            }
            entry.epoch &= !USED;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use std::collections::BTreeMap;

    fn cached(epoch: u64) -> Cached {
        Cached { page: Arc::new(PageBuf::zeroed()), checksum: epoch * 3, epoch }
    }

    #[test]
    fn agrees_with_a_map_until_it_is_full() {
        for seed in 0..16 {
            let mut chance = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let (mut table, mut model) = (Table::new(1000), BTreeMap::new());
            for step in 0..5_000 {
                let key = chance.random_range(0..900);
                match chance.random_range(0..3) {
                    0 => table.remove(key),
                    _ => drop(table.insert(key, cached(step))),
                }
                if table.find(key).is_ok() {
                    model.insert(key, step)
                } else {
                    model.remove(&key)
                };
                let asked = chance.random_range(0..900);
                let is_newest = |checksum, epoch| checksum == epoch * 3 && model[&asked] == epoch;
                let found = table.look(asked, is_newest, |_, _| ());
                assert_eq!(found.is_some(), model.contains_key(&asked), "seed {seed} step {step}");
                assert_eq!(table.pages(), model.len(), "seed {seed} step {step}");
            }
        }
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        for capacity in [2, 7, 64, 1000] {
            let mut table = Table::new(capacity);
            table.insert(1, cached(1));
            for key in 2..capacity as u64 * 5 {
                assert!(table.look(1, |_, _| true, |_, _| ()).is_some(), "capacity {capacity} key {key}");
                table.insert(key, cached(1));
                assert!(table.pages() <= capacity);
                assert!(table.find(key).is_ok(), "capacity {capacity} key {key}");
            }
            assert_eq!(table.pages(), capacity);
        }
    }
}
