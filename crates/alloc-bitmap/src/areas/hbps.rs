//! [`Hbps`]: WAFL's histogram-based partial sort, a priority queue that fits two pages whatever the number of items.
//!
//! Invariant: `counts` counts every item with a score above 0; `list` holds some of them, grouped by bin, best bin first; an
//! item is listed at most once, and under the bin of its score. So what `pop` gives is of the best bin that has any item:
//! at most one bin's width below the best. Knows nothing of areas. The paper's text could not be had: mechanism as recalled.

use alloc::vec::Vec;

/// Bins of the histogram.
pub const BINS: usize = 32;
/// Items that the list holds: the second page, at 4 bytes each.
pub const LISTED_MAX: usize = 1000;

/// Items by score, sorted as far as two pages go.
#[derive(Clone, Debug)]
pub struct Hbps {
    /// The highest score there can be.
    score_max: u32,
    /// Items of each bin, listed or not; bin 0 is the best.
    counts: [u32; BINS],
    /// Where each bin's part of the list ends.
    ends: [u16; BINS],
    list: Vec<u32>,
    refills: u64,
}

impl Hbps {
    /// Empty; scores are `0..=score_max`, and an item of score 0 is none.
    #[must_use]
    pub fn new(score_max: u32) -> Hbps {
        let list = Vec::with_capacity(LISTED_MAX);
        Hbps { score_max: score_max.max(1), counts: [0; BINS], ends: [0; BINS], list, refills: 0 }
    }
    /// The bin of a score above 0: 0 for the highest.
    fn bin(&self, score: u32) -> usize {
        let from_top = u64::from(self.score_max - score.min(self.score_max));
        (from_top * BINS as u64 / u64::from(self.score_max)) as usize
    }
    fn start(&self, bin: usize) -> usize {
        if bin == 0 { 0 } else { usize::from(self.ends[bin - 1]) }
    }
    /// An item's score changed: in constant time, and mostly in none, as most changes stay within a bin. From 0 it is added,
    /// to 0 it is removed.
    pub fn change(&mut self, item: u32, old: u32, new: u32) {
        let bin = |score| (score > 0).then(|| self.bin(score));
        let (from, to) = (bin(old), bin(new));
        if from == to {
            return;
        }
        if let Some(from) = from {
            self.counts[from] -= 1;
            self.unlist(item, from);
        }
        if let Some(to) = to {
            self.counts[to] += 1;
            self.enlist(item, to);
        }
    }
    /// Take an item out of its bin's part: the last of each part below moves up into the gap.
    fn unlist(&mut self, item: u32, bin: usize) {
        let (start, end) = (self.start(bin), usize::from(self.ends[bin]));
        let Some(place) = self.list[start..end].iter().position(|listed| *listed == item) else { return };
        let mut gap = start + place;
        for end in &mut self.ends[bin..] {
            let last = usize::from(*end) - 1;
            self.list[gap] = self.list[last];
            gap = last;
            *end -= 1;
        }
        self.list.truncate(self.list.len() - 1);
    }
    /// Put an item at the end of its bin's part: the first of each part below moves to that part's end. A full list forgets
    /// one of its worst; an item that is no better is not listed.
    fn enlist(&mut self, item: u32, bin: usize) {
        if self.list.len() == LISTED_MAX {
            let worst = (0..BINS).rev().find(|bin| self.start(*bin) < usize::from(self.ends[*bin]));
            let Some(worst) = worst.filter(|worst| *worst > bin) else { return };
            let forgotten = self.list[usize::from(self.ends[worst]) - 1];
            self.unlist(forgotten, worst);
        }
        self.list.push(item);
        let mut gap = self.list.len() - 1;
        for lower in (bin + 1..BINS).rev() {
            let first = self.start(lower);
            self.list[gap] = self.list[first];
            gap = first;
            self.ends[lower] += 1;
        }
        self.list[gap] = item;
        self.ends[bin] += 1;
    }
    /// The lowest listed item of the best bin; it stays in, until its score changes. `None` if there is no item, or if the
    /// list has run dry: no item of the best bin is listed. Then `refill`.
    #[must_use]
    pub fn best(&self) -> Option<u32> {
        let bin = self.counts.iter().position(|count| *count > 0)?;
        self.list[self.start(bin)..usize::from(self.ends[bin])].iter().min().copied()
    }
    /// Whether there is no item at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }
    /// Fill the list from all items and scores, one pass: the best bins as far as they go. A call pays for as many picks as
    /// it lists, or for all that the best bin has.
    pub fn refill(&mut self, scores: impl Iterator<Item = (u32, u32)>) {
        self.refills += 1;
        self.list.clear();
        self.ends = [0; BINS];
        let mut room = LISTED_MAX as u32;
        let worst = self.counts.iter().position(|count| {
            let full = *count >= room;
            room -= (*count).min(room);
            full
        });
        let worst = worst.unwrap_or(BINS - 1);
        for (item, score) in scores.filter(|(_, score)| *score > 0) {
            if self.bin(score) <= worst {
                self.enlist(item, self.bin(score));
            }
        }
    }
    /// How often the list was filled anew.
    #[must_use]
    pub fn refills(&self) -> u64 {
        self.refills
    }
    /// Bytes of memory: the histogram and the list.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        size_of::<Hbps>() as u64 + 4 * LISTED_MAX as u64
    }
}

#[cfg(test)]
#[path = "hbps_tests.rs"]
mod tests;
