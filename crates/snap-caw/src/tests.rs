//! What the policy promises (C1 to C6 of the notes), held against records kept beside it, and its bounds, counted.
//!
//! Invariant: the records are the paper's, written down: which blocks of a unit were written since its last full copy, inherited by
//! whoever is taken from the version. The policy keeps none.

use crate::unit::Unit;
use crate::wish::is_alone;
use crate::{Caw, Rule, over};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use spinney_core::{DevId, Lba, LbaRange};
use spinney_snap::{Access, SnapshotScheme, WritePlan};
use spinney_snap_refcount::RefCount;
use spinney_testkit::scheme_life::SchemeLife;

const UNIT: u64 = 16;
const BLOCKS: u64 = 4 * UNIT;
/// Four blocks of a unit are abundant.
const RULE: Rule = Rule { unit_blocks: UNIT, theta: 0.25, deltas_max: 2, ..Rule::DEFAULT };

fn with(rule: Rule) -> Box<dyn SnapshotScheme> {
    Box::new(Caw::new(Box::new(RefCount::new(5, true).expect("a fanout")), rule).expect("a rule"))
}

pub(crate) fn make() -> Box<dyn SnapshotScheme> {
    with(RULE)
}

/// A life, and what was written in each unit since its last full copy.
struct Recorded<'a> {
    life: SchemeLife<'a>,
    /// A second look at the same pages.
    eye: Caw,
    written: BTreeMap<DevId, BTreeSet<u64>>,
    /// Units written since copies were last made.
    touched: BTreeSet<(DevId, u64)>,
    user_blocks: u64,
    full_blocks: u64,
    packed_blocks: u64,
}

impl<'a> Recorded<'a> {
    fn new(
        factory: &'a dyn Fn() -> Box<dyn SnapshotScheme>,
        rule: Rule,
        test: &'static str,
        seed: u64,
    ) -> Recorded<'a> {
        let life = SchemeLife::new(factory, test, seed);
        let eye = Caw::new(Box::new(RefCount::new(5, true).expect("a fanout")), rule).expect("a rule");
        let (written, touched) = (BTreeMap::new(), BTreeSet::new());
        Recorded { life, eye, written, touched, user_blocks: 0, full_blocks: 0, packed_blocks: 0 }
    }
    fn create(&mut self) -> DevId {
        let dev = self.life.create(BLOCKS);
        self.written.insert(dev, BTreeSet::new());
        dev
    }
    fn take(&mut self, of: DevId, access: Access) -> DevId {
        let dev = self.life.snapshot(of, access);
        self.written.insert(dev, self.written[&of].clone());
        dev
    }
    fn write(&mut self, dev: DevId, at: u64, blocks: u64) {
        self.life.write(dev, LbaRange::new(Lba(at), blocks));
        self.written.get_mut(&dev).expect("a version").extend(at..at + blocks);
        self.touched.extend((at / UNIT..=(at + blocks - 1) / UNIT).map(|unit| (dev, unit)));
        self.user_blocks += blocks;
    }
    fn delete(&mut self, dev: DevId) {
        self.life.delete(dev);
        self.written.remove(&dev);
    }
    /// Make the copies, and keep the books.
    fn relocate(&mut self) {
        for (dev, plan) in self.life.relocate() {
            let (first, _) = plan.copies().next().expect("something is copied");
            let unit = first.0 / UNIT;
            let all = unit * UNIT..(unit + 1) * UNIT;
            let mapped = self.life.model.versions[&dev].map.range(all.clone()).count() as u64;
            if plan.blocks_bound() == mapped {
                self.written.get_mut(&dev).expect("a version").retain(|at| !all.contains(at));
                self.full_blocks += mapped;
            } else {
                self.packed_blocks += plan.blocks_bound();
            }
        }
    }
    fn unit(&mut self, dev: DevId, number: u64) -> Unit {
        let root = self.life.scheme.commit(spinney_core::Epoch(0), &mut self.life.pages).expect("a root");
        self.eye.open(&root, &self.life.pages).expect("the same pages");
        let range = LbaRange::new(Lba(number * UNIT), UNIT);
        Unit::read(&self.eye, dev, range, &self.life.pages).expect("a unit")
    }
    /// C1, C2, C3, C6 of every unit that was written since copies were last made, all of which were now.
    fn holds(&mut self, rule: Rule) {
        for (dev, number) in core::mem::take(&mut self.touched) {
            if !self.written.contains_key(&dev) {
                continue;
            }
            let unit = self.unit(dev, number);
            let all = number * UNIT..(number + 1) * UNIT;
            let recorded = self.written[&dev].range(all).count() as u64;
            assert!(
                unit.outside_blocks() <= recorded,
                "C1: {} blocks of unit {number} of {dev:?} lie outside, {recorded} were written",
                unit.outside_blocks()
            );
            if !rule.never() && !is_alone(&self.eye, dev, &unit, &self.life.pages).expect("the base's word") {
                assert!(unit.outside_blocks() < rule.abundant(UNIT), "C2: unit {number} of {dev:?} is due");
                assert!(unit.deltas() <= rule.deltas_max, "C3: {} deltas", unit.deltas());
            }
            // A block of both would count twice, one of neither not at all.
            let map = &self.life.model.versions[&dev].map;
            let mapped = map.range(number * UNIT..(number + 1) * UNIT).count() as u64;
            let parts = (unit.inside_blocks(), unit.outside_blocks());
            assert_eq!(parts.0 + parts.1, mapped, "C6: base and deltas are not the unit: {parts:?}");
        }
    }
}

/// Histories with the books beside them.
fn recorded_histories(rule: Rule, seeds: u64) {
    let factory = move || with(rule);
    for seed in 0..seeds {
        let mut all = Recorded::new(&factory, rule, "recorded_histories", seed);
        let mut devs = Vec::from([all.create()]);
        all.write(devs[0], 0, BLOCKS);
        for _ in 0..120 {
            let dev = *all.life.dice.one_of(&devs);
            match all.life.dice.below(10) {
                0 | 1 if devs.len() < 6 => devs.push(all.take(dev, Access::Writable)),
                2 if devs.len() > 1 => {
                    all.delete(dev);
                    devs.retain(|other| *other != dev);
                }
                3 | 4 => {
                    all.relocate();
                    all.holds(rule);
                }
                _ => {
                    let blocks = all.life.dice.log_uniform(6);
                    let at = all.life.dice.below(BLOCKS - blocks + 1);
                    all.write(dev, at, blocks);
                }
            }
        }
        all.life.audit(); // C4 by the base's own check, C5 by the oracle
    }
}

pub(crate) fn settles() {
    recorded_histories(RULE, 20);
}

#[test]
fn after_its_copies_every_unit_is_as_the_rule_has_it() {
    settles();
    recorded_histories(Rule { deltas_max: 1, theta: 0.5, ..RULE }, 10);
    recorded_histories(Rule { theta: 0.0, ..RULE }, 10);
}

/// Clone the newest, write one block in each unit, copy what is due; again. What was written and copied.
fn rounds(rule: Rule, rounds: u64, blocks_a_round: u64) -> (u64, u64, u64) {
    let factory = move || with(rule);
    let mut all = Recorded::new(&factory, rule, "rounds", 1);
    let volume = all.create();
    all.write(volume, 0, BLOCKS);
    let mut dev = all.take(volume, Access::Writable);
    for unit in 0..4 {
        all.write(volume, unit * UNIT, UNIT); // a whole unit is rewritten: the clone is alone with the old one
        all.write(dev, unit * UNIT, UNIT);
    }
    all.delete(volume);
    all.relocate();
    all.touched.clear(); // what is alone need not be in order
    (all.user_blocks, all.full_blocks, all.packed_blocks) = (0, 0, 0);
    for round in 0..rounds {
        dev = all.take(dev, Access::Writable);
        for unit in 0..4 {
            for block in 0..blocks_a_round {
                all.write(dev, unit * UNIT + (round * blocks_a_round + block) * 5 % UNIT, 1);
            }
        }
        all.relocate();
        all.holds(rule);
    }
    (all.user_blocks, all.full_blocks, all.packed_blocks)
}

pub(crate) fn chain_of_small_edits() {
    let (user, full, _) = rounds(RULE, 8, 1);
    assert_eq!((user, full), (32, 4 * 2 * UNIT), "one block a clone: every fourth clone copies each unit");
}

#[test]
fn a_long_chain_of_small_edits_is_copied_in_the_end() {
    chain_of_small_edits();
}

#[test]
fn the_cost_of_copies_reaches_its_bound_and_stays_there() {
    for (theta, abundant) in [(0.25, 4), (0.5, 8)] {
        let rule = Rule { theta, deltas_max: 16, ..RULE };
        let (user, full, packed) = rounds(rule, 8, abundant);
        let amplification = (user + full + packed) as f64 / user as f64;
        let bound = (1.0 + theta) / theta;
        // The adversary writes just enough in each round; but now and then a block lands beside its base by chance.
        assert!((0.9 * bound..=bound).contains(&amplification), "{amplification} for {theta}");
        let (user, full, packed) = rounds(rule, 9, abundant - 1);
        assert_eq!(packed, 0);
        assert!(((user + full) as f64 / user as f64) < bound);
    }
}

#[test]
fn nothing_is_copied_above_one_and_all_at_once_at_nought() {
    let (_, full, packed) = rounds(Rule { theta: 1.5, ..RULE }, 8, 3);
    assert_eq!((full, packed), (0, 0));
    let (_, full, _) = rounds(Rule { theta: 0.0, ..RULE }, 8, 1);
    assert_eq!(full, 8 * BLOCKS, "each clone copies each unit in which it writes");
}

#[test]
fn packing_keeps_the_deltas_few() {
    let (_, full, packed) = rounds(Rule { theta: 1.0, deltas_max: 2, ..RULE }, 10, 1);
    assert!(full == 0 && packed > 0);
}

#[test]
fn latent_growth_is_what_full_copies_would_take() {
    let mut life = SchemeLife::new(&make, "latent_growth", 0);
    let growth = |life: &SchemeLife, dev| life.scheme.latent_growth_blocks(dev, &life.pages).expect("growth");
    let dev = life.create(BLOCKS);
    life.write(dev, LbaRange::new(Lba(0), UNIT));
    let clone = life.snapshot(dev, Access::Writable);
    life.write(clone, LbaRange::new(Lba(0), UNIT));
    life.delete(dev);
    life.tend_to_idle(50);
    let other = life.snapshot(clone, Access::Writable);
    life.write(other, LbaRange::new(Lba(0), 4));
    life.relocate();
    assert_eq!((growth(&life, clone), growth(&life, other)), (0, 0), "one base each, or copied");
    let third = life.snapshot(other, Access::Writable);
    life.write(third, LbaRange::new(Lba(3), 2));
    assert_eq!(growth(&life, third), UNIT - 2, "the base that it shares, but for what it has anew");
    let fourth = life.snapshot(third, Access::Writable);
    assert_eq!(
        growth(&life, fourth),
        UNIT,
        "a delta is shared as the base is, and a copy of it takes as much"
    );
}

/// Where the blocks of a version lie.
fn runs(life: &SchemeLife, dev: DevId) -> usize {
    let places: Vec<u64> = life.model.versions[&dev].map.values().map(|on| on.0).collect();
    1 + places.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count()
}

#[test]
fn a_write_that_makes_a_unit_abundant_takes_the_rest_along() {
    let make = || with(Rule { along: true, theta: 0.25, ..RULE });
    let mut life = SchemeLife::new(&make, "along", 3);
    let dev = life.create(BLOCKS);
    life.write(dev, LbaRange::new(Lba(0), BLOCKS));
    let copies = |life: &SchemeLife, dev, at, blocks| -> Vec<(u64, u64)> {
        let plan: WritePlan = life.plan(dev, LbaRange::new(Lba(at), blocks)).expect("a plan");
        plan.copies().map(|(at, from)| (at.0, from.blocks)).collect()
    };
    let blocks = |copies: Vec<(u64, u64)>| copies.iter().map(|(_, blocks)| blocks).sum::<u64>();
    assert_eq!(blocks(copies(&life, dev, 20, 8)), 0, "it is alone");
    let clone = life.snapshot(dev, Access::Writable);
    assert_eq!(blocks(copies(&life, clone, 20, 8)), UNIT - 8, "half of a unit");
    assert_eq!(blocks(copies(&life, clone, 10, 2 * UNIT)), 10 + 6, "the ends of both units at its ends");
    assert_eq!(copies(&life, clone, UNIT, UNIT), [], "nothing beside a whole unit");
}

#[test]
fn blocks_of_an_unshared_unit_come_home() {
    let make = || with(Rule { fold: true, ..RULE });
    let mut life = SchemeLife::new(&make, "fold", 0);
    let dev = life.create(UNIT);
    life.write(dev, LbaRange::new(Lba(0), UNIT));
    let clone = life.snapshot(dev, Access::Writable);
    life.write(clone, LbaRange::new(Lba(0), 8));
    life.relocate();
    life.delete(dev);
    life.tend_to_idle(50);
    assert_eq!(runs(&life, clone), 1, "it was copied, as half of it was written");
    for at in [2, 9, 10, 15] {
        life.write(clone, LbaRange::new(Lba(at), 1));
    }
    assert!(runs(&life, clone) > 1);
    let copied = life.relocate();
    assert_eq!(runs(&life, clone), 1, "the freed places were free still");
    assert_eq!(copied.iter().map(|(_, plan)| plan.blocks_bound()).sum::<u64>(), 4, "no block but those");
    life.audit();
}

#[test]
fn what_nobody_asks_for_is_remembered_within_bounds() {
    let rule = Rule { unit_blocks: 2, read_seeks: 9, ..RULE };
    let mut touched = crate::touched::Touched::new(&rule);
    for dev in [DevId(1), DevId(2)] {
        touched.note(dev, 0..1 << 30);
        (0..1 << 18).for_each(|unit| touched.pay((dev, unit), rule.read_seeks));
    }
    assert!(touched.len() <= crate::touched::UNITS_MAX, "{} units", touched.len());
}

#[test]
fn one_go_looks_at_so_many_units_and_the_next_goes_on_behind_them() {
    let mut touched = crate::touched::Touched::new(&Rule { look_budget: 2, ..RULE });
    let go = |touched: &mut crate::touched::Touched| {
        core::iter::from_fn(|| touched.pop()).map(|((_, unit), _)| unit).collect::<Vec<_>>()
    };
    touched.note(DevId(1), 0..4);
    assert_eq!(go(&mut touched), [0, 1]);
    touched.note(DevId(1), 0..1);
    assert_eq!(go(&mut touched), [2, 3], "unit 0 was written again, and does not hide those behind it");
    assert_eq!(go(&mut touched), [0]);
    assert_eq!(go(&mut touched), []);
}

#[test]
fn what_is_read_often_enough_is_copied() {
    let rule = Rule { theta: 2.0, read_seeks: 6, ..RULE };
    let make = move || with(rule);
    let mut life = SchemeLife::new(&make, "reads", 0);
    let dev = life.create(BLOCKS);
    life.write(dev, LbaRange::new(Lba(0), BLOCKS));
    (0..10).for_each(|_| drop(life.relocate()));
    assert!(life.relocate().is_empty(), "every unit is one run: a step from one to the next is no reason");
    let clone = life.snapshot(dev, Access::Writable);
    life.write(clone, LbaRange::new(Lba(5), 1));
    assert_eq!(life.scheme.latent_growth_blocks(clone, &life.pages), Ok(UNIT - 1));
    let scans: Vec<_> = (0..9).map(|_| life.relocate()).collect();
    let copied: Vec<_> = scans
        .iter()
        .map(|copied| copied.iter().map(|(dev, plan)| (*dev, plan.blocks_bound())).collect::<Vec<_>>())
        .collect();
    // To the delta and back is two seeks a scan.
    assert_eq!(copied.iter().position(|copied| !copied.is_empty()), Some(2));
    assert_eq!(copied.concat(), [(clone, UNIT)]);
    life.audit();
}

#[test]
fn what_a_snapshot_is_read_costs_it_nothing() {
    let make = || with(Rule { read_seeks: 1, theta: 2.0, ..RULE });
    let mut life = SchemeLife::new(&make, "snapshot", 0);
    let dev = life.create(UNIT);
    life.write(dev, LbaRange::new(Lba(0), UNIT));
    life.write(dev, LbaRange::new(Lba(5), 1));
    let snapshot = life.snapshot(dev, Access::ReadOnly);
    let copied = life.relocate();
    assert!(copied.iter().all(|(dev, _)| *dev != snapshot), "{copied:?}");
    assert!(runs(&life, snapshot) > 1);
    life.audit();
}

#[test]
fn a_parameter_of_the_base_has_the_default_of_the_base() {
    let entry = crate::entry("test", "", |settings| over(&spinney_snap_refcount::ENTRY, settings));
    let fanout = |parameters: &[spinney_core::Parameter]| {
        parameters.iter().find(|parameter| parameter.name == "fanout").map(|parameter| parameter.default)
    };
    assert_eq!(fanout(entry.parameters), fanout(spinney_snap_refcount::ENTRY.parameters));
    assert!((entry.build)(&spinney_core::Settings::new()).is_ok());
}
