//! The counted bitmap: the laws of a form, counts against a model, its bytes, and what it refuses.
#![cfg(feature = "form")]

use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{Allocator, Change, Changes, Composed, FreeIndex, FreeView, SpaceForm};
use spinney_alloc_bitmap::counted::{BLOCK_INDEX_BLOCKS_MAX, IndexKind};
use spinney_alloc_bitmap::{COUNTED, CountedBitmap, CountedForm, CursorIndex};
use spinney_core::{Error, Extent, PageKind, PageNo, PageRead, PageTxn, Pba, Root, Setting, Settings};
use spinney_testkit::{Dice, MemoryPages};
use std::collections::BTreeMap;

const PAGE_BLOCKS: u64 = 16_192;

fn index() -> Box<dyn FreeIndex> {
    Box::new(CursorIndex::default())
}

fn tree() -> Box<dyn SpaceForm> {
    Box::new(CountedForm::new(IndexKind::Tree))
}

fn block() -> Box<dyn SpaceForm> {
    Box::new(CountedForm::new(IndexKind::Block))
}

fn composed() -> Box<dyn Allocator> {
    Box::new(Composed::new(index(), tree(), Box::new(AtCommit)))
}

spinney_testkit::form_laws!(tree_index, tree, index);
spinney_testkit::form_laws!(block_index, block, index);
spinney_testkit::allocator_laws!(composed);

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

fn map(universe: Extent, kind: IndexKind) -> (CountedBitmap, MemoryPages) {
    let mut pages = MemoryPages::new();
    (CountedBitmap::create(universe, kind, &mut pages).expect("memory has room"), pages)
}

/// Counts, free blocks, and what a walk and a reopened map say, against a map of counts; up to counts of 9.
#[test]
fn counts_agree_with_a_map_of_counts() {
    let universe = run(1000, 2 * PAGE_BLOCKS + 500);
    for (seed, kind) in [(1, IndexKind::Tree), (2, IndexKind::Block)] {
        let mut dice = Dice::new("counts_agree_with_a_map_of_counts", seed);
        let (mut counted, mut pages) = map(universe, kind);
        let mut model: BTreeMap<u64, u64> = BTreeMap::new();
        for turn in 0..1500 {
            let start =
                universe.start.0 + *dice.one_of(&[0, PAGE_BLOCKS - 20, 2 * PAGE_BLOCKS]) + dice.below(20);
            let some = run(start, dice.log_uniform(40));
            let least = some.iter().map(|at| model.get(&at.0).copied().unwrap_or(0)).min();
            if dice.below(9) >= least.expect("a run has blocks") {
                counted.increment(some, &mut pages).unwrap();
                some.iter().for_each(|at| *model.entry(at.0).or_default() += 1);
            } else {
                counted.decrement(some, &mut pages).unwrap();
                some.iter().for_each(|at| *model.get_mut(&at.0).expect("counted") -= 1);
            }
            model.retain(|_, count| *count > 0);
            let at = start + dice.below(40);
            assert_eq!(
                counted.count(Pba(at), &pages),
                Ok(model.get(&at).copied().unwrap_or(0)),
                "block {at}"
            );
            let free = (at..universe.end().0).find(|at| !model.contains_key(at)).map(Pba);
            assert_eq!(counted.next_free(Pba(at), &pages), Ok(free), "from {at}");
            assert_eq!(counted.used_blocks(), model.len() as u64);
            if turn % 100 == 0 {
                counted.check(&pages, &mut |found| panic!("{found}")).unwrap();
                counted = CountedBitmap::open(universe, &counted.root(), &pages).unwrap();
                let mut free = 0;
                counted.visit_free(universe, &pages, &mut |run| free += run.blocks).unwrap();
                assert_eq!(free, universe.blocks - model.len() as u64);
                let (mut visited, live) = (Vec::new(), pages.live().map(|(page, _)| page));
                counted.visit_pages(&pages, &mut |page| visited.push(page)).unwrap();
                visited.sort_unstable();
                assert_eq!(visited, live.collect::<Vec<PageNo>>());
            }
        }
        assert!(model.values().any(|count| *count > 3), "the tree was used");
    }
}

#[test]
fn a_count_of_a_free_block_does_not_go_down() {
    let (mut counted, mut pages) = map(run(0, 100), IndexKind::Tree);
    counted.increment(run(10, 5), &mut pages).unwrap();
    for bad in [run(9, 2), run(14, 2), run(99, 2)] {
        let refused = counted.clone().decrement(bad, &mut pages.view());
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{bad:?}: {refused:?}");
    }
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let universe = run(1000, 2 * PAGE_BLOCKS);
    let (mut counted, mut pages) = map(universe, IndexKind::Block);
    let table = pages.live().next().expect("the index").0;
    counted.increment(run(1000 + PAGE_BLOCKS, 3), &mut pages).unwrap();
    counted.increment(run(1000 + PAGE_BLOCKS + 1, 1), &mut pages).unwrap();
    counted.increment(run(1000 + PAGE_BLOCKS + 1, 1), &mut pages).unwrap();
    let root = counted.root();
    assert_eq!(&root.bytes()[..8], b"SPCOUNT\x01");
    let [_, start, blocks, kind, index, overflow, used] = root.words("root").unwrap();
    assert_eq!((start, blocks, kind, index, used), (1000, 2 * PAGE_BLOCKS, 0, table.0, 3));
    let counts = pages.live().map(|(page, _)| page).find(|page| ![table.0, overflow - 1].contains(&page.0));
    let counts = counts.expect("a page of counts");
    let mut wanted = [0; 4064];
    wanted[..5].copy_from_slice(b"SPct\x01");
    (wanted[8], wanted[16]) = (1, 0b01_11_01); // page 1; counts 1, 3 (look in the tree), 1
    assert!(*pages.read(counts, PageKind::SPACE).unwrap() == wanted, "page of counts");
    let mut wanted = [0; 4064];
    wanted[..5].copy_from_slice(b"SPci\x01");
    wanted[32..40].copy_from_slice(&counts.0.to_le_bytes());
    wanted[40..44].copy_from_slice(&(PAGE_BLOCKS as u32 - 3).to_le_bytes());
    wanted[44] = 3; // none free before
    assert!(*pages.read(table, PageKind::SPACE).unwrap() == wanted, "index");
}

#[test]
fn full_pages_are_passed_by_without_reading_them() {
    let (mut counted, mut pages) = map(run(0, 9 * PAGE_BLOCKS), IndexKind::Block);
    counted.increment(run(0, 8 * PAGE_BLOCKS + 77), &mut pages).unwrap();
    let [_, _, _, _, table, ..]: [u64; 7] = counted.root().words("root").unwrap();
    // All but the index and the last page of counts: rubbish.
    let live: Vec<PageNo> = pages.live().map(|(page, _)| page).filter(|page| page.0 != table).collect();
    for page in &live[..live.len() - 1] {
        pages.edit(*page, PageKind::SPACE).unwrap().fill(0xee);
    }
    assert_eq!(counted.next_free(Pba(5), &pages), Ok(Some(Pba(8 * PAGE_BLOCKS + 77))));
}

#[test]
fn an_index_of_one_page_says_where_it_ends() {
    let mut pages = MemoryPages::new();
    assert_eq!(BLOCK_INDEX_BLOCKS_MAX, 4_096_576);
    let create =
        |blocks, pages: &mut MemoryPages| CountedBitmap::create(run(0, blocks), IndexKind::Block, pages);
    assert!(create(BLOCK_INDEX_BLOCKS_MAX, &mut pages).is_ok());
    let refused = create(BLOCK_INDEX_BLOCKS_MAX + 1, &mut pages);
    assert!(matches!(refused, Err(Error::BadSetting(text)) if text.contains("4,096,576")), "{refused:?}");
}

/// Under an allocator a count above 1 is damage: it would make a block free while someone still has it.
#[test]
fn a_form_takes_no_count_above_one() {
    let universe = run(0, 1000);
    let (mut counted, mut pages) = map(universe, IndexKind::Tree);
    counted.increment(run(10, 2), &mut pages).unwrap();
    counted.increment(run(11, 1), &mut pages).unwrap();
    let mut form = CountedForm::default();
    form.open(universe, &counted.root(), &pages).unwrap();
    let mut findings = Vec::new();
    form.check(&pages, &mut |found| findings.push(found.rule)).unwrap();
    assert_eq!(findings, ["an allocator's block is counted once"]);
    for (block, sound) in [(10, true), (11, false), (12, false)] {
        let mut changes = Changes::default();
        changes.push(Change::Free(run(block, 1)));
        let done = form.clone().commit(&changes, &FreeView::of(&CursorIndex::default()), &mut pages.view());
        assert_eq!(done.is_ok(), sound, "block {block}: {done:?}");
    }
}

#[test]
fn a_root_that_counts_other_blocks_is_corrupt() {
    let universe = run(0, 2 * PAGE_BLOCKS);
    let (mut counted, mut pages) = map(universe, IndexKind::Tree);
    counted.increment(run(PAGE_BLOCKS - 5, 10), &mut pages).unwrap();
    let words: [u64; 7] = counted.root().words("root").unwrap();
    for used in [0, 9, 11] {
        let root = Root::from_words(&[words[0], words[1], words[2], words[3], words[4], words[5], used]);
        let forged = CountedBitmap::open(universe, &root, &pages).unwrap();
        assert!(
            matches!(forged.visit_free(universe, &pages, &mut |_| ()), Err(Error::Corrupt { .. })),
            "{used}"
        );
    }
}

#[test]
fn settings_choose_the_index() {
    let build = |word: &str| (COUNTED.build)(&Settings::new().with("index", Setting::Word(word.into())));
    assert!(build("tree").is_ok() && build("block").is_ok());
    assert!(matches!(build("list").map(drop), Err(Error::BadSetting(text)) if text.contains("index")));
}
