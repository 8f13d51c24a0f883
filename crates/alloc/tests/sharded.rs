//! Threads that take from and give back to one space at once: no block is ever held twice, and none is lost.
#![cfg(feature = "std")]

use spinney_alloc::{Sharded, Want};
use spinney_core::{Extent, Pba};
use spinney_testkit::FirstFit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn all_free(universe: Extent, shards: u32) -> Sharded<FirstFit> {
    let space = Sharded::new(universe, shards, FirstFit::default);
    space.insert(universe);
    space
}

/// What is handed out is marked block by block, and must not have been.
fn live(space: &Sharded<FirstFit>, base: u64, held: &[AtomicBool], seed: u64) {
    let (mut dice, mut runs) = (seed, Vec::new());
    let mut roll = |limit: u64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % limit
    };
    let mark = |run: Extent, value| {
        run.iter().for_each(|block| {
            let was = held[(block.0 - base) as usize].swap(value, Ordering::Relaxed);
            assert_ne!(was, value, "seed {seed}: {run:?} at {block}");
        });
    };
    for _ in 0..4000 {
        let blocks = 1 + roll(40);
        let want = Want { stream: seed as u32, ..Want::up_to(blocks) };
        match space.pick(&want) {
            Some(run) if roll(100) < 60 => {
                mark(run, true);
                runs.push(run);
            }
            Some(run) => space.insert(run),
            None => {}
        }
        if runs.len() > 60 {
            let run: Extent = runs.swap_remove(roll(runs.len() as u64) as usize);
            mark(run, false);
            space.insert(run);
        }
    }
    for run in runs {
        mark(run, false);
        space.insert(run);
    }
}

#[test]
fn no_block_is_held_twice_and_none_is_lost() {
    for shards in [1, 2, 5] {
        let universe = run(77, 3000);
        let space = all_free(universe, shards);
        let held: Vec<_> = (0..universe.blocks).map(|_| AtomicBool::new(false)).collect();
        thread::scope(|scope| {
            for seed in 0..4 {
                let (space, held) = (&space, &held);
                scope.spawn(move || live(space, universe.start.0, held, seed));
            }
        });
        assert_eq!(space.free_blocks(), universe.blocks, "{shards} shards");
        assert!(space.is_free(universe), "{shards} shards");
    }
}

#[test]
fn a_stream_stays_at_home_until_its_home_is_dry() {
    let space = all_free(run(0, 100), 2);
    let want = |blocks| Want { stream: 1, ..Want::up_to(blocks) };
    assert_eq!(space.pick(&want(30)), Some(run(50, 30)));
    assert_eq!(space.pick(&want(30)), Some(run(0, 30)), "whole from elsewhere, rather than 20 at home");
    assert_eq!(space.pick(&want(30)), Some(run(80, 20)), "the longest that is left");
    assert_eq!((space.pick(&Want::exactly(21)), space.free_blocks()), (None, 20));
}

#[test]
fn a_run_over_a_border_is_given_to_both_sides() {
    let space = Sharded::new(run(10, 101), 4, FirstFit::default);
    space.insert(run(20, 80));
    assert!(space.is_free(run(20, 80)) && !space.is_free(run(19, 2)) && !space.is_free(run(100, 11)));
    space.remove(run(30, 60));
    assert_eq!((space.free_blocks(), space.is_free(run(30, 1))), (20, false));
}
