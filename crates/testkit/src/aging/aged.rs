//! One candidate in the program: fill to a level, turn the live set over, then pairs of a free and what restores the level.
//!
//! Invariant: sizes are log-uniform, 1 to 256 blocks; a request that finds no run is halved until one is found, so only a
//! candidate that refuses single blocks does not come through. Times are of the candidate's calls alone.

use super::patience::{Patience, Watch};
use super::space::{Place, Space};
use crate::dice::Dice;
use std::time::Instant;

/// A candidate at some point of the program.
pub struct Aged<S> {
    /// The candidate.
    pub space: S,
    blocks: u64,
    used: u64,
    target: u64,
    live: Vec<Live>,
    dice: Dice,
    /// Requests since the last `age`.
    pub requests: u64,
    /// Of them, those for which no run was found at first.
    pub halved: u64,
    pairs: Vec<u32>,
    frees: Vec<u32>,
    picks: Vec<u32>,
    settled_ns: u64,
}

/// Times since the last [`Aged::forget_times`], in nanoseconds, the clock's own taken off.
#[derive(Clone, Copy, Default, Debug)]
pub struct Times {
    /// Mean of a free and the allocations that follow it, without the slowest thousandth, which on a busy machine is the
    /// scheduler's.
    pub pair: f64,
    /// Median of a pair.
    pub pair_median: u32,
    /// 99th percentile of a pair.
    pub pair_p99: u32,
    /// 99th percentile of one call that frees.
    pub free_p99: u32,
    /// 99th percentile of one call that allocates.
    pub pick_p99: u32,
    /// 99.9th percentile of a call, the worse of the two kinds.
    pub p999: u32,
    /// What a pair's share of [`Space::settle`] costs, which is in none of the others.
    pub settle: f64,
}

/// A run that is held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Live {
    start: u64,
    blocks: u32,
    token: u32,
}

impl<S: Space> Aged<S> {
    /// An empty space of `blocks` blocks, all of which are free in `space`.
    pub fn new(space: S, blocks: u64, seed: u64) -> Aged<S> {
        Aged {
            space,
            blocks,
            used: 0,
            target: 0,
            live: Vec::new(),
            dice: Dice::new("aging", seed),
            requests: 0,
            halved: 0,
            pairs: Vec::new(),
            frees: Vec::new(),
            picks: Vec::new(),
            settled_ns: 0,
        }
    }
    fn size(&mut self) -> u64 {
        let share = (self.dice.any() >> 11) as f64 / (1u64 << 53) as f64;
        (257f64.powf(share) as u64).clamp(1, 256)
    }
    /// One request; halved until a run is found. Returns the time inside the candidate, or `None` if it refused a block.
    fn request(&mut self) -> Option<u32> {
        let (size, mut spent) = (self.size(), 0u32);
        self.requests += 1;
        let mut blocks = size;
        while blocks > 0 {
            let begun = Instant::now();
            let place = self.space.take(blocks);
            let call = nanoseconds(begun);
            self.picks.push(call);
            spent = call.saturating_add(spent);
            if let Some(Place { start, token }) = place {
                self.halved += u64::from(blocks < size);
                self.live.push(Live { start, blocks: blocks as u32, token });
                self.used += blocks;
                return Some(spent);
            }
            blocks /= 2;
        }
        None
    }
    /// Fill to `percent`, then turn the live set over once, within `patience`.
    ///
    /// # Errors
    /// What kept the candidate from getting there.
    pub fn age(&mut self, percent: u64, patience: Patience) -> Result<(), &'static str> {
        let mut watch = Watch::start(patience);
        self.target = self.blocks / 100 * percent;
        while self.used < self.target {
            self.request().ok_or(REFUSED)?;
            watch.look(self.requests)?;
        }
        for turn in 0..self.live.len() {
            self.pair().ok_or(REFUSED)?;
            watch.look(turn as u64)?;
        }
        (self.requests, self.halved) = (0, 0);
        self.forget_times();
        Ok(())
    }
    /// Free a random run, then allocate until the level is reached again. Returns the nanoseconds inside the candidate, the
    /// clock's own included, or `None` if it refused a block.
    pub fn pair(&mut self) -> Option<u32> {
        let at = self.dice.below(self.live.len() as u64) as usize;
        let Live { start, blocks, token } = self.live.swap_remove(at);
        let begun = Instant::now();
        self.space.give(Place { start, token }, u64::from(blocks));
        let free = nanoseconds(begun);
        self.used -= u64::from(blocks);
        let mut pair = free;
        while self.used < self.target {
            pair = pair.saturating_add(self.request()?);
        }
        let begun = Instant::now();
        if self.space.settle() {
            self.settled_ns += begun.elapsed().as_nanos() as u64;
        }
        self.pairs.push(pair);
        self.frees.push(free);
        if self.frees.len() > TIMES_MAX {
            self.forget_times();
        }
        Some(pair)
    }
    /// Begin a new measurement.
    pub fn forget_times(&mut self) {
        self.pairs.clear();
        self.frees.clear();
        self.picks.clear();
        self.settled_ns = 0;
    }
    /// Times of the pairs since then.
    #[must_use]
    pub fn times(&self) -> Times {
        let clock = clock_ns();
        let calls = (self.frees.len() + self.picks.len()) as f64 / self.pairs.len().max(1) as f64;
        let pair = |thousandths| quantile(&self.pairs, thousandths).saturating_sub((calls * clock) as u32);
        let quantile = |list: &[u32], thousandths| quantile(list, thousandths).saturating_sub(clock as u32);
        Times {
            pair: trimmed_mean(&self.pairs) - calls * clock,
            pair_median: pair(500),
            pair_p99: pair(990),
            free_p99: quantile(&self.frees, 990),
            pick_p99: quantile(&self.picks, 990),
            p999: quantile(&self.frees, 999).max(quantile(&self.picks, 999)),
            settle: self.settled_ns as f64 / self.pairs.len().max(1) as f64,
        }
    }
    /// Maximal runs that no live run covers: what a candidate without any waste has as free runs.
    #[must_use]
    pub fn free_runs(&self) -> u64 {
        let mut live = self.live.clone();
        live.sort_unstable();
        let (mut at, mut gaps) = (0, 0);
        for Live { start, blocks, .. } in live {
            gaps += u64::from(start > at);
            at = start + u64::from(blocks);
        }
        gaps + u64::from(at < self.blocks)
    }
    /// Bytes of the program's own lists, which share a heap with the candidate.
    #[must_use]
    pub fn own_bytes(&self) -> u64 {
        let times = self.pairs.capacity() + self.frees.capacity() + self.picks.capacity();
        (self.live.capacity() * size_of::<Live>() + times * size_of::<u32>()) as u64
    }
    /// Fill to the last block. Returns whether it was reached within `patience`.
    pub fn fill_up(&mut self, patience: Patience) -> bool {
        let mut watch = Watch::start(patience);
        self.target = self.blocks;
        while self.used < self.blocks {
            let blocks = self.size().min(self.blocks - self.used);
            let halves = (0..=blocks.ilog2()).map(|half| blocks >> half);
            let Some(blocks) = halves.into_iter().find(|blocks| self.space.take(*blocks).is_some()) else {
                return false;
            };
            self.used += blocks;
            self.requests += 1;
            if watch.look(self.requests).is_err() {
                return false;
            }
        }
        true
    }
}

/// Times kept at most: aging is longer than any measurement.
const TIMES_MAX: usize = 1 << 20;
pub(super) const REFUSED: &str = "refuses single blocks";

fn nanoseconds(begun: Instant) -> u32 {
    u32::try_from(begun.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

fn quantile(list: &[u32], thousandths: usize) -> u32 {
    if list.is_empty() {
        return 0;
    }
    let mut list = list.to_vec();
    let at = (list.len() - 1) * thousandths / 1000;
    *list.select_nth_unstable(at).1
}

fn trimmed_mean(list: &[u32]) -> f64 {
    let mut list = list.to_vec();
    list.sort_unstable();
    list.truncate(list.len() - list.len() / 1000);
    list.iter().map(|time| f64::from(*time)).sum::<f64>() / list.len().max(1) as f64
}

/// What two readings of the clock cost when nothing stands between them: the median of many.
#[must_use]
pub fn clock_ns() -> f64 {
    let mut empty: Vec<u32> = (0..10_001).map(|_| nanoseconds(Instant::now())).collect();
    empty.sort_unstable();
    f64::from(empty[empty.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::super::space::TreePair;
    use super::*;
    use std::time::Duration;

    const LONG: Patience =
        Patience { limit: Duration::from_secs(60), work: Duration::MAX, rest: Duration::ZERO };

    #[test]
    fn levels_are_kept_and_the_last_block_is_reached() {
        let mut aged = Aged::new(TreePair::new(10_000), 10_000, 1);
        for percent in [50, 95] {
            aged.age(percent, LONG).unwrap();
            aged.pair().unwrap();
            let live: u64 = aged.live.iter().map(|run| u64::from(run.blocks)).sum();
            assert!(live == aged.used && live >= 100 * percent, "{live} blocks at {percent} %");
        }
        assert!(aged.fill_up(LONG) && aged.space.longest() == 0);
    }

    #[test]
    fn free_runs_are_the_gaps_between_what_lives() {
        let mut aged = Aged::new(TreePair::new(100), 100, 1);
        assert_eq!(aged.free_runs(), 1);
        let run = |(start, blocks)| Live { start, blocks, token: 0 };
        aged.live = [(90, 10), (0, 5), (5, 5), (20, 1)].map(run).into();
        assert_eq!(aged.free_runs(), 2);
    }

    /// Never has anything.
    struct Empty;
    impl Space for Empty {
        fn take(&mut self, _: u64) -> Option<Place> {
            None
        }
        fn give(&mut self, _: Place, _: u64) {}
    }

    #[test]
    fn a_candidate_that_refuses_a_block_is_stuck_and_a_slow_one_is_late() {
        assert_eq!(Aged::new(Empty, 100, 1).age(50, LONG), Err(REFUSED));
        let mut slow = Aged::new(TreePair::new(100_000), 100_000, 1);
        assert_eq!(slow.age(50, Patience::of(Duration::ZERO)), Err("too slow to age"));
    }

    #[test]
    fn the_mean_leaves_the_slowest_thousandth_out() {
        let mut list = vec![7; 999];
        list.push(1_000_000);
        assert_eq!((trimmed_mean(&list), quantile(&list, 1000)), (7.0, 1_000_000));
    }
}
