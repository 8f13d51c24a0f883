//! The set where runs are so many that regions keep bits: the same answers as a pair of maps, across every change of the
//! container, and never more memory than a bitmap and what stands beside it.

use super::tests::{Pair, Random, agree, run};
use super::{ExtentSet, Reach};
use crate::Want;
use spinney_core::Pba;

/// Single runs of 1 to 3 blocks come and go until almost every second block is a run, and then until few are left.
#[test]
fn regions_become_bits_and_lists_again() {
    for (seed, crowded) in [(1, false), (2, true), (3, false)] {
        let universe = run(100 * seed, 1 << 15);
        let mut set = if crowded { ExtentSet::crowded(universe) } else { ExtentSet::new(universe) };
        let (mut pair, mut random, mut most) = (Pair::default(), Random(seed), 0);
        for turn in 0..60_000u64 {
            let grows = turn % 30_000 < 15_000;
            let piece = (random.below((1 << 15) - 3), 1 + random.below(if turn % 50 == 0 { 300 } else { 3 }));
            let (start, blocks) = (piece.0, piece.1.min((1 << 15) - piece.0));
            let at = run(start + universe.start.0, blocks);
            let add = grows == (random.below(8) > 0);
            if add && set.try_insert(at) {
                pair.insert(start, blocks);
            } else if !add && set.try_remove(at) {
                pair.remove(start, blocks);
            }
            most = most.max(set.regions.with_bits());
            if turn % 1500 == 0 {
                agree(&set, &pair, universe.start.0);
            }
        }
        assert!(most >= 4, "seed {seed}: only {most} regions were bits");
        (0..1 << 15).for_each(|block| {
            let _taken = set.try_remove(run(block + universe.start.0, 1));
        });
        assert_eq!((set.regions.with_bits(), set.runs(), set.blocks()), (0, 0, 0), "seed {seed}");
    }
}

/// A space of runs of 1 to 5 blocks with taken ones between, from which both searches take.
#[test]
fn searches_choose_among_bits_as_among_lists() {
    for seed in 1..4 {
        let universe = run(0, 1 << 16);
        let (mut set, mut pair, mut random) = (ExtentSet::new(universe), Pair::default(), Random(seed));
        let mut at = 0;
        while at < (1 << 16) - 600 {
            let blocks = if random.below(900) == 0 { 80 + random.below(400) } else { 1 + random.below(5) };
            set.insert(run(at, blocks));
            pair.insert(at, blocks);
            at += blocks + 1 + random.below(4);
        }
        set.insert(run((1 << 16) - 500, 500));
        pair.insert((1 << 16) - 500, 500);
        assert!(set.regions.with_bits() > 5, "seed {seed}");
        for turn in 0..9000 {
            let blocks = if turn % 3 == 0 { 1 + random.below(120) } else { 1 + random.below(6) };
            let want = Want::up_to(blocks);
            let (from, reach) = (random.below(1 << 16), Reach { blocks: u64::MAX, runs: u64::MAX });
            let (taken, expected) = if turn % 2 == 0 {
                (set.take_best(&want), pair.best(blocks))
            } else {
                let first = pair.first(from, blocks).map(|start| (start, blocks));
                (set.take_first(&want, Pba(from), reach), first)
            };
            let taken = taken.map(|run| (run.start.0, run.blocks));
            assert_eq!(taken, expected, "seed {seed} turn {turn} {want:?} from {from}");
            if let Some((start, blocks)) = taken {
                pair.remove(start, blocks);
            }
        }
        agree(&set, &pair, 0);
    }
}

/// A bounded walk counts runs, whatever keeps them.
#[test]
fn a_walk_over_bits_counts_runs() {
    let mut set = ExtentSet::new(run(0, 1 << 14));
    (0..2000).for_each(|at| set.insert(run(at * 4, 1)));
    set.insert(run(8000, 30));
    assert!(set.regions.with_bits() > 0);
    let reach = |runs| Reach { blocks: 0, runs };
    assert_eq!(set.take_first(&Want::exactly(30), Pba(4000), reach(1000)), None);
    assert_eq!(set.take_first(&Want::exactly(30), Pba(4000), reach(1001)), Some(run(8000, 30)));
}

/// Patterns that are dear for lists, for bits, and for the sets of sizes.
#[test]
fn memory_is_bounded_by_a_bitmap_whatever_is_free() {
    let blocks = 1u64 << 24;
    for (name, period, length) in [("singles", 2u64, 1u64), ("at the border", 33, 16), ("many sizes", 150, 0)]
    {
        let (mut set, mut at, mut turn) = (ExtentSet::new(run(0, blocks)), 0, 0);
        // One region in eight is filled, which is as dear as all of them and sooner done.
        while at + period < blocks {
            let length = if length == 0 { 1 + turn % 140 } else { length };
            set.insert(run(at, length));
            at += period.max(length + 1);
            turn += 1;
            if at % (1 << 16) > 1 << 13 {
                at = (at | ((1 << 16) - 1)) + 1;
            }
        }
        let bits = set.memory_bytes() as f64 * 8.0 / (blocks as f64 / 8.0);
        // What does not grow with runs: 24 + 2 bytes a region, here of 8 Ki blocks, and 24 bytes a size.
        let fixed = ExtentSet::new(run(0, blocks)).memory_bytes() as f64 * 8.0 / (blocks as f64 / 8.0);
        assert!(bits - fixed < 1.11, "{name}: {bits:.3} bits a block, {fixed:.3} of them when empty");
    }
}
