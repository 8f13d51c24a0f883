//! A form under an allocator, damaged, then opened and used.
//!
//! Invariant: if the checker passes what was opened, then the pool goes on: no operation finds damage, and after a commit
//! the same free set is read back.

use crate::bytes::Bytes;
use crate::sheet::Sheet;
use spinney_alloc::groups::order::Cut;
use spinney_alloc::{Allocator, Composed, FreeIndex, ReclaimEntry, SpaceForm, Want, reclaim::AtCommit};
use spinney_alloc_bitmap::counted::IndexKind;
use spinney_alloc_extent::free_space::{FreeSpaceTreeForm, Shape};
use spinney_alloc_reclaim::{BATCHED, THRESHOLD};
use spinney_core::{Epoch, Error, Extent, Flow, Pba, Root, Setting, Settings};
use spinney_testkit::{Dice, MemoryPages};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Three pages of a bitmap.
const UNIVERSE: Extent = Extent { start: Pba(64), blocks: 80_000 };

type Make = fn() -> Box<dyn Allocator>;

fn composed((index, form): (Box<dyn FreeIndex>, Box<dyn SpaceForm>)) -> Box<dyn Allocator> {
    Box::new(Composed::new(index, form, Box::new(AtCommit)))
}

/// A bitmap under a policy with a log, in settings so small that its queue turns over.
fn logged(entry: &ReclaimEntry, settings: &[(&str, u64)]) -> Box<dyn Allocator> {
    let settings = settings
        .iter()
        .fold(Settings::new(), |settings, (name, value)| settings.with(name, Setting::Integer(*value)));
    let reclaim = (entry.build)(&settings).expect("lawful settings");
    let index = Box::new(spinney_alloc_bitmap::BitmapIndex::default());
    Box::new(Composed::new(index, Box::new(spinney_alloc_bitmap::BitmapForm::new()), reclaim))
}

pub(crate) fn batched_log(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || logged(&BATCHED, &[("batch_runs", 200), ("slice_runs", 20)]);
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn threshold_log(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || logged(&THRESHOLD, &[("threshold_percent", 4), ("slice_runs", 20)]);
    run(make, BASE.get_or_init(|| base(make)), data);
}

/// Some hundred runs, free and taken in turn, over a few commits.
fn base(make: Make) -> Sheet {
    let (mut allocator, mut pages) = (make(), MemoryPages::new());
    let mut dice = Dice::new("form", 1);
    allocator.format(UNIVERSE, &mut pages).expect("room");
    let (mut held, mut root) = (Vec::new(), Root::default());
    for epoch in 1..4 {
        for _ in 0..300 {
            let blocks = dice.log_uniform(100);
            let mut grant = allocator.reserve(blocks).expect("room");
            held.push(allocator.allocate(&Want::up_to(blocks), &mut grant, &pages).expect("room"));
            allocator.settle(grant);
        }
        for _ in 0..150 {
            let run = held.swap_remove(dice.below(held.len() as u64) as usize);
            allocator.release(run, &pages).expect("it was held");
        }
        root = allocator.commit(Epoch(epoch), &mut pages).expect("room");
        allocator.committed(Epoch(epoch), None);
    }
    Sheet::new(root.bytes(), pages)
}

pub(crate) fn activemap(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        composed((
            Box::new(spinney_alloc_bitmap::BitmapIndex::default()),
            Box::new(spinney_alloc_bitmap::BitmapForm::new()),
        ))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

fn counted(kind: IndexKind) -> (Box<dyn FreeIndex>, Box<dyn SpaceForm>) {
    (
        Box::new(spinney_alloc_bitmap::CursorIndex::default()),
        Box::new(spinney_alloc_bitmap::CountedForm::new(kind)),
    )
}

pub(crate) fn counted_bitmap(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || composed(counted(IndexKind::Tree));
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn counted_bitmap_block(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || composed(counted(IndexKind::Block));
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn spacemap(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        composed((
            Box::new(spinney_alloc_spacemap::RangeIndex::default()),
            Box::new(spinney_alloc_spacemap::SpaceMapForm::default()),
        ))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn extent_tree(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        composed((
            Box::new(spinney_alloc_extent::TwinIndex::default()),
            Box::new(spinney_alloc_extent::ExtentTreeForm::new()),
        ))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn free_space_tree(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        // Groups of five bitmaps, of which some switch within the base's few commits.
        let shape =
            Shape { cut: Cut::Blocks(10_000), item_bytes: 60, hysteresis_runs: 5, ..Shape::default() };
        composed((
            Box::new(spinney_alloc_extent::TwinIndex::default()),
            Box::new(FreeSpaceTreeForm::new(shape)),
        ))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

/// Small regions, of which few stay in memory.
fn regions(log: bool) -> Box<dyn Allocator> {
    let number = |settings: Settings, name, value| settings.with(name, Setting::Integer(value));
    let settings = number(Settings::new().with("log", Setting::Switch(log)), "region_blocks", 4096);
    let settings = number(number(settings, "memory_mib_max", 0), "preload_regions", 2);
    (spinney_alloc_spacemap::METASLAB.build)(&settings).expect("lawful settings")
}

pub(crate) fn metaslab(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || regions(false);
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn metaslab_log(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || regions(true);
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn lmdb(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make =
        || (spinney_alloc_freelist::ALLOCATOR.build)(&Settings::new()).expect("defaults are lawful");
    run(make, BASE.get_or_init(|| base(make)), data);
}

fn run(make: Make, base: &Sheet, data: &[u8]) {
    let mut input = Bytes(data);
    let mut sheet = base.damaged(&mut input);
    let (root, pages) = (sheet.root(), &mut sheet.pages);
    let mut allocator = make();
    if allocator.open(UNIVERSE, &root, pages).is_err() {
        return;
    }
    allocator.committed(Epoch(3), None);
    let sound = is_sound(&*allocator, pages);
    let mut epoch = Epoch(4);
    for _ in 0..16 {
        let done = operate(&mut *allocator, &mut input, &mut epoch, pages, sound);
        if let Err(error @ (Error::Corrupt { .. } | Error::OutOfRange { .. })) = done {
            assert!(!sound, "the checker passed it, and then: {error}");
            return;
        }
    }
    let Ok(root) = allocator.commit(epoch, pages) else {
        assert!(!sound, "the checker passed it, and it takes no commit");
        return;
    };
    allocator.committed(epoch, None);
    let mut again = make();
    let opened = again.open(UNIVERSE, &root, pages);
    assert!(
        !sound || opened.is_ok() && free(&*again, pages) == free(&*allocator, pages),
        "what was stored is not what is read back"
    );
}

fn free(allocator: &dyn Allocator, pages: &MemoryPages) -> Result<Vec<Extent>, Error> {
    let mut free = Vec::new();
    allocator.visit_free(pages, &mut |run| {
        free.push(run);
        Flow::Continue
    })?;
    Ok(free)
}

fn is_sound(allocator: &dyn Allocator, pages: &MemoryPages) -> bool {
    let (mut met, mut once, mut findings) = (BTreeSet::new(), true, 0);
    let walked = allocator.visit_pages(pages, &mut |page| once &= met.insert(page));
    let checked = allocator.check(pages, &mut |_| findings += 1);
    walked.is_ok() && once && checked.is_ok() && findings == 0
}

fn operate(
    allocator: &mut dyn Allocator,
    input: &mut Bytes<'_>,
    epoch: &mut Epoch,
    pages: &mut MemoryPages,
    sound: bool,
) -> Result<(), Error> {
    match input.byte() % 5 {
        0 | 1 => {
            let mut grant = allocator.reserve(u64::from(input.short() % 2000))?;
            let want = Want::up_to(1 + u64::from(input.byte()));
            let done = match grant.blocks() {
                0 => Ok(()),
                _ => allocator.allocate(&want, &mut grant, pages).map(drop),
            };
            allocator.settle(grant);
            done
        }
        2 => {
            let (start, blocks) = (u64::from(input.short()) * 2, 1 + u64::from(input.byte()));
            // Which blocks are held is not known here, so a refusal says nothing of the pages.
            let _ = allocator.release(Extent::new(Pba(start), blocks), pages);
            Ok(())
        }
        3 => {
            let _ = allocator
                .claim(Extent::new(Pba(u64::from(input.short()) * 2), 1 + u64::from(input.byte())), pages);
            Ok(())
        }
        _ => {
            let bound = allocator.pages_bound(0);
            pages.seal();
            allocator.commit(*epoch, pages)?;
            let touched = pages.seal();
            assert!(!sound || touched <= bound, "{touched} pages touched, bound {bound}");
            allocator.committed(*epoch, None);
            *epoch = epoch.next();
            Ok(())
        }
    }
}
