//! The set against a plain pair of ordered maps: every answer equal, and both orders equal after every change.

use super::*;
use crate::Want;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What an engineer writes in an afternoon: by address, and by (blocks, address).
#[derive(Default)]
pub(super) struct Pair {
    by_address: BTreeMap<u64, u64>,
    by_size: BTreeSet<(u64, u64)>,
}

impl Pair {
    fn put(&mut self, start: u64, blocks: u64) {
        self.by_address.insert(start, blocks);
        self.by_size.insert((blocks, start));
    }
    fn take(&mut self, start: u64) -> u64 {
        let blocks = self.by_address.remove(&start).unwrap();
        self.by_size.remove(&(blocks, start));
        blocks
    }
    pub(super) fn insert(&mut self, mut start: u64, mut blocks: u64) {
        if let Some((before, length)) = self.by_address.range(..start).next_back().map(|(s, b)| (*s, *b))
            && before + length == start
        {
            self.take(before);
            (start, blocks) = (before, blocks + length);
        }
        if self.by_address.contains_key(&(start + blocks)) {
            blocks += self.take(start + blocks);
        }
        self.put(start, blocks);
    }
    pub(super) fn remove(&mut self, start: u64, blocks: u64) {
        let at = *self.by_address.range(..=start).next_back().unwrap().0;
        let end = at + self.take(at);
        if at < start {
            self.put(at, start - at);
        }
        if start + blocks < end {
            self.put(start + blocks, end - start - blocks);
        }
    }
    pub(super) fn best(&self, blocks: u64) -> Option<(u64, u64)> {
        let longest = || {
            let blocks = self.by_size.last()?.0;
            self.by_size.range((blocks, 0)..).next()
        };
        let (length, start) = *self.by_size.range((blocks, 0)..).next().or_else(longest)?;
        Some((start, length.min(blocks)))
    }
    /// The first `blocks` free blocks of the first run of so many that ends behind `from`.
    pub(super) fn first(&self, from: u64, blocks: u64) -> Option<u64> {
        let mut runs = self.by_address.iter().filter(|(start, length)| *start + *length > from);
        runs.find(|(_, length)| **length >= blocks).map(|(start, _)| *start)
    }
}

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((u128::from(self.0.rotate_left(32)) * u128::from(limit)) >> 64) as u64
    }
    fn size(&mut self, top: u64) -> u64 {
        let bits = self.below(top);
        (1 << bits) + self.below(1 << bits)
    }
}

pub(super) fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn listed(set: &ExtentSet, within: Extent) -> Vec<Extent> {
    let mut runs = Vec::new();
    set.visit(within, &mut |run| {
        runs.push(run);
        Flow::Continue
    });
    runs
}

/// I6: the order by size holds exactly the sizes of the runs, the longest is known, and all counts agree with a walk.
fn assert_sound(set: &ExtentSet) {
    let (mut pairs, mut sized, mut blocks, mut runs) = (BTreeSet::new(), BTreeSet::new(), 0, 0);
    let mut next = set.regions.first_from(0);
    while let Some(found) = next {
        pairs.insert((found.blocks, found.region));
        (blocks, runs) = (blocks + found.blocks, runs + 1);
        next = set.regions.after(&found);
        assert!(next.is_none_or(|next| next.start > found.end()), "{found:?} then {next:?}");
    }
    let mut settled = set.sizes.clone();
    settled.settle();
    settled.visit(|blocks, region| {
        sized.insert((blocks, region));
    });
    assert_eq!(pairs, sized);
    assert_eq!((blocks, runs), (set.blocks, set.runs));
    assert_eq!(set.longest_blocks(), settled.largest().unwrap_or(0));
}

pub(super) fn agree(set: &ExtentSet, pair: &Pair, base: u64) {
    let runs: Vec<_> = pair.by_address.iter().map(|(start, blocks)| run(*start + base, *blocks)).collect();
    assert_eq!(listed(set, set.universe()), runs);
    assert_sound(set);
}

/// Best fit and frees for `turns` turns, in a universe of 2^`lg` blocks with requests of up to 2^`top`.
fn live(seed: u64, lg: u32, top: u64, turns: u64) {
    let (base, blocks) = (seed * 1000 + 7, 1u64 << lg);
    let new = if seed.is_multiple_of(2) { ExtentSet::crowded } else { ExtentSet::new };
    let (mut set, mut pair) = (new(run(base, blocks)), Pair::default());
    let (mut random, mut held) = (Random(seed), Vec::new());
    set.insert(run(base, blocks));
    pair.insert(0, blocks);
    for turn in 0..turns {
        if random.below(100) < 60 || held.is_empty() {
            let want = Want::up_to(random.size(top));
            let best = pair.best(want.blocks_max);
            let taken = set.take_best(&want).map(|run| (run.start.0 - base, run.blocks));
            assert_eq!(taken, best, "seed {seed} turn {turn} {want:?}");
            if let Some((start, blocks)) = taken {
                pair.remove(start, blocks);
                held.push((start, blocks));
            }
        } else {
            let at = random.below(held.len() as u64) as usize;
            let (start, blocks) = held.swap_remove(at);
            let cut = random.below(blocks);
            for (start, blocks) in [(start + cut, blocks - cut), (start, cut)].into_iter().filter(|x| x.1 > 0)
            {
                set.insert(run(start + base, blocks));
                pair.insert(start, blocks);
            }
        }
        if turn % (turns / 16) == 0 {
            agree(&set, &pair, base);
        }
    }
    agree(&set, &pair, base);
    held.into_iter().for_each(|(start, blocks)| set.insert(run(start + base, blocks)));
    assert_eq!((set.runs(), set.blocks(), set.longest_blocks()), (1, blocks, blocks));
    assert_sound(&set);
}

#[test]
fn it_chooses_as_a_pair_of_maps_does() {
    for (seed, lg, top, turns) in [
        (1, 6, 4, 2000),
        (2, 14, 8, 8000),
        (3, 18, 3, 60_000),
        (4, 20, 12, 8000),
        (5, 28, 20, 4000),
        (6, 33, 25, 3000),
    ] {
        live(seed, lg, top, turns);
    }
}

/// Every other block free, then in another order taken: the most runs that there can be.
#[test]
fn single_blocks_in_any_order() {
    let universe = run(3, 70_000);
    let mut set = ExtentSet::new(universe);
    let odd = |at: u64| run(3 + (at * 7919 % 35_000) * 2, 1);
    (0..35_000).for_each(|at| set.insert(odd(at)));
    assert_eq!((set.runs(), set.longest_blocks()), (35_000, 1));
    assert_sound(&set);
    assert_eq!(set.regions.with_bits(), 9);
    (0..35_000).for_each(|at| set.remove(odd(at * 3 % 35_000)));
    assert_eq!((set.runs(), set.blocks()), (0, 0));
    assert_sound(&set);
}

#[test]
fn a_run_may_reach_over_many_regions_and_start_in_the_last() {
    let universe = run(0, 1 << 20);
    let mut set = ExtentSet::new(universe);
    set.insert(run(0, 1 << 19));
    set.insert(run((1 << 20) - 1, 1));
    set.insert(run(1 << 19, (1 << 19) - 1));
    assert_eq!(listed(&set, universe), [universe]);
    set.remove(run(5, 900_000));
    assert_eq!(listed(&set, run(2, 900_010)), [run(2, 3), run(900_005, 7)]);
    set.insert(run(5, 900_000));
    assert_eq!(listed(&set, universe), [universe]);
    assert_sound(&set);
}

#[test]
fn equal_runs_near_a_wish_are_preferred() {
    let mut set = ExtentSet::new(run(0, 1 << 20));
    [100, 40_000, 40_100, 900_000].into_iter().for_each(|start| set.insert(run(start, 8)));
    set.insert(run(50_000, 9));
    let near = |at| Want::exactly(8).near(Pba(at));
    assert_eq!(set.take_best(&near(40_001)), Some(run(40_100, 8)));
    assert_eq!(set.take_best(&near(40_101)), Some(run(900_000, 8)));
    assert_eq!(set.take_best(&near(900_001)), Some(run(100, 8)));
}

#[test]
fn a_search_by_address_stops_behind_the_farther_bound() {
    let mut set = ExtentSet::new(run(0, 100_000));
    (0..50).for_each(|at| set.insert(run(at * 100, 10)));
    set.insert(run(90_000, 20));
    let want = Want::exactly(20);
    let reach = |blocks, runs| Reach { blocks, runs };
    assert_eq!(set.take_first(&want, Pba(0), reach(4_000, 50)), None);
    assert_eq!(set.take_first(&want, Pba(0), reach(4_900, 51)), Some(run(90_000, 20)));
    set.insert(run(90_000, 20));
    assert_eq!(set.take_first(&want, Pba(0), reach(90_000, 0)), Some(run(90_000, 20)));
    assert_eq!(set.take_first(&Want::exactly(5), Pba(205), reach(0, 1)), Some(run(200, 5)));
}

/// What lies before the first run that is long enough costs nothing, however much it is.
#[test]
fn a_search_without_a_bound_goes_straight_to_the_first_run_that_fits() {
    let mut set = ExtentSet::new(run(0, 4_000_000));
    (0..300_000).for_each(|at| set.insert(run(at * 10, 1 + at % 7)));
    set.insert(run(3_900_000, 8));
    let reach = Reach { blocks: u64::MAX, runs: u64::MAX };
    let before = set.steps();
    assert_eq!(set.take_first(&Want::exactly(8), Pba(0), reach), Some(run(3_900_000, 8)));
    assert_eq!(set.take_first(&Want::exactly(8), Pba(0), reach), None);
    assert!(set.steps() - before <= 4, "{} steps past 300,000 runs", set.steps() - before);
    assert_eq!(set.take_first(&Want::exactly(7), Pba(0), reach), Some(run(60, 7)));
}

#[test]
#[should_panic(expected = "is free already")]
fn a_double_free_is_caught() {
    let mut set = ExtentSet::new(run(0, 100_000));
    set.insert(run(50, 20));
    set.insert(run(10, 41));
}

#[test]
#[should_panic(expected = "is not all free")]
fn taking_what_is_not_free_is_caught() {
    let mut set = ExtentSet::new(run(0, 100));
    set.insert(run(50, 20));
    set.remove(run(60, 11));
}
