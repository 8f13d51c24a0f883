//! The laws of an allocator: what `allocator_laws!` turns into one named test each.
//!
//! Invariant: an allocator is judged by what it issues and by where it says that the other blocks are. Holds for composed
//! and for whole allocators, with any reclaim policy. Knows no algorithm.

use crate::allocator_life::AllocatorLife;
use crate::dice::Dice;
use crate::memory_pages::MemoryPages;
use spinney_alloc::{Allocator, Want};
use spinney_core::{Epoch, Extent, Flow, Pba};

/// Makes a new allocator.
pub type AllocatorFactory<'a> = &'a dyn Fn() -> Box<dyn Allocator>;

/// `allocator_laws!(factory)` makes a module `allocator_laws` with one test for each law; `allocator_laws!(name, factory)`
/// calls the module `name`.
#[macro_export]
macro_rules! allocator_laws {
    ($factory:expr) => {
        $crate::allocator_laws!(allocator_laws, $factory);
    };
    ($module:ident, $factory:expr) => {
        $crate::laws!(
            $module,
            allocator_laws,
            [$factory],
            [
                each_block_is_free_deferred_or_held,
                nothing_released_is_issued_before_its_epoch_is_durable,
                a_refused_reserve_changes_nothing,
                a_grant_is_never_refused_a_block,
                what_is_reserved_cannot_be_claimed,
                an_exact_place_can_be_claimed_once,
                a_block_released_while_free_is_caught,
                a_block_released_twice_is_caught,
                everything_released_returns_to_the_empty_values,
                a_crash_returns_to_the_last_commit,
                a_crash_at_any_commit_leaks_and_doubles_nothing,
                nothing_that_a_reader_reaches_is_issued,
                every_block_can_be_held_and_a_full_pool_recovers,
                a_commit_stays_within_the_bound_with_more_to_come,
                the_same_calls_give_the_same_answers,
            ]
        );
    };
}

const UNIVERSES: [(u64, u64); 5] = [(0, 1), (5, 63), (63, 1000), (4096, 4096), ((1 << 40) + 7, 20_001)];

fn lives(law: &'static str, make: AllocatorFactory, each: &mut dyn FnMut(&mut AllocatorLife, &mut Dice)) {
    for (seed, (start, blocks)) in UNIVERSES.into_iter().enumerate() {
        let mut dice = Dice::new(law, seed as u64);
        each(&mut AllocatorLife::new(Extent::new(Pba(start), blocks), make), &mut dice);
    }
}

/// I1, after each step of a life with reopening; the checker is silent and each page is visited once.
pub fn each_block_is_free_deferred_or_held(make: AllocatorFactory) {
    lives("each_block_is_free_deferred_or_held", make, &mut |life, dice| {
        for turn in 0..40 {
            life.churn(dice);
            life.audit();
            life.commit();
            life.audit();
            life.check();
            if turn % 5 == 4 {
                life.reopen(make);
                life.audit();
            }
        }
    });
}

/// I3: release much, then ask for all that there is. [`AllocatorLife::issued`] catches what came too early.
pub fn nothing_released_is_issued_before_its_epoch_is_durable(make: AllocatorFactory) {
    lives("nothing_released_is_issued_before_its_epoch_is_durable", make, &mut |life, dice| {
        for _ in 0..20 {
            let free = life.allocator.stats().free_blocks;
            life.take(free - free / 8, &Want::up_to(50));
            while life.held.len() > 3 {
                life.release(dice);
            }
            let free = life.allocator.stats().free_blocks;
            assert!(free == 0 || life.take(free, &Want::up_to(1000)));
            AllocatorLife::is_no_space(life.allocator.reserve(1));
            life.commit();
        }
    });
}

/// More than is free, with and without other grants open.
pub fn a_refused_reserve_changes_nothing(make: AllocatorFactory) {
    lives("a_refused_reserve_changes_nothing", make, &mut |life, dice| {
        life.churn(dice);
        let free = life.allocator.stats().free_blocks;
        let grant = life.allocator.reserve(free / 2).expect("half of what is free");
        let before = (life.allocator.stats(), free_runs(&*life.allocator, &life.pages));
        for blocks in [free - free / 2 + 1, free + 1, u64::MAX] {
            AllocatorLife::is_no_space(life.allocator.reserve(blocks));
        }
        assert_eq!(before, (life.allocator.stats(), free_runs(&*life.allocator, &life.pages)));
        let rest = life.allocator.reserve(free - free / 2).expect("the rest is still there");
        life.allocator.settle(grant);
        life.allocator.settle(rest);
        assert_eq!(life.allocator.stats().reserved_blocks, 0);
        life.audit();
    });
}

fn free_runs(allocator: &dyn Allocator, pages: &MemoryPages) -> Vec<Extent> {
    let mut runs = Vec::new();
    let visited = allocator.visit_free(pages, &mut |run| {
        runs.push(run);
        Flow::Continue
    });
    visited.expect("sound pages");
    runs
}

/// Several grants at once that add up to all that is free, spent in turns: [`AllocatorLife::take`] expects no refusal.
pub fn a_grant_is_never_refused_a_block(make: AllocatorFactory) {
    lives("a_grant_is_never_refused_a_block", make, &mut |life, dice| {
        for _ in 0..5 {
            life.churn(dice);
            life.commit();
        }
        let free = life.allocator.stats().free_blocks;
        let parts = [free / 3, free / 2, free - free / 3 - free / 2];
        let mut grants = parts.map(|part| life.allocator.reserve(part).expect("parts of what is free"));
        while grants.iter().any(|grant| grant.blocks() > 0) {
            for grant in grants.iter_mut().filter(|grant| grant.blocks() > 0) {
                let left = grant.blocks();
                let run =
                    life.allocator.allocate(&Want::up_to(9), grant, &life.pages).expect("inside a grant");
                assert_eq!(grant.blocks(), left - run.blocks);
                life.issued(run);
            }
        }
        for grant in grants {
            life.allocator.settle(grant);
        }
        life.audit();
    });
}

/// A claim may not eat what a grant was promised.
pub fn what_is_reserved_cannot_be_claimed(make: AllocatorFactory) {
    lives("what_is_reserved_cannot_be_claimed", make, &mut |life, _| {
        let grant = life.allocator.reserve(life.universe.blocks).expect("all is free");
        AllocatorLife::is_no_space(life.allocator.claim(Extent::new(life.universe.start, 1), &life.pages));
        life.allocator.settle(grant);
        life.audit();
    });
}

/// A claim of what is held, released, outside or partly so is refused and changes nothing.
pub fn an_exact_place_can_be_claimed_once(make: AllocatorFactory) {
    lives("an_exact_place_can_be_claimed_once", make, &mut |life, dice| {
        let middle = life.universe.start.0 + life.universe.blocks / 2;
        let run = Extent::new(Pba(middle), (life.universe.blocks / 4).max(1));
        life.allocator.claim(run, &life.pages).expect("all is free");
        life.issued(run);
        let outside = Extent::new(life.universe.end(), 1);
        let across = Extent::new(Pba(life.universe.end().0 - 1), 2);
        for taken in [run, Extent::new(Pba(run.end().0 - 1), 1), life.universe, outside, across] {
            AllocatorLife::is_no_space(life.allocator.claim(taken, &life.pages));
        }
        life.audit();
        life.release(dice);
        AllocatorLife::is_no_space(life.allocator.claim(run, &life.pages));
        life.commit_until_idle();
        life.audit();
    });
}

/// Whether releasing `run` is refused as damage; asserts that a commit after it is sound, as nothing may have changed.
fn is_refused(life: &mut AllocatorLife, run: Extent) -> bool {
    let refused =
        matches!(life.allocator.release(run, &life.pages), Err(spinney_core::Error::Corrupt { .. }));
    life.commit();
    refused
}

/// I2: who owns which block is read from a disk, so a release of blocks that are not held is an error, never a panic.
pub fn a_block_released_while_free_is_caught(make: AllocatorFactory) {
    for (start, blocks) in [
        (100, 1),
        (100, 200),
        (199, 2),
        (299, 60),
        (63, 1),
        (1063, 2),
        (1064, 1),
        (0, 2000),
        (1 << 60, 1 << 60),
    ] {
        let mut life = AllocatorLife::new(Extent::new(Pba(64), 1000), make);
        let held = Extent::new(Pba(200), 100);
        life.allocator.claim(held, &life.pages).expect("all is free");
        life.issued(held);
        let run = Extent::new(Pba(start), blocks);
        assert!(is_refused(&mut life, run), "{run:?} was released while only {held:?} was held");
        life.audit();
    }
}

/// I2: nor does a second free of the same blocks in one epoch, whole or in part, go through.
pub fn a_block_released_twice_is_caught(make: AllocatorFactory) {
    for (start, blocks) in [(200, 100), (250, 1), (200, 1), (299, 1), (210, 50), (190, 11), (299, 2)] {
        let mut life = AllocatorLife::new(Extent::new(Pba(64), 1000), make);
        let held = Extent::new(Pba(200), 100);
        life.allocator.claim(held, &life.pages).expect("all is free");
        life.issued(held);
        life.held.clear();
        life.release_run(held);
        let again = Extent::new(Pba(start), blocks);
        assert!(is_refused(&mut life, again), "{again:?} was released again after {held:?}");
        life.commit_until_idle();
        life.audit();
    }
}

/// I7: no run is leaked, no counter drifts, and all of the universe can be had in one piece again.
pub fn everything_released_returns_to_the_empty_values(make: AllocatorFactory) {
    lives("everything_released_returns_to_the_empty_values", make, &mut |life, dice| {
        for _ in 0..15 {
            life.churn(dice);
            life.commit();
        }
        while !life.held.is_empty() {
            life.release(dice);
        }
        life.commit_until_idle();
        let stats = life.allocator.stats();
        let counted = (stats.free_blocks, stats.deferred_blocks, stats.reserved_blocks);
        assert_eq!(counted, (life.universe.blocks, 0, 0), "blocks: free, deferred, reserved");
        assert_eq!(free_runs(&*life.allocator, &life.pages), [life.universe]);
        assert!(life.take(life.universe.blocks, &Want::exactly(life.universe.blocks)));
    });
}

/// Whatever happened since, the last root with its pages gives the state of that commit.
pub fn a_crash_returns_to_the_last_commit(make: AllocatorFactory) {
    lives("a_crash_returns_to_the_last_commit", make, &mut |life, dice| {
        for _ in 0..12 {
            life.churn(dice);
            life.commit_until_idle();
            let (root, pages, runs) =
                (life.root, life.pages.view(), free_runs(&*life.allocator, &life.pages));
            life.churn(dice);
            life.commit();
            life.churn(dice);
            let mut old = make();
            old.open(life.universe, &root, &pages).expect("the last root opens");
            assert_eq!(free_runs(&*old, &pages), runs);
            life.audit();
        }
    });
}

/// I1 after opening at any commit, whatever a policy still held back or had queued then.
pub fn a_crash_at_any_commit_leaks_and_doubles_nothing(make: AllocatorFactory) {
    lives("a_crash_at_any_commit_leaks_and_doubles_nothing", make, &mut |life, dice| {
        for _ in 0..12 {
            life.churn(dice);
            life.commit();
            let (root, pages, held) = (life.root, life.pages.view(), life.held.clone());
            let epoch = life.epoch;
            life.churn(dice);
            life.commit();
            let mut old = make();
            old.open(life.universe, &root, &pages).expect("the root opens");
            old.committed(Epoch(epoch.0 - 1), None);
            life.covers(&*old, &pages, &held);
        }
    });
}

/// A block that was released after a reader began is not issued before it ends; then all comes back.
pub fn nothing_that_a_reader_reaches_is_issued(make: AllocatorFactory) {
    lives("nothing_that_a_reader_reaches_is_issued", make, &mut |life, dice| {
        for _ in 0..4 {
            life.churn(dice);
            life.commit();
            life.reader = Some(Epoch(life.epoch.0 - 1));
            for _ in 0..6 {
                life.take(life.allocator.stats().free_blocks, &Want::up_to(1000));
                (0..8).for_each(|_| life.release(dice));
                life.allocator.hurry();
                life.commit();
                life.audit();
                life.check();
            }
            life.reader = None;
            life.commit_until_idle();
        }
    });
}

/// 100 % is reached; then a release, a commit, and a block can be had.
pub fn every_block_can_be_held_and_a_full_pool_recovers(make: AllocatorFactory) {
    lives("every_block_can_be_held_and_a_full_pool_recovers", make, &mut |life, dice| {
        for _ in 0..4 {
            while life.take(life.allocator.stats().free_blocks.min(300), &Want::up_to(100))
                && life.allocator.stats().free_blocks > 0
            {}
            assert_eq!(life.allocator.stats().free_blocks, 0);
            AllocatorLife::is_no_space(life.allocator.reserve(1));
            life.commit();
            life.check();
            life.release(dice);
            AllocatorLife::is_no_space(life.allocator.reserve(1));
            life.commit_until_idle();
            assert!(life.take(1, &Want::up_to(1)), "a block that was released and is durable");
        }
        life.audit();
    });
}

/// `pages_bound(more)` asked before a write holds at the commit after it.
pub fn a_commit_stays_within_the_bound_with_more_to_come(make: AllocatorFactory) {
    lives("a_commit_stays_within_the_bound_with_more_to_come", make, &mut |life, dice| {
        for _ in 0..20 {
            life.churn(dice);
            let blocks = dice.log_uniform(200).min(life.allocator.stats().free_blocks);
            let releases = (0..dice.below(20)).filter(|_| !life.held.is_empty()).count();
            let largest = life.held.iter().map(|run| run.blocks).max().unwrap_or(0);
            let bound = life.allocator.pages_bound(blocks + releases as u64 * largest.max(blocks));
            life.take(blocks, &Want::up_to(3));
            (0..releases).for_each(|_| life.release(dice));
            life.pages.seal();
            let now = life.allocator.pages_bound(0);
            assert!(now <= bound, "the bound rose from {bound} to {now}");
            life.commit();
        }
    });
}

/// Runs, roots and counts are functions of the calls.
pub fn the_same_calls_give_the_same_answers(make: AllocatorFactory) {
    for seed in 0..3 {
        let run = || {
            let mut dice = Dice::new("the_same_calls_give_the_same_answers", seed);
            let mut life = AllocatorLife::new(Extent::new(Pba(63), 3000), make);
            for _ in 0..15 {
                life.churn(&mut dice);
                life.commit();
            }
            (life.held.clone(), life.root, life.allocator.stats())
        };
        assert_eq!(run(), run(), "seed {seed}");
    }
}
