//! The laws over small regions, and what only regions can show.

use super::*;
use crate::record::words_bound;
use alloc::boxed::Box;
use alloc::vec::Vec;
use spinney_alloc::reclaim::AtCommit;
use spinney_core::{Setting, Settings};
use spinney_testkit::allocator_damage::every_flipped_bit_is_an_error_or_harmless;
use spinney_testkit::{Dice, MemoryPages};

fn with(settings: Settings) -> Box<dyn Allocator> {
    (METASLAB.build)(&settings).unwrap()
}

/// Regions of 64 blocks, of which hardly any may stay in memory.
fn small(log: bool) -> Settings {
    let settings = Settings::new().with("region_blocks", Setting::Integer(64));
    let settings = settings.with("memory_mib_max", Setting::Integer(0)).with("log", Setting::Switch(log));
    settings.with("preload_regions", Setting::Integer(2)).with("unload_epochs", Setting::Integer(1))
}

fn regions() -> Box<dyn Allocator> {
    with(small(false).with("condense_pages", Setting::Integer(1)))
}

fn logged() -> Box<dyn Allocator> {
    with(small(true).with("log_pages_max", Setting::Integer(6)).with("hold_epochs", Setting::Integer(2)))
}

fn by_space() -> Box<dyn Allocator> {
    with(
        Settings::new()
            .with("region_blocks", Setting::Integer(1000))
            .with("weight", Setting::Word("space".into())),
    )
}

fn as_zfs() -> Box<dyn Allocator> {
    (ZFS.build)(&Settings::new()).unwrap()
}

spinney_testkit::allocator_laws!(small_regions, regions);
spinney_testkit::allocator_laws!(small_regions_with_a_log, logged);
spinney_testkit::allocator_laws!(regions_by_space, by_space);
spinney_testkit::allocator_laws!(zfs, as_zfs);

fn free(allocator: &dyn Allocator, pages: &MemoryPages) -> Result<Vec<Extent>> {
    let mut runs = Vec::new();
    allocator.visit_free(pages, &mut |run| {
        runs.push(run);
        Flow::Continue
    })?;
    Ok(runs)
}

/// Regions of 32 blocks: two of them, so that an image has few pages.
fn two_regions(log: bool) -> Box<dyn Allocator> {
    with(small(log).with("region_blocks", Setting::Integer(32)).with("log_pages_max", Setting::Integer(4)))
}

#[test]
fn every_flipped_bit_of_region_maps_is_corrupt_or_harmless() {
    every_flipped_bit_is_an_error_or_harmless(&|| two_regions(false), 60);
}

#[test]
fn every_flipped_bit_of_region_maps_and_a_log_is_corrupt_or_harmless() {
    every_flipped_bit_is_an_error_or_harmless(&|| two_regions(true), 60);
}

fn take(allocator: &mut dyn Allocator, want: &Want, pages: &MemoryPages) -> Extent {
    let mut grant = allocator.reserve(want.blocks_max).unwrap();
    let run = allocator.allocate(want, &mut grant, pages).unwrap();
    allocator.settle(grant);
    run
}

/// Blocks used of each of ten regions of 1000 after half of them were asked for in pieces of ten.
fn fill_half(keep_whole: bool) -> Vec<u64> {
    let settings = Settings::new().with("region_blocks", Setting::Integer(1000));
    let mut allocator = with(settings.with("keep_whole", Setting::Switch(keep_whole)));
    let mut pages = MemoryPages::new();
    allocator.format(Extent::new(Pba(0), 10_000), &mut pages).unwrap();
    let mut used = alloc::vec![0; 10];
    for _ in 0..500 {
        let run = take(&mut *allocator, &Want::exactly(10), &pages);
        used[(run.start.0 / 1000) as usize] += run.blocks;
    }
    used
}

/// R12.
#[test]
fn a_new_region_is_filled_to_its_end_under_the_rule_of_15_16ths_and_left_without_it() {
    assert_eq!(fill_half(true), [1000, 1000, 1000, 1000, 1000, 0, 0, 0, 0, 0]);
    let used = fill_half(false);
    assert!(used.iter().all(|used| *used < 1000), "{used:?}");
}

/// All free runs of ten regions have four blocks; who asks for six finds none, and the histogram cannot tell (R11).
fn loads_in_vain(size_cache: bool) -> u64 {
    let settings = Settings::new().with("region_blocks", Setting::Integer(1000));
    let settings =
        settings.with("preload_regions", Setting::Integer(0)).with("unload_epochs", Setting::Integer(0));
    let mut allocator = with(settings.with("size_cache", Setting::Switch(size_cache)));
    let (mut pages, universe) = (MemoryPages::new(), Extent::new(Pba(0), 10_000));
    allocator.format(universe, &mut pages).unwrap();
    (0..1250).for_each(|at| allocator.claim(Extent::new(Pba(at * 8), 4), &pages).unwrap());
    for epoch in 1..4 {
        // A change, so that there is something to commit; it does not touch a free run.
        allocator.claim(Extent::new(Pba(epoch * 8 + 4), 4), &pages).unwrap();
        allocator.commit(Epoch(epoch), &mut pages).unwrap();
        allocator.committed(Epoch(epoch), None);
    }
    let before = allocator.stats().loads;
    let want = Want { blocks_min: 4, ..Want::up_to(6) };
    assert_eq!(take(&mut *allocator, &want, &pages).blocks, 4);
    allocator.stats().loads - before
}

#[test]
fn the_longest_run_of_an_unloaded_region_spares_loads_that_are_in_vain() {
    assert_eq!(loads_in_vain(true), 1);
    assert!(loads_in_vain(false) >= 9);
}

#[test]
fn a_log_writes_few_pages_where_maps_of_all_regions_would_be_written() {
    let pages_written = |log| {
        let settings = Settings::new().with("region_blocks", Setting::Integer(100));
        let mut allocator = with(settings.with("log", Setting::Switch(log)));
        let mut pages = MemoryPages::new();
        allocator.format(Extent::new(Pba(0), 10_000), &mut pages).unwrap();
        let mut written = Vec::new();
        for epoch in 1..60 {
            // One block of each region.
            (0..100).for_each(|at| allocator.claim(Extent::new(Pba(at * 100 + epoch), 1), &pages).unwrap());
            pages.seal();
            allocator.commit(Epoch(epoch), &mut pages).unwrap();
            allocator.committed(Epoch(epoch), None);
            written.push(pages.seal());
        }
        written[1..].iter().sum::<u64>()
    };
    let (maps, log) = (pages_written(false), pages_written(true));
    assert!(maps > 10 * log, "{maps} pages with a map each, {log} with a log");
}

#[test]
fn the_log_stays_within_its_pages_and_is_read_back() {
    let settings = small(true).with("log_pages_max", Setting::Integer(12));
    let make = || with(settings.clone());
    let (mut allocator, mut pages) = (make(), MemoryPages::new());
    let universe = Extent::new(Pba(7), 64 * 20);
    allocator.format(universe, &mut pages).unwrap();
    let mut dice = Dice::new("log", 1);
    let mut held: Vec<Extent> = Vec::new();
    for epoch in 1..200 {
        for _ in 0..5 {
            held.push(take(&mut *allocator, &Want::up_to(1 + dice.below(9)), &pages));
        }
        while held.len() > 60 {
            let run = held.swap_remove(dice.below(held.len() as u64) as usize);
            allocator.release(run, &pages).unwrap();
        }
        let root = allocator.commit(Epoch(epoch), &mut pages).unwrap();
        allocator.committed(Epoch(epoch), None);
        let mut again = make();
        again.open(universe, &root, &pages).unwrap();
        assert_eq!(free(&*again, &pages), free(&*allocator, &pages), "epoch {epoch}");
    }
    // The table, a map of at most a page a region and then some, the log.
    assert!(pages.live().count() < 20 + 2 + 20, "{} pages live", pages.live().count());
}

/// R04 of the regions' maps: every commit changes all regions, so that their maps come due together.
fn written_maps_are_short(log: bool, percent: u64) {
    let settings = small(log)
        .with("region_blocks", Setting::Integer(16_384))
        .with("condense_percent", Setting::Integer(percent))
        .with("condense_pages", Setting::Integer(1));
    let settings =
        settings.with("memory_mib_max", Setting::Integer(256)).with("unload_epochs", Setting::Integer(1000));
    let mut space = Metaslabs::new(MetaslabTuning::new(&settings, &LOG).unwrap(), Box::new(AtCommit));
    let (mut pages, mut dice) = (MemoryPages::new(), Dice::new("written_maps_are_short", percent));
    space.format(Extent::new(Pba(9), 8 * 16_384), &mut pages).unwrap();
    let mut held: Vec<Extent> = (0..96_000).map(|_| take(&mut space, &Want::exactly(1), &pages)).collect();
    let mut long = 0;
    for epoch in (1..40).map(Epoch) {
        for _ in 0..2000 {
            let run = held.swap_remove(dice.below(held.len() as u64) as usize);
            space.release(run, &pages).unwrap();
        }
        held.extend((0..1900).map(|_| take(&mut space, &Want::exactly(1), &pages)));
        space.commit(epoch, &mut pages).unwrap();
        for region in space.regions.iter().filter(|region| region.flushed == epoch) {
            let (words, waiting) = (region.map.unwrap().words, space.waiting.within(region.extent).count());
            let needed =
                words_bound(region.runs() + waiting as u64, region.free_blocks + region.waiting_blocks);
            let short = log::pages_of(words) <= 1;
            assert!(
                short || words * 100 < needed * percent,
                "{words} words for {needed} in {epoch} at {percent} %"
            );
            long += u64::from(!short);
        }
        space.committed(epoch, None);
    }
    assert!(long > 20, "only {long} maps were long enough to be condensed");
}

#[test]
fn a_region_map_that_was_written_is_short_or_below_its_share() {
    for percent in [110, 200, 400] {
        written_maps_are_short(false, percent);
        written_maps_are_short(true, percent);
    }
}

#[test]
fn what_is_held_comes_back_two_commits_later() {
    let settings =
        Settings::new().with("hold_epochs", Setting::Integer(2)).with("slop_blocks_min", Setting::Integer(0));
    let (mut allocator, mut pages) = (with(settings), MemoryPages::new());
    allocator.format(Extent::new(Pba(0), 10_000), &mut pages).unwrap();
    let run = take(&mut *allocator, &Want::exactly(10), &pages);
    allocator.release(run, &pages).unwrap();
    for (epoch, deferred) in [(1, 10), (2, 10), (3, 0)] {
        allocator.commit(Epoch(epoch), &mut pages).unwrap();
        allocator.committed(Epoch(epoch), None);
        assert_eq!(allocator.stats().deferred_blocks, deferred, "epoch {epoch}");
    }
}

/// The active region has a run of 16 left, others 30 and 20. A gang of 54 wants a third at least, so it asks those first.
#[test]
fn a_gang_asks_other_regions_before_it_takes_a_small_piece() {
    let pieces = |gang: &str| {
        let (mut allocator, mut pages) =
            (with(small(false).with("gang", Setting::Word(gang.into()))), MemoryPages::new());
        let universe = Extent::new(Pba(100), 600);
        allocator.format(universe, &mut pages).unwrap();
        let free = [(100, 40), (170, 30), (230, 20)];
        let mut at = universe.start.0;
        for (start, blocks) in free.into_iter().chain([(universe.end().0, 0)]) {
            if let Some(taken) = Extent::checked(at, start - at) {
                allocator.claim(taken, &pages).unwrap();
            }
            at = start + blocks;
        }
        let mut grant = allocator.reserve(24 + 54).unwrap();
        let mut take = |blocks| allocator.allocate(&Want::up_to(blocks), &mut grant, &pages).unwrap().blocks;
        assert_eq!(take(24), 24);
        let (mut missing, mut sizes) = (54, Vec::new());
        while missing > 0 {
            let blocks = take(missing);
            sizes.push(blocks);
            missing -= blocks;
        }
        allocator.settle(grant);
        sizes
    };
    assert_eq!(pieces("none"), [16, 30, 8]);
    assert_eq!(pieces("ranges"), [30, 16, 8]);
    assert_eq!(pieces("fixed"), [18, 18, 6, 6, 6]);
}
