//! The laws of the form, its condensing rule, and damage that only this form can have.

use super::*;
use crate::RangeIndex;
use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{Composed, FreeIndex, Want};
use spinney_core::Setting;
use spinney_testkit::{Dice, MemoryPages};

fn index() -> Box<dyn FreeIndex> {
    Box::new(RangeIndex::default())
}

fn eager() -> Box<dyn SpaceForm> {
    let settings = Settings::new()
        .with("condense_percent", Setting::Integer(101))
        .with("condense_pages", Setting::Integer(1));
    (FORM.build)(&settings).unwrap()
}

spinney_testkit::form_laws!(as_delivered, || Box::new(SpaceMapForm::default()) as Box<dyn SpaceForm>, index);
spinney_testkit::form_laws!(always_condensing, eager, index);
spinney_testkit::allocator_laws!(|| {
    Box::new(Composed::new(index(), Box::new(SpaceMapForm::default()), Box::new(AtCommit)))
});

/// A form, its index and its pages, all blocks free.
struct Life {
    form: SpaceMapForm,
    index: Box<dyn FreeIndex>,
    pages: MemoryPages,
    universe: Extent,
}

fn life(blocks: u64) -> Life {
    let (universe, mut pages) = (Extent::new(Pba(9), blocks), MemoryPages::new());
    let (mut form, mut index) = (SpaceMapForm::default(), index());
    index.reset(universe);
    index.insert(universe);
    form.format(universe, &FreeView::of(&*index), &mut pages).unwrap();
    Life { form, index, pages, universe }
}

impl Life {
    /// One commit of so many single blocks taken, then as many random ones freed. How many entries that is, of a word each.
    fn turn(&mut self, dice: &mut Dice, held: &mut Vec<Extent>, blocks: u64) -> u64 {
        let mut changes = Changes::default();
        for _ in 0..blocks {
            let run = self.index.pick(&Want::up_to(1)).unwrap();
            changes.push(Change::Take(run));
            held.push(run);
        }
        for _ in 0..blocks {
            let run = held.swap_remove(dice.below(held.len() as u64) as usize);
            self.index.insert(run);
            changes.push(Change::Free(run));
        }
        self.form.commit(&changes, &FreeView::of(&*self.index), &mut self.pages).unwrap();
        changes.len() as u64
    }
    /// Words of the log if it were rewritten now.
    fn condensed_words(&self) -> u64 {
        words_bound(self.index.free_runs(), self.index.free_blocks())
    }
}

/// R04: after every commit the log is below its share of the condensed size, or short, and it was written at most so often.
fn the_log_is_short(percent: u64, seed: u64) {
    let mut dice = Dice::new("the_log_is_short", seed);
    let (mut life, mut held) = (life(100_000), Vec::new());
    let (mut rewrites, mut appended, mut written) = (0u64, 0u64, 0u64);
    for _ in 0..6_000 {
        held.push(life.index.pick(&Want::up_to(1)).unwrap());
    }
    life.form = SpaceMapForm::new(Condense { percent, ..Condense::default() });
    life.form.format(life.universe, &FreeView::of(&*life.index), &mut life.pages).unwrap();
    for turn in 0..400 {
        let (before, blocks) = (life.form.log_words(), 1 + dice.below(200));
        let entries = life.turn(&mut dice, &mut held, blocks);
        let (after, needed) = (life.form.log_words(), life.condensed_words());
        let short = life.form.map().log.pages_for(after) <= 4;
        assert!(
            short || after * 100 < needed * percent,
            "{after} words for {needed} at {percent} %, turn {turn} of {seed}"
        );
        appended += entries;
        let rewritten = after != before + entries;
        rewrites += u64::from(rewritten);
        written += if rewritten { after } else { after - before };
    }
    assert!(rewrites >= 3, "{rewrites} rewrites at {percent} %");
    // What is rewritten was paid for by appends: at 200 % as many words, at 110 % ten times as many.
    let paid = appended * 100 / (percent - 100) + life.condensed_words();
    assert!(written <= appended + paid, "{written} words written for {appended} at {percent} %, seed {seed}");
}

#[test]
fn after_every_commit_the_log_is_short_or_below_its_share_and_what_it_costs_is_bounded() {
    for seed in 0..3 {
        [110, 150, 200, 400].into_iter().for_each(|percent| the_log_is_short(percent, seed));
    }
}

#[test]
fn a_commit_without_changes_touches_no_page() {
    let mut life = life(1000);
    life.pages.seal();
    life.form.commit(&Changes::default(), &FreeView::of(&*life.index), &mut life.pages).unwrap();
    assert_eq!(life.pages.seal(), 0);
}

/// Replace the log of `life` by these changes and load it.
fn load_of(life: &mut Life, changes: &[Change]) -> Result<Vec<Extent>> {
    let map = life.form.map.as_mut().unwrap();
    map.log.clear(&mut life.pages)?;
    map.records = 0;
    let mut words = Vec::new();
    changes.iter().for_each(|change| encode(*change, Pba(9), &mut words));
    map.append(&words, &mut life.pages)?;
    let mut runs = Vec::new();
    life.form.load(life.universe, &life.pages, &mut |run| runs.push(run))?;
    Ok(runs)
}

#[test]
fn a_block_taken_or_freed_twice_is_corrupt() {
    let mut life = life(1000);
    let run = |start, blocks| Extent::new(Pba(start), blocks);
    let (take, free) = (|s, b| Change::Take(run(s, b)), |s, b| Change::Free(run(s, b)));
    assert_eq!(load_of(&mut life, &[free(9, 100), take(20, 10)]), Ok(vec![run(9, 11), run(30, 79)]));
    for log in [
        vec![free(9, 100), free(108, 1)],
        vec![free(9, 100), take(100, 20)],
        vec![free(9, 100), take(20, 10), take(29, 1)],
        vec![take(9, 1)],
        vec![free(9, 1001)],
        vec![free(1 << 50, 1)],
    ] {
        let loaded = load_of(&mut life, &log);
        assert!(matches!(loaded, Err(Error::Corrupt { .. })), "{log:?} gave {loaded:?}");
    }
}

/// I5: what stands in the log past the root's count is not read.
#[test]
fn words_past_the_root_are_ignored() {
    let mut life = life(1000);
    let root = life.form.map().root();
    let mut words = Vec::new();
    encode(Change::Take(Extent::new(Pba(9), 5)), Pba(9), &mut words);
    life.form.map().log.append(&words, &mut life.pages).unwrap();
    let mut again = SpaceMapForm::default();
    again.open(life.universe, &root, &life.pages).unwrap();
    let mut runs = Vec::new();
    again.load(life.universe, &life.pages, &mut |run| runs.push(run)).unwrap();
    assert_eq!(runs, [life.universe]);
    let mut rules = Vec::new();
    again.check(&life.pages, &mut |found| rules.push(found.rule)).unwrap();
    assert_eq!(rules, ["a space map's log ends where its root says"]);
}

/// What is added to such a log would be read in place of what stands past the count.
#[test]
fn a_log_that_goes_on_past_the_root_takes_no_commit() {
    let mut life = life(1000);
    let mut words = Vec::new();
    encode(Change::Take(Extent::new(Pba(9), 5)), Pba(9), &mut words);
    life.form.map().log.append(&words, &mut life.pages).unwrap();
    let mut changes = Changes::default();
    changes.push(Change::Take(life.index.pick(&Want::up_to(1)).unwrap()));
    let refused = life.form.commit(&changes, &FreeView::of(&*life.index), &mut life.pages);
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
}

#[test]
fn a_rule_that_would_never_rest_is_refused() {
    for (name, value) in [("condense_percent", 100), ("condense_pages", 0)] {
        let built = (FORM.build)(&Settings::new().with(name, Setting::Integer(value)));
        assert!(matches!(built.err(), Some(Error::BadSetting(_))), "{name} = {value}");
    }
}

#[test]
fn a_universe_beyond_the_limit_is_refused() {
    let universe = Extent::new(Pba(0), UNIVERSE_BLOCKS_MAX + 1);
    let refused = SpaceMapForm::default().format(universe, &FreeView::of(&*index()), &mut MemoryPages::new());
    assert!(matches!(refused, Err(Error::OutOfRange { .. })));
}
