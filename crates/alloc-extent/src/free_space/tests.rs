//! The laws, the border at which a group switches, and damage that only this form can have.
//!
//! Invariant of the tests: what is damaged is damaged by hand in maps that are themselves sound.

use super::*;
use crate::TwinIndex;
use alloc::boxed::Box;
use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{Composed, FreeIndex};
use spinney_core::Pba;
use spinney_testkit::MemoryPages;

fn index() -> Box<dyn FreeIndex> {
    Box::new(TwinIndex::default())
}

/// Groups of three bitmaps and a bit, which switch up at 29 runs and down at 24.
const SMALL: Shape = Shape {
    cut: Cut::Blocks(5001),
    records: Records::Switch,
    item_bytes: 30,
    hysteresis_runs: 5,
    conversions_max: 2,
};

fn form(shape: Shape) -> Box<dyn SpaceForm> {
    Box::new(FreeSpaceTreeForm::new(shape))
}

spinney_testkit::form_laws!(as_btrfs, || form(Shape::default()), index);
spinney_testkit::form_laws!(small_groups, || form(SMALL), index);
spinney_testkit::form_laws!(
    tiny_groups,
    || form(Shape { cut: Cut::Blocks(7), item_bytes: 400, hysteresis_runs: 1, ..SMALL }),
    index
);
spinney_testkit::form_laws!(bitmaps, || form(Shape { records: Records::Bitmaps, ..SMALL }), index);
spinney_testkit::allocator_laws!(|| { Box::new(Composed::new(index(), form(SMALL), Box::new(AtCommit))) });

const GIB: u64 = 1 << 18;

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

/// A form over one group of `blocks` blocks, of which `runs` of one block each are free, every other one.
struct Comb {
    form: FreeSpaceTreeForm,
    index: Box<dyn FreeIndex>,
    pages: MemoryPages,
    runs: u64,
}

impl Comb {
    fn new(shape: Shape, blocks: u64, runs: u64) -> Comb {
        let (mut form, mut index, mut pages) =
            (FreeSpaceTreeForm::new(Shape { cut: Cut::Blocks(GIB), ..shape }), index(), MemoryPages::new());
        index.reset(run(0, blocks));
        (0..runs).for_each(|at| index.insert(run(2 * at, 1)));
        form.format(run(0, blocks), &FreeView::of(&*index), &mut pages).unwrap();
        pages.seal();
        Comb { form, index, pages, runs }
    }
    /// One run more, or one less, and a commit. Returns the pages touched.
    fn step(&mut self, more: bool) -> u64 {
        let mut changes = Changes::default();
        if more {
            changes.push(Change::Free(run(2 * self.runs, 1)));
            self.index.insert(run(2 * self.runs, 1));
            self.runs += 1;
        } else {
            self.runs -= 1;
            changes.push(Change::Take(run(2 * self.runs, 1)));
            self.index.remove(run(2 * self.runs, 1));
        }
        let bound = self.form.pages_bound(1, 1, self.runs);
        self.form.commit(&changes, &FreeView::of(&*self.index), &mut self.pages).unwrap();
        let touched = self.pages.seal();
        assert!(touched <= bound, "{touched} pages, bound {bound}");
        touched
    }
    fn bitmaps(&self) -> bool {
        self.form.bitmap_groups() == 1
    }
}

/// R20: 128 bitmaps of 25 + 256 bytes are 1,438 extents of 25 bytes.
#[test]
fn a_group_of_a_gib_switches_at_1438_runs() {
    assert_eq!((Shape::default().high(GIB), Shape::default().low(GIB)), (1438, 1338));
    let mut comb = Comb::new(Shape::default(), GIB, 1437);
    comb.step(true);
    assert!(!comb.bitmaps(), "1,438 runs are extents");
    comb.step(true);
    assert!(comb.bitmaps(), "1,439 are not");
    while comb.runs > 1338 {
        comb.step(false);
        assert!(comb.bitmaps(), "{} runs", comb.runs);
    }
    comb.step(false);
    assert!(!comb.bitmaps(), "1,337 are extents again");
}

/// R21: a group that goes back and forth over the border: between 1,437 and 1,439 runs, or it would not cross both.
#[test]
fn without_hysteresis_a_group_at_the_border_switches_with_every_other_commit() {
    for (hysteresis_runs, most, least) in [(0, 100, 99), (100, 1, 1)] {
        let mut comb = Comb::new(Shape { hysteresis_runs, ..Shape::default() }, GIB, 1437);
        let (mut conversions, mut was) = (0, comb.bitmaps());
        for turn in 0..200 {
            comb.step(turn % 4 < 2);
            conversions += u64::from(was != comb.bitmaps());
            was = comb.bitmaps();
        }
        assert!((least..=most).contains(&conversions), "{conversions} conversions with {hysteresis_runs}");
    }
}

#[test]
fn groups_that_cannot_all_switch_at_once_follow_in_later_commits() {
    let mut index = index();
    let universe = run(0, 50_000);
    index.reset(universe);
    let (mut form, mut pages) = (FreeSpaceTreeForm::new(SMALL), MemoryPages::new());
    form.format(universe, &FreeView::of(&*index), &mut pages).unwrap();
    let mut changes = Changes::default();
    for group in 0..6 {
        (0..60).for_each(|at| changes.push(Change::Free(run(group * 5001 + 2 * at, 1))));
    }
    for groups in [2, 4, 6, 6] {
        form.commit(&changes, &FreeView::of(&*index), &mut pages).unwrap();
        assert_eq!(form.bitmap_groups(), groups);
        changes.clear();
        changes.push(Change::Free(run(40_000 + groups, 1)));
        if groups == 6 {
            changes.clear();
        }
    }
}

#[test]
fn a_change_across_a_border_is_cut_and_counted_on_both_sides() {
    let mut index = index();
    let universe = run(100, 20_000);
    index.reset(universe);
    let (mut form, mut pages) = (FreeSpaceTreeForm::new(SMALL), MemoryPages::new());
    form.format(universe, &FreeView::of(&*index), &mut pages).unwrap();
    let mut changes = Changes::default();
    changes.push(Change::Free(run(5000, 300)));
    form.commit(&changes, &FreeView::of(&*index), &mut pages).unwrap();
    let runs: Vec<u64> = form.opened().groups.iter().map(|group| group.runs).collect();
    assert_eq!(runs, [1, 1, 0, 0], "the border is at 5,101");
}

fn comb_of(records: Records) -> Comb {
    Comb::new(Shape { records, ..Shape::default() }, 5000, 20)
}

#[test]
fn a_commit_that_the_records_contradict_is_corrupt() {
    for records in [Records::Extents, Records::Bitmaps] {
        for change in [
            Change::Take(run(1, 1)),
            Change::Take(run(0, 2)),
            Change::Free(run(0, 1)),
            Change::Free(run(37, 9)),
            Change::Free(run(4999, 9)),
        ] {
            let mut comb = comb_of(records);
            let mut changes = Changes::default();
            changes.push(change);
            let done = comb.form.commit(&changes, &FreeView::of(&*comb.index), &mut comb.pages);
            assert!(matches!(done, Err(Error::Corrupt { .. })), "{records:?} {change:?} gave {done:?}");
        }
    }
}

/// Records are damaged, the form is opened again: what it loads or what it checks says so.
fn is_found(records: Records, damage: impl Fn(&Opened, &mut MemoryPages) -> Result<bool>) {
    let mut comb = comb_of(records);
    damage(comb.form.opened(), &mut comb.pages).unwrap();
    let root = comb.form.opened().root();
    let opened = comb.form.open(run(0, 5000), &root, &comb.pages);
    let mut found = 0;
    if opened.is_ok() {
        comb.form.check(&comb.pages, &mut |_| found += 1).unwrap();
    }
    assert!(opened.is_err() || found == 1, "{records:?}: {found} findings");
}

#[test]
fn damaged_records_are_found() {
    for records in [Records::Extents, Records::Bitmaps] {
        is_found(records, |opened, pages| opened.records.put(&0, &(21, 0), pages));
        is_found(records, |opened, pages| opened.records.put(&0, &(20, 2), pages));
        is_found(records, |opened, pages| opened.records.put(&7, &(0, 0), pages));
        is_found(records, |opened, pages| opened.records.put(&(1 << 40), &(0, 0), pages));
        is_found(records, |opened, pages| opened.records.remove(&0, pages));
        is_found(records, |opened, pages| opened.extents.put(&4990, &20, pages));
        is_found(records, |opened, pages| opened.extents.put(&9000, &1, pages));
        is_found(records, |opened, pages| opened.bitmaps.put(&4096, &[255; 256], pages));
        is_found(records, |opened, pages| opened.bitmaps.put(&1, &[0; 256], pages));
    }
    is_found(Records::Bitmaps, |opened, pages| opened.bitmaps.remove(&2048, pages));
    is_found(Records::Extents, |opened, pages| opened.extents.remove(&2, pages));
}

#[test]
fn another_cut_of_the_same_universe_is_refused() {
    let comb = comb_of(Records::Switch);
    let root = comb.form.opened().root();
    let opened = FreeSpaceTreeForm::new(SMALL).open(run(0, 5000), &root, &comb.pages);
    assert_eq!(opened, Ok(()), "one group either way");
    let other = Shape { cut: Cut::Blocks(1000), ..SMALL };
    assert!(FreeSpaceTreeForm::new(other).open(run(0, 5000), &root, &comb.pages).is_err());
}
