//! The laws of the form, and damage that only this form can have.

use super::*;
use crate::TwinIndex;
use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{Composed, FreeIndex};
use spinney_testkit::MemoryPages;

fn index() -> Box<dyn FreeIndex> {
    Box::new(TwinIndex::default())
}

spinney_testkit::form_laws!(|| Box::new(ExtentTreeForm::new()) as Box<dyn SpaceForm>, index);
spinney_testkit::allocator_laws!(|| {
    Box::new(Composed::new(index(), Box::new(ExtentTreeForm::new()), Box::new(AtCommit)))
});

fn run(start: u64, blocks: u64) -> Extent {
    Extent::new(Pba(start), blocks)
}

/// A formatted form in which these runs of 1,000 blocks are free.
fn with(runs: &[Extent]) -> (ExtentTreeForm, Box<dyn FreeIndex>, MemoryPages) {
    let (mut form, mut index, mut pages) = (ExtentTreeForm::new(), index(), MemoryPages::new());
    index.reset(run(0, 1000));
    runs.iter().for_each(|run| index.insert(*run));
    form.format(run(0, 1000), &FreeView::of(&*index), &mut pages).unwrap();
    (form, index, pages)
}

fn entries(form: &ExtentTreeForm, pages: &MemoryPages) -> Vec<(u64, u64)> {
    let mut entries = Vec::new();
    let map = form.tree().map;
    map.range(.., pages, &mut |start, blocks| {
        entries.push((start, blocks));
        Flow::Continue
    })
    .unwrap();
    entries
}

fn commit(form: &mut ExtentTreeForm, pages: &mut MemoryPages, list: &[Change]) -> Result<Root> {
    let mut changes = Changes::default();
    list.iter().for_each(|change| changes.push(*change));
    form.commit(&changes, &FreeView::of(&*index()), pages)
}

#[test]
fn frees_join_their_neighbors_and_takes_leave_the_rest() {
    let (mut form, _, mut pages) = with(&[run(10, 10), run(30, 10), run(50, 10)]);
    let (take, free) = (|s, b| Change::Take(run(s, b)), |s, b| Change::Free(run(s, b)));
    commit(&mut form, &mut pages, &[free(20, 10)]).unwrap();
    assert_eq!(entries(&form, &pages), [(10, 30), (50, 10)]);
    commit(&mut form, &mut pages, &[take(15, 5), free(60, 1), free(49, 1), take(39, 1)]).unwrap();
    assert_eq!(entries(&form, &pages), [(10, 5), (20, 19), (49, 12)]);
    commit(&mut form, &mut pages, &[take(20, 19), take(10, 1), take(60, 1)]).unwrap();
    assert_eq!(entries(&form, &pages), [(11, 4), (49, 11)]);
}

#[test]
fn changes_that_cancel_touch_no_page() {
    let (mut form, _, mut pages) = with(&[run(10, 10)]);
    pages.seal();
    commit(&mut form, &mut pages, &[Change::Take(run(12, 3)), Change::Free(run(12, 3))]).unwrap();
    assert_eq!(pages.seal(), 0);
}

#[test]
fn a_commit_that_the_tree_contradicts_is_corrupt() {
    let (take, free) = (|s, b| Change::Take(run(s, b)), |s, b| Change::Free(run(s, b)));
    for change in [take(9, 1), take(19, 2), free(10, 1), free(19, 1), free(5, 6), free(25, 6), free(25, 40)] {
        let (mut form, _, mut pages) = with(&[run(10, 10), run(30, 10)]);
        let done = commit(&mut form, &mut pages, &[change]);
        assert!(matches!(done, Err(Error::Corrupt { .. })), "{change:?} gave {done:?}");
    }
}

/// Entries that no commit writes, in a tree that is itself sound: found by `load` and named by `check`.
#[test]
fn runs_that_overlap_touch_or_lie_outside_are_corrupt() {
    for (start, blocks) in [(15, 2), (20, 1), (5, 5), (5, 30), (999, 2), (1000, 1), (500, 0), (600, u64::MAX)]
    {
        let (form, _, mut pages) = with(&[run(10, 10), run(30, 10)]);
        form.tree().map.put(&start, &blocks, &mut pages).unwrap();
        let loaded = form.load(run(0, 1000), &pages, &mut |_| {});
        assert!(matches!(loaded, Err(Error::Corrupt { .. })), "{start}+{blocks}");
        let mut found = 0;
        form.check(&pages, &mut |_| found += 1).unwrap();
        assert_eq!(found, 1, "{start}+{blocks}");
    }
}

#[test]
fn a_tree_that_lost_a_run_is_found_by_its_counts() {
    let (form, _, mut pages) = with(&[run(10, 10), run(30, 10)]);
    form.tree().map.remove(&30, &mut pages).unwrap();
    assert!(form.load(run(0, 1000), &pages, &mut |_| {}).is_err());
    let mut rules = Vec::new();
    form.check(&pages, &mut |found| rules.push(found.rule)).unwrap();
    assert_eq!(rules, ["an extent tree holds as many runs and blocks as its root says"]);
}
