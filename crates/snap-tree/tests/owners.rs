//! Owners behind a log and in ranges against a plain map, inside their bounds, over numbers of several regions, with logs so small that they
//! fold all the time and so large that they never do, and with ranges that are cut down to single counts and that never are.

use spinney_core::{Pba, Place};
use spinney_snap_tree::counts::Emptied;
use spinney_snap_tree::owners::Touched;
use spinney_snap_tree::{Anchor, CountLog, LOG_CHANGES_MAX, Owners};
use spinney_testkit::{Dice, MemoryPages};
use std::collections::BTreeMap;

const REGION: u64 = 256 * 1015;
/// Where numbers lie: around the ends of regions, and far out.
const BASES: [u64; 4] = [0, REGION - 30, 5 * REGION - 700, (1 << 38) - 20];

struct Life {
    owners: Owners,
    pages: MemoryPages,
    emptied: Emptied,
    model: BTreeMap<u64, u32>,
}

impl Life {
    /// 0 changes: no log; 0 steps: single counts.
    fn new(changes: u64, steps: u64) -> Life {
        let mut pages = MemoryPages::new();
        let anchor = Anchor::create(&mut pages).expect("a page");
        let mut owners = match steps {
            0 => Owners::at(anchor, 3),
            _ => Owners::in_ranges(anchor, 3, steps).expect("a size"),
        };
        if changes > 0 {
            owners = owners.behind(CountLog::at(anchor, 9, changes).expect("a size"));
        }
        Life { owners, pages, emptied: Emptied::default(), model: BTreeMap::new() }
    }
    /// At most what was foretold is touched.
    fn within(&mut self, touched: &Touched, act: impl FnOnce(&mut Life)) {
        let bound = self.owners.pages_bound(touched, &self.pages).expect("a bound") + 1;
        self.pages.seal();
        act(self);
        let done = self.pages.seal();
        assert!(done <= bound, "{done} pages, the bound was {bound}");
    }
    fn raise(&mut self, start: u64, length: u64) {
        let mut touched = Touched::default();
        self.owners.will_raise(start, length, &mut touched);
        self.within(&touched, |life| {
            life.owners.raise(start, length, &mut life.pages, &mut life.emptied).expect("raise");
        });
        (start..start + length).for_each(|number| *self.model.entry(number).or_default() += 1);
    }
    fn release(&mut self, start: u64, length: u64) {
        let mut touched = Touched::default();
        self.owners.will_lower(start, length, &mut touched);
        let mut last = Vec::new();
        self.within(&touched, |life| {
            let each = &mut |first, length| last.extend(first..first + length);
            life.owners.release(start, length, &mut life.pages, &mut life.emptied, each).expect("release");
        });
        let none: Vec<u64> =
            (start..start + length).filter(|number| !self.model.contains_key(number)).collect();
        assert_eq!(last, none);
        for number in start..start + length {
            if let Some(count) = self.model.get_mut(&number) {
                *count -= 1;
            }
        }
        self.model.retain(|_, count| *count > 0);
    }
    fn trim(&mut self) {
        let bound = self.owners.trim_bound(&self.emptied, &self.pages).expect("a bound") + 1;
        self.pages.seal();
        self.owners.trim(&mut self.emptied, &mut self.pages).expect("trim");
        assert!(self.pages.seal() <= bound);
    }
    fn check(&self) {
        let pointers =
            self.model.iter().flat_map(|(number, extra)| vec![*number; *extra as usize + 1]).collect();
        let place = |number| Place::Block(Pba(number));
        self.owners.compare(pointers, place, &self.pages, &mut |found| panic!("{found:?}")).expect("compare");
    }
}

fn life(changes: u64, steps: u64, seed: u64) {
    let mut dice = Dice::new("owners", seed);
    let mut life = Life::new(changes, steps);
    for _ in 0..300 {
        let start = dice.one_of(&BASES) + dice.below(60);
        let length = if dice.one_in(3) { 1 + dice.below(40) } else { 1 };
        if dice.below(5) < 3 {
            life.raise(start, length)
        } else {
            life.release(start, length)
        }
        if dice.one_in(10) {
            life.trim();
            life.check();
        }
    }
    while let Some((number, _)) = life.model.first_key_value() {
        life.release(*number, 1);
    }
    life.trim();
    assert!(life.owners.is_empty(&life.pages).expect("the anchor"));
    assert_eq!(life.pages.live().count(), 1, "only the anchor is left");
}

#[test]
fn a_log_of_any_size_agrees_with_a_map_and_gives_every_page_back() {
    for seed in 0..6 {
        for changes in [1, 2, 7, 40, 300, 8096, LOG_CHANGES_MAX] {
            life(changes, 0, seed);
        }
    }
}

#[test]
fn ranges_of_any_size_agree_with_a_map_and_give_every_page_back() {
    for seed in 0..6 {
        for steps in [2, 3, 5, 20, 1012] {
            life(0, steps, seed);
            life(7, steps, seed);
        }
    }
}

#[test]
fn a_run_is_one_range_and_a_broken_one_is_cut_no_further_than_it_must_be() {
    let mut life = Life::new(0, 1012);
    life.raise(REGION, 200_000);
    assert_eq!(life.pages.live().count(), 3, "the anchor, a page of the table, a page of ranges");
    (0..600).for_each(|hole| life.release(REGION + 40_000 + 2 * hole, 1));
    assert!(life.pages.live().count() <= 3 + 8, "halves of halves down to where the holes are");
    life.check();
}

#[test]
fn what_cancels_out_never_reaches_a_page_of_counts() {
    let mut life = Life::new(100, 0);
    life.raise(70_000, 1);
    for number in 0..10_000 {
        life.raise(number * 20, 3);
        life.release(number * 20, 3);
    }
    // The anchor, one page of the log and the one above it.
    assert_eq!(life.pages.live().count(), 3);
    life.check();
}

#[test]
fn more_owners_of_one_block_than_a_step_can_say_are_counted() {
    let mut life = Life::new(8096, 0);
    (0..20_000).for_each(|_| life.raise(9, 1));
    life.check();
    (0..20_000).for_each(|_| life.release(9, 1));
    assert_eq!(life.pages.live().count(), 1);
    let mut life = Life::new(0, 1012);
    life.raise(0, 5000);
    (0..20_000).for_each(|_| life.raise(9, 1));
    life.check();
}

#[test]
fn a_log_and_a_page_of_ranges_have_a_size() {
    let mut pages = MemoryPages::new();
    let anchor = Anchor::create(&mut pages).expect("a page");
    assert!(Owners::in_ranges(anchor, 9, 1).is_err() && Owners::in_ranges(anchor, 9, 1013).is_err());
    assert!(CountLog::at(anchor, 9, 0).is_err() && CountLog::at(anchor, 9, LOG_CHANGES_MAX + 1).is_err());
}
