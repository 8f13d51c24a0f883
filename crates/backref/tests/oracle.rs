//! The oracle: whatever happened, a query answers as a walk over the maps of all live versions does.
//!
//! Invariant: the model is a whole map for each version; it knows no line, no interval and no run.

#[path = "support/driver.rs"]
mod driver;

use driver::{Driver, Shape, UNIVERSE};
use spinney_backref::{BackReferences, BackrefOptions};
use spinney_core::{DevId, Extent, Lba, Pba};
use spinney_testkit::MemoryPages;

fn options(compact_commits: u64) -> BackrefOptions {
    BackrefOptions { compact_commits, partition_blocks: 256, ..BackrefOptions::default() }
}

fn lives(seeds: std::ops::Range<u64>, steps: u64, shape: Shape, options: BackrefOptions) {
    for seed in seeds {
        let mut driver = Driver::new(seed, shape, options);
        for _ in 0..steps {
            driver.step();
        }
        driver.check_all();
    }
}

#[test]
fn queries_equal_a_walk_of_all_maps_without_compaction() {
    lives(0..12, 250, Shape::SCATTERED, options(0));
}

#[test]
fn queries_equal_a_walk_of_all_maps_with_compaction() {
    lives(100..130, 250, Shape::SCATTERED, options(3));
}

#[test]
fn queries_equal_a_walk_of_all_maps_with_runs_of_blocks() {
    lives(200..220, 250, Shape::RUNS, options(5));
}

#[test]
fn queries_equal_a_walk_of_all_maps_with_many_clones_of_clones() {
    lives(300..320, 300, Shape::CLONES, options(4));
}

#[test]
fn clones_that_copy_all_their_references_answer_the_same() {
    lives(400..406, 200, Shape::CLONES, BackrefOptions { inherit: false, ..options(4) });
}

#[test]
fn nothing_is_left_when_all_versions_are_gone() {
    for seed in 500..510 {
        let mut driver = Driver::new(seed, Shape::CLONES, options(3));
        (0..200).for_each(|_| driver.step());
        driver.delete_all();
        for _ in 0..8 {
            driver.commit_with(u64::MAX);
        }
        driver.check_all();
        assert_eq!(
            (driver.references.runs(), driver.live_pages()),
            (0, 1),
            "seed {seed}: the journal's head alone"
        );
    }
}

/// A run is asked for one block and has a neighbor too, whose other ends are in runs that are not asked.
#[test]
fn a_block_is_found_whatever_became_of_its_neighbors() {
    let mut pages = MemoryPages::new();
    let mut references = BackReferences::format(UNIVERSE, options(0), &mut pages).unwrap();
    let (dev, asked, neighbor) = (DevId(0), Extent::new(Pba(64), 1), Extent::new(Pba(65), 1));
    references.create(dev).unwrap();
    for turn in 0..3 {
        references.add(dev, Lba(turn), asked).unwrap();
        references.add(dev, Lba(9), neighbor).unwrap();
        references.commit(0, &mut pages).unwrap();
        references.remove(dev, Lba(turn), asked).unwrap();
        references.commit(0, &mut pages).unwrap();
        references.add(dev, Lba(turn), asked).unwrap();
        references.remove(dev, Lba(9), neighbor).unwrap();
        references.commit(0, &mut pages).unwrap();
    }
    let mut found = Vec::new();
    references.owners(asked, &pages, &mut |owner| found.push(owner.at.0)).unwrap();
    assert_eq!(found, [0, 1, 2]);
}

/// Large enough for indexes of two levels and filters of several pages.
#[test]
fn large_runs_answer_as_a_plain_map_does() {
    const BLOCKS: u64 = 40_000;
    let universe = Extent::new(Pba(0), 2 * BLOCKS);
    let kept = BackrefOptions { compact_commits: 3, ..BackrefOptions::default() };
    let mut pages = MemoryPages::new();
    let mut references = BackReferences::format(universe, kept, &mut pages).unwrap();
    references.create(DevId(0)).unwrap();
    let mut map = vec![None; BLOCKS as usize];
    for turn in 0..4u64 {
        for step in 0..BLOCKS {
            // Half of the blocks move in each turn, in no order.
            let at = step * 7_919 % BLOCKS;
            if turn > 0 && step % 2 == 0 {
                continue;
            }
            let on = at + BLOCKS * (turn % 2);
            if let Some(old) = map[at as usize].replace(on).filter(|old| *old != on) {
                references.remove(DevId(0), Lba(at), Extent::new(Pba(old), 1)).unwrap();
            } else if turn > 0 {
                continue;
            }
            references.add(DevId(0), Lba(at), Extent::new(Pba(on), 1)).unwrap();
        }
        let root = references.commit(u64::MAX, &mut pages).unwrap();
        references = BackReferences::open(universe, &root, kept, &pages).unwrap();
        references.check(&pages, &mut |finding| panic!("turn {turn}: {finding}")).unwrap();
        for (start, blocks) in [(0, 2 * BLOCKS), (39_990, 30), (63, 1), (BLOCKS + 64, 1), (17_000, 5_000)] {
            let mut found = Vec::new();
            let range = Extent::new(Pba(start), blocks);
            references.owners(range, &pages, &mut |owner| found.push((owner.on.0, owner.at.0))).unwrap();
            let mut walked: Vec<(u64, u64)> =
                map.iter().enumerate().filter_map(|(at, on)| on.map(|on| (on, at as u64))).collect();
            walked.retain(|(on, _)| (start..start + blocks).contains(on));
            walked.sort_unstable();
            assert_eq!(found, walked, "turn {turn}, {range:?}");
        }
    }
}
