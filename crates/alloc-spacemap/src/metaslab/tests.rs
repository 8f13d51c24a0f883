//! The laws over small regions, and what only regions can show.

use super::*;
use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;
use spinney_core::{Setting, Settings};
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

const UNIVERSE: Extent = Extent { start: Pba(100), blocks: 600 };

/// A small pool after some commits: an allocator, its pages and root.
fn life(make: fn() -> Box<dyn Allocator>) -> (Box<dyn Allocator>, MemoryPages, Root) {
    let (mut allocator, mut pages, mut dice) = (make(), MemoryPages::new(), Dice::new("metaslab", 3));
    allocator.format(UNIVERSE, &mut pages).unwrap();
    let (mut held, mut root) = (Vec::new(), Root::default());
    for epoch in 1..9 {
        for _ in 0..12 {
            let blocks = dice.log_uniform(20);
            let mut grant = allocator.reserve(blocks).unwrap();
            held.push(allocator.allocate(&Want::up_to(blocks), &mut grant, &pages).unwrap());
            allocator.settle(grant);
        }
        for _ in 0..8 {
            let run = held.swap_remove(dice.below(held.len() as u64) as usize);
            allocator.release(run, &pages).unwrap();
        }
        root = allocator.commit(Epoch(epoch), &mut pages).unwrap();
        allocator.committed(Epoch(epoch), None);
    }
    (allocator, pages, root)
}

fn free(allocator: &dyn Allocator, pages: &MemoryPages) -> Result<Vec<Extent>> {
    let mut runs = Vec::new();
    allocator.visit_free(pages, &mut |run| {
        runs.push(run);
        Flow::Continue
    })?;
    Ok(runs)
}

/// Open, look at everything, allocate all, commit, and open again. Each step may find damage; what the checker passes goes through.
fn survives(make: fn() -> Box<dyn Allocator>, root: &Root, pages: &MemoryPages, what: &str) {
    let (mut allocator, mut pages) = (make(), pages.view());
    let opened = allocator.open(UNIVERSE, root, &pages);
    let mut sound = true;
    let done = opened.and_then(|()| {
        allocator.committed(Epoch(8), None);
        allocator.visit_pages(&pages, &mut |_| ())?;
        allocator.check(&pages, &mut |_| sound = false)?;
        let before = free(&*allocator, &pages)?;
        assert!(before.iter().all(|run| UNIVERSE.contains(*run)), "{what}: {before:?}");
        let mut grant = allocator.reserve(allocator.stats().free_blocks)?;
        while grant.blocks() > 0 {
            let run = allocator.allocate(&Want::up_to(50), &mut grant, &pages)?;
            assert!(UNIVERSE.contains(run), "{what}: {run:?}");
        }
        let root = allocator.commit(Epoch(9), &mut pages)?;
        let mut again = make();
        again.open(UNIVERSE, &root, &pages)?;
        let held = free(&*again, &pages)?;
        assert!(!sound || allocator.stats().deferred_blocks > 0 || held.is_empty(), "{what}: {held:?}");
        Ok(())
    });
    assert!(matches!(done, Ok(()) | Err(Error::Corrupt { .. })), "{what}: {done:?}");
}

#[test]
fn every_flipped_bit_of_a_page_is_corrupt_or_harmless() {
    for make in [regions as fn() -> Box<dyn Allocator>, logged] {
        let (_, mut pages, root) = life(make);
        let live: Vec<_> = pages.live().collect();
        for (number, (page, kind)) in live.into_iter().enumerate() {
            // All bits that mean something stand in the front; behind, and on further pages of a sort, a share.
            let bits = (0..4064 * 8).filter(|bit| *bit < 1400 && number < 5 || bit % 127 == number % 127);
            for bit in bits {
                pages.edit(page, kind).unwrap()[bit / 8] ^= 1 << (bit % 8);
                survives(make, &root, &pages, &format!("bit {bit} of page {page}"));
                pages.edit(page, kind).unwrap()[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}

#[test]
fn every_flipped_bit_of_the_root_is_corrupt_or_harmless() {
    for make in [regions as fn() -> Box<dyn Allocator>, logged] {
        let (_, pages, root) = life(make);
        for bit in 0..root.bytes().len() * 8 {
            let mut bytes = root.bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            survives(make, &Root::new(&bytes), &pages, &format!("bit {bit} of the root"));
        }
    }
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
        allocator.format(UNIVERSE, &mut pages).unwrap();
        let free = [(100, 40), (170, 30), (230, 20)];
        let mut at = UNIVERSE.start.0;
        for (start, blocks) in free.into_iter().chain([(UNIVERSE.end().0, 0)]) {
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
