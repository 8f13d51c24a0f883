//! The oracle: whatever happened, a query answers as a walk over the maps of all live versions does.
//!
//! Invariant: the model is a whole map for each version; it knows no line, no interval and no run.

#[path = "support/driver.rs"]
mod driver;

use driver::{Driver, Shape};
use spinney_backref::BackrefOptions;

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
