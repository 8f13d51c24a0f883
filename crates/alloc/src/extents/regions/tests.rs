//! Both ways to keep a region's runs, given the same changes, give the same answers.

use super::bits::Bits;
use super::list::List;
use super::runs::{Run, Runs};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

const BLOCKS: u32 = 1024;

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(limit)) as u32
    }
}

fn runs(dice: &mut Dice) -> BTreeMap<u32, u16> {
    let (mut runs, mut at) = (BTreeMap::new(), dice.below(3));
    let sizes = 1 + dice.below(9);
    while at < BLOCKS {
        let told = if dice.below(12) == 0 { 1 + dice.below(300) } else { 1 + dice.below(sizes) };
        runs.insert(at, told as u16);
        at += told + 1 + dice.below(5);
    }
    // The last one may reach far behind the region.
    if let Some(mut last) = runs.last_entry()
        && dice.below(2) == 0
    {
        *last.get_mut() = (BLOCKS - last.key() + dice.below(70_000)).min(65_535) as u16;
    }
    runs
}

fn both(model: &BTreeMap<u32, u16>) -> [Runs; 2] {
    let (mut list, mut bits) = (List::with_room(model.len() + 1), Bits::new(BLOCKS));
    for (place, (start, told)) in model.iter().enumerate() {
        list.insert(place, *start, *told);
        bits.insert(*start, *told);
    }
    [Runs::List(list), Runs::Bits(Box::new(bits))]
}

fn all(runs: &Runs) -> Vec<(u32, u16)> {
    let next = |run: &Run| runs.from(run.place + 1);
    core::iter::successors(runs.from(0), next).map(|run| (run.start, run.told)).collect()
}

#[test]
fn lists_and_bits_answer_as_a_map_does() {
    for seed in 0..400 {
        let mut dice = Dice(seed);
        let model = runs(&mut dice);
        for runs in both(&model) {
            let name = if matches!(runs, Runs::List(_)) { "list" } else { "bits" };
            assert_eq!(all(&runs), Vec::from_iter(model.clone()), "{name}, seed {seed}");
            let plain = |run: Option<Run>| run.map(|run| (run.start, run.told));
            let owned = |(start, told): (&u32, &u16)| (*start, *told);
            let low = dice.below(BLOCKS);
            let seat = runs.seat(low);
            assert_eq!(
                plain(runs.before(seat)),
                model.range(..=low).next_back().map(owned),
                "{name}, seed {seed}"
            );
            assert_eq!(
                plain(runs.from(seat)),
                model.range(low + 1..).next().map(owned),
                "{name}, seed {seed}"
            );
            let told = 1 + dice.below(80) as u16;
            let exact = model.range(low + 1..).find(|run| *run.1 == told).map(owned);
            assert_eq!(plain(runs.exactly(seat, told)), exact, "{name}, seed {seed}: {told} from {low}");
            let large = model.range(low + 1..).find(|run| *run.1 >= told).map(owned);
            assert_eq!(plain(runs.at_least(seat, told)), large, "{name}, seed {seed}: {told} from {low}");
            assert_eq!(runs.between(seat, usize::MAX), model.range(low + 1..).count(), "{name}, seed {seed}");
            let longest = model.values().copied().max().unwrap_or(0);
            let any = model.values().any(|has| *has == told);
            assert_eq!(runs.longest_and_any(told, told.max(longest)).1, any, "{name}, seed {seed}");
            assert_eq!(runs.longest_and_any(longest, longest).0, longest, "{name}, seed {seed}");
        }
    }
}

#[test]
fn lists_and_bits_change_alike() {
    for seed in 0..200 {
        let mut dice = Dice(seed);
        let mut model = runs(&mut dice);
        let mut both = both(&model);
        for turn in 0..40 {
            let at = dice.below(model.len() as u32) as usize;
            let (start, told) = model.iter().nth(at).map(|(start, told)| (*start, *told)).unwrap();
            let smaller = told - dice.below(u32::from(told)) as u16;
            let moved = start + u32::from(told - smaller);
            // A run is taken from the front, unless that leaves the region; or altogether.
            let keep = turn % 3 > 0 && moved < BLOCKS || model.len() == 1;
            model.remove(&start);
            if keep && moved < BLOCKS {
                model.insert(moved, smaller);
            }
            for runs in &mut both {
                let place = runs.before(runs.seat(start)).unwrap().place;
                if keep && moved < BLOCKS {
                    runs.set(place, moved, smaller)
                } else {
                    runs.remove(place)
                }
                assert_eq!(all(runs), Vec::from_iter(model.clone()), "seed {seed}, turn {turn}");
            }
            if model.is_empty() {
                break;
            }
        }
    }
}

#[test]
fn a_region_changes_its_container_late_and_back_later() {
    let (mut runs, most) = (Runs::default(), 1024 / 8 / 4);
    let mut bits = Vec::new();
    for at in 0..2 * most as u32 {
        runs.insert(runs.seat(at * 3), at * 3, 1, BLOCKS);
        bits.push(matches!(runs, Runs::Bits(_)));
    }
    assert_eq!(
        bits.iter().position(|bits| *bits),
        Some(most),
        "the run that a list of {most} has no room for"
    );
    for at in (0..2 * most as u32).rev() {
        runs.remove(runs.before(runs.seat(at * 3)).unwrap().place);
        runs.tidy(BLOCKS);
        assert_eq!(matches!(runs, Runs::Bits(_)), at as usize > most * 2 / 3, "{at} runs");
        assert_eq!(all(&runs), Vec::from_iter((0..at).map(|at| (at * 3, 1))));
    }
}
