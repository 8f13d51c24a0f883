//! The bitmap's bytes are those of `FORMAT.md`, and a commit touches what changed.

use spinney_alloc::{Change, Changes, FreeIndex, FreeView, SpaceForm};
use spinney_alloc_bitmap::{BitmapForm, BitmapIndex};
use spinney_core::{Error, Extent, PageKind, PageNo, PageRead, Pba, Root};
use spinney_testkit::MemoryPages;

const PAGE_BLOCKS: u64 = 32_256;

fn formatted(universe: Extent) -> (BitmapIndex, BitmapForm, MemoryPages, Root) {
    let (mut index, mut form, mut pages) = (BitmapIndex::default(), BitmapForm::new(), MemoryPages::new());
    index.reset(universe);
    index.insert(universe);
    let root = form.format(universe, &FreeView::of(&index), &mut pages).expect("memory has room");
    (index, form, pages, root)
}

fn changes(list: &[Change]) -> Changes {
    let mut changes = Changes::default();
    list.iter().for_each(|change| changes.push(*change));
    changes
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let universe = Extent::new(Pba(1000), 3 * PAGE_BLOCKS);
    let (mut index, mut form, mut pages, _) = formatted(universe);
    let taken = Extent::new(Pba(1000 + PAGE_BLOCKS + 65), 3);
    index.remove(taken);
    let root = form.commit(&changes(&[Change::Take(taken)]), &FreeView::of(&index), &mut pages).unwrap();
    assert_eq!(&root.bytes()[..8], b"SPBITMP\x01");
    let [_, start, blocks, array, taken_blocks] = root.words("root").unwrap();
    assert_eq!((start, blocks, taken_blocks), (1000, 3 * PAGE_BLOCKS, 3));
    let leaf = pages.live().map(|(page, _)| page).find(|page| *page != PageNo(array)).unwrap();
    let bytes = pages.read(leaf, PageKind::SPACE).unwrap();
    let mut wanted = [0; 4064];
    wanted[..4].copy_from_slice(b"SPbm");
    (wanted[4], wanted[8], wanted[16]) = (1, 1, 3); // version, index, taken
    wanted[32 + 8] = 0b1110; // word 1, bits 1 to 3
    assert!(*bytes == wanted, "the leaf's bytes are {:?}...", &bytes[..48]);
}

#[test]
fn a_new_pool_costs_one_page_at_any_size() {
    for blocks in [1, PAGE_BLOCKS, 1 << 40] {
        let universe = Extent::new(Pba(0), blocks);
        let mut pages = MemoryPages::new();
        BitmapForm::new().format(universe, &FreeView::of(&AllFree(universe)), &mut pages).unwrap();
        assert_eq!(pages.live().count(), 1, "{blocks} blocks");
    }
}

/// An index of any size of which all is free.
struct AllFree(Extent);

impl FreeIndex for AllFree {
    fn reset(&mut self, universe: Extent) {
        self.0 = universe;
    }
    fn insert(&mut self, _: Extent) {}
    fn remove(&mut self, _: Extent) {}
    fn pick(&mut self, _: &spinney_alloc::Want) -> Option<Extent> {
        None
    }
    fn is_free(&self, run: Extent) -> bool {
        self.0.contains(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> spinney_core::Flow) {
        within.intersect(self.0).map(each);
    }
    fn free_blocks(&self) -> u64 {
        self.0.blocks
    }
    fn free_runs(&self) -> u64 {
        1
    }
    fn effort(&self) -> spinney_core::Effort {
        spinney_core::Effort::default()
    }
    fn memory_bytes(&self) -> u64 {
        0
    }
}

#[test]
fn a_commit_touches_the_pages_whose_blocks_changed_and_no_others() {
    let (mut index, mut form, mut pages, _) = formatted(Extent::new(Pba(0), 40 * PAGE_BLOCKS));
    let take = |page: u64, blocks| Change::Take(Extent::new(Pba(page * PAGE_BLOCKS + 7), blocks));
    let first: Vec<Change> = (0..40).map(|page| take(page, 10)).collect();
    first.iter().for_each(|change| index.remove(change.run()));
    form.commit(&changes(&first), &FreeView::of(&index), &mut pages).unwrap();
    pages.seal();
    let again = Change::Take(Extent::new(Pba(3 * PAGE_BLOCKS + 100), 5));
    let passing = Extent::new(Pba(20 * PAGE_BLOCKS + 500), 10); // taken and freed in one epoch
    index.remove(again.run());
    form.commit(
        &changes(&[again, Change::Take(passing), Change::Free(passing)]),
        &FreeView::of(&index),
        &mut pages,
    )
    .unwrap();
    assert_eq!(pages.seal(), 1, "one leaf; the array above it is as it was");
}

#[test]
fn a_region_that_is_free_again_gives_its_page_back() {
    let (mut index, mut form, mut pages, _) = formatted(Extent::new(Pba(0), 9 * PAGE_BLOCKS));
    let run = Extent::new(Pba(PAGE_BLOCKS - 5), 10);
    index.remove(run);
    form.commit(&changes(&[Change::Take(run)]), &FreeView::of(&index), &mut pages).unwrap();
    assert_eq!(pages.live().count(), 3);
    index.insert(run);
    form.commit(&changes(&[Change::Free(run)]), &FreeView::of(&index), &mut pages).unwrap();
    assert_eq!(pages.live().count(), 1);
}

#[test]
fn a_change_to_the_state_that_a_block_has_stops_the_commit() {
    let (index, mut form, mut pages, _) = formatted(Extent::new(Pba(0), 1000));
    let freed = changes(&[Change::Free(Extent::new(Pba(10), 1))]);
    let refused = form.commit(&freed, &FreeView::of(&index), &mut pages);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
}

#[test]
fn a_root_that_counts_other_blocks_than_its_pages_have_is_corrupt() {
    let universe = Extent::new(Pba(0), 3 * PAGE_BLOCKS);
    let (mut index, mut form, mut pages, _) = formatted(universe);
    let taken = Extent::new(Pba(PAGE_BLOCKS - 20), 40);
    index.remove(taken);
    let root = form.commit(&changes(&[Change::Take(taken)]), &FreeView::of(&index), &mut pages).unwrap();
    let words: [u64; 5] = root.words("root").unwrap();
    for count in [0, 39, 41, universe.blocks] {
        let mut forged = BitmapForm::new();
        let root = Root::from_words(&[words[0], words[1], words[2], words[3], count]);
        forged.open(universe, &root, &pages).unwrap();
        let loaded = forged.load(universe, &pages, &mut |_| ());
        assert!(matches!(loaded, Err(Error::Corrupt { .. })), "{count} counted: {loaded:?}");
        // A caller that loads by region does not recount; then the commit must not run below zero or beyond all.
        let freed =
            forged.commit(&changes(&[Change::Free(taken)]), &FreeView::of(&index), &mut pages.clone());
        assert_eq!(freed.is_err(), count < 40, "{count} counted: {freed:?}");
    }
}
