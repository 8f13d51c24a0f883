//! The aging program of the allocator benches: fill, turn over, then free one and allocate one for ever.
//!
//! Invariant: what is asked for and what is freed depends on the seed and on the answers alone, so every candidate gets
//! the same program. Sizes are log-uniform, 1 to 256 blocks; a request that finds no run is halved until one is found.
//! It reads the clock, and so is for benches only.

use crate::dice::Dice;
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Extent, Pba};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A candidate: takes and gives back runs of blocks.
pub trait Space {
    /// The start of a run of exactly so many blocks, or `None` if it finds none.
    fn take(&mut self, blocks: u64) -> Option<u64>;
    /// The run is free again.
    fn give(&mut self, start: u64, blocks: u64);
    /// Free runs.
    fn free_runs(&self) -> u64;
    /// Bytes of memory, 0 if not known.
    fn memory_bytes(&self) -> u64;
}

impl<I: FreeIndex> Space for I {
    fn take(&mut self, blocks: u64) -> Option<u64> {
        self.pick(&Want::exactly(blocks)).map(|run| run.start.0)
    }
    fn give(&mut self, start: u64, blocks: u64) {
        self.insert(Extent::new(Pba(start), blocks));
    }
    fn free_runs(&self) -> u64 {
        FreeIndex::free_runs(self)
    }
    fn memory_bytes(&self) -> u64 {
        FreeIndex::memory_bytes(self)
    }
}

/// The peer: free runs by address and by length in two B-trees of the standard library, best fit.
#[derive(Default)]
pub struct TreePair {
    by_start: BTreeMap<u64, u64>,
    by_blocks: BTreeSet<(u64, u64)>,
}

impl TreePair {
    /// All of it free.
    #[must_use]
    pub fn new(blocks: u64) -> TreePair {
        let mut pair = TreePair::default();
        pair.add(0, blocks);
        pair
    }
    fn add(&mut self, start: u64, blocks: u64) {
        self.by_start.insert(start, blocks);
        self.by_blocks.insert((blocks, start));
    }
}

impl Space for TreePair {
    fn take(&mut self, blocks: u64) -> Option<u64> {
        let (length, start) = *self.by_blocks.range((blocks, 0)..).next()?;
        self.by_blocks.remove(&(length, start));
        self.by_start.remove(&start);
        if length > blocks {
            self.add(start + blocks, length - blocks);
        }
        Some(start)
    }
    fn give(&mut self, start: u64, blocks: u64) {
        let (mut start, mut blocks) = (start, blocks);
        let before = self.by_start.range(..start).next_back().map(|(at, length)| (*at, *length));
        if let Some((at, length)) = before.filter(|(at, length)| at + length == start) {
            self.by_start.remove(&at);
            self.by_blocks.remove(&(length, at));
            (start, blocks) = (at, blocks + length);
        }
        if let Some(length) = self.by_start.remove(&(start + blocks)) {
            self.by_blocks.remove(&(length, start + blocks));
            blocks += length;
        }
        self.add(start, blocks);
    }
    fn free_runs(&self) -> u64 {
        self.by_start.len() as u64
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

/// A candidate at some point of the program.
pub struct Aged<S> {
    /// The candidate.
    pub space: S,
    blocks: u64,
    used: u64,
    target: u64,
    live: Vec<(u64, u32)>,
    dice: Dice,
    /// Requests so far.
    pub requests: u64,
    /// Of them, those for which no run was found at first.
    pub halved: u64,
    times: Vec<(u32, u32)>,
    calls: Vec<u32>,
}

/// Times of one level, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Mean of a free and the allocations that follow it.
    pub pair_mean: f64,
    /// The same without the slowest thousandth, which on a busy machine is the scheduler's.
    pub pair_trimmed_mean: f64,
    /// 99th percentile of one call that frees.
    pub free_p99: u32,
    /// 99th percentile of one call that allocates.
    pub allocate_p99: u32,
    /// The slowest of both.
    pub slowest: u32,
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
            times: Vec::new(),
            calls: Vec::new(),
        }
    }
    fn size(&mut self) -> u64 {
        let share = (self.dice.any() >> 11) as f64 / (1u64 << 53) as f64;
        (257f64.powf(share) as u64).clamp(1, 256)
    }
    /// One request; halved until a run is found. Returns the time inside the candidate.
    fn request(&mut self) -> Duration {
        let (mut blocks, mut spent) = (self.size(), Duration::ZERO);
        self.requests += 1;
        let mut first = true;
        while blocks > 0 {
            let begun = Instant::now();
            let start = self.space.take(blocks);
            let call = begun.elapsed();
            self.calls.push(call.as_nanos() as u32);
            spent += call;
            if let Some(start) = start {
                self.live.push((start, blocks as u32));
                self.used += blocks;
                return spent;
            }
            self.halved += u64::from(first);
            first = false;
            blocks /= 2;
        }
        panic!("no block found although {} are free", self.blocks - self.used);
    }
    /// Fill to `percent`, then turn the live set over once.
    pub fn age(&mut self, percent: u64) {
        self.target = self.blocks / 100 * percent;
        while self.used < self.target {
            self.request();
        }
        for _ in 0..self.live.len() {
            self.pair();
        }
        (self.requests, self.halved) = (0, 0);
        self.times.clear();
        self.calls.clear();
    }
    /// Free a random run, then allocate until the level is reached again. Returns the time inside the candidate, the
    /// clock's own included.
    pub fn pair(&mut self) -> Duration {
        let at = self.dice.below(self.live.len() as u64) as usize;
        let (start, blocks) = self.live.swap_remove(at);
        let begun = Instant::now();
        self.space.give(start, u64::from(blocks));
        let free = begun.elapsed();
        self.used -= u64::from(blocks);
        let mut allocate = Duration::ZERO;
        while self.used < self.target {
            allocate += self.request();
        }
        self.times.push((free.as_nanos() as u32, allocate.as_nanos() as u32));
        free + allocate
    }
    /// Times of the pairs since `age`, with the clock's own time taken off.
    pub fn times(&self) -> Times {
        let clock = clock_ns();
        let pairs = self.times.len() as f64;
        let mut sums: Vec<u32> =
            self.times.iter().map(|(free, allocate)| free.saturating_add(*allocate)).collect();
        sums.sort_unstable();
        sums.truncate(sums.len() - sums.len() / 1000);
        let trimmed = sums.iter().map(|sum| f64::from(*sum)).sum::<f64>() / sums.len() as f64;
        let total: f64 =
            self.times.iter().map(|(free, allocate)| f64::from(*free) + f64::from(*allocate)).sum();
        let calls = pairs + self.calls.len() as f64;
        let p99 = |list: Vec<u32>| percentile(list).saturating_sub(clock as u32);
        Times {
            pair_mean: (total - calls * clock) / pairs,
            pair_trimmed_mean: trimmed - calls * clock / pairs,
            free_p99: p99(self.times.iter().map(|(free, _)| *free).collect()),
            allocate_p99: p99(self.calls.clone()),
            slowest: self.times.iter().map(|(free, allocate)| *free.max(allocate)).max().unwrap_or(0),
        }
    }
    /// Fill to the last block. Returns whether it was reached.
    pub fn fill_up(&mut self) -> bool {
        while self.used < self.blocks {
            let left = self.blocks - self.used;
            let blocks = self.size().min(left);
            let found = (0..9)
                .map(|half| (blocks >> half).max(1))
                .find_map(|blocks| self.space.take(blocks).map(|_| blocks));
            match found {
                Some(blocks) => self.used += blocks,
                None => return false,
            }
        }
        true
    }
}

fn percentile(mut list: Vec<u32>) -> u32 {
    if list.is_empty() {
        return 0;
    }
    let at = (list.len() - 1) * 99 / 100;
    *list.select_nth_unstable(at).1
}

/// What two readings of the clock cost when nothing stands between them: the median of many.
#[must_use]
pub fn clock_ns() -> f64 {
    let mut empty: Vec<u128> = (0..10_001)
        .map(|_| {
            let begun = Instant::now();
            begun.elapsed().as_nanos()
        })
        .collect();
    empty.sort_unstable();
    empty[empty.len() / 2] as f64
}
