//! R47: to ask that a block be free in the old map and in the new one is to defer frees by one commit, but for blocks that
//! live for less than one.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_bitmap::{CursorIndex, OldAndNew};
use spinney_core::{Extent, Pba};
use spinney_testkit::Dice;
use std::collections::BTreeSet;

const UNIVERSE: Extent = Extent { start: Pba(100), blocks: 3000 };

/// One cursor over a set to which frees come at the commit.
struct Deferral {
    free: CursorIndex,
    waiting: Vec<Extent>,
}

impl Deferral {
    fn new() -> Deferral {
        let mut free = CursorIndex::default();
        free.reset(UNIVERSE);
        free.insert(UNIVERSE);
        Deferral { free, waiting: Vec::new() }
    }
    fn commit(&mut self) {
        self.waiting.drain(..).for_each(|run| self.free.insert(run));
    }
    fn is_allocatable(&self, at: Pba) -> bool {
        self.free.is_free(Extent::new(at, 1))
    }
}

/// Near full, overwriting what earlier commits left: each pick is the same, to the block.
#[test]
fn both_hand_out_the_same_blocks_if_none_dies_in_its_first_commit() {
    for seed in 0..20 {
        let mut dice = Dice::new("both_hand_out_the_same_blocks_if_none_dies_in_its_first_commit", seed);
        let (mut maps, mut deferral) = (OldAndNew::new(UNIVERSE), Deferral::new());
        let (mut old, mut young): (Vec<Extent>, Vec<Extent>) = (Vec::new(), Vec::new());
        let mut refused = 0;
        for turn in 0..4000 {
            let blocks = dice.log_uniform(20);
            let picked = deferral.free.pick(&Want::up_to(blocks));
            assert_eq!(maps.pick(blocks), picked, "turn {turn}");
            refused += u64::from(picked.is_none());
            young.extend(picked);
            // Of what was there at the last commit, some goes once space is short.
            if !old.is_empty() && deferral.free.free_blocks() < 60 {
                let run = old.swap_remove(dice.below(old.len() as u64) as usize);
                maps.release(run);
                deferral.waiting.push(run);
            }
            let waiting: u64 = deferral.waiting.iter().map(|run| run.blocks).sum();
            assert_eq!(maps.pending_blocks(), waiting, "turn {turn}");
            if dice.one_in(30) {
                maps.commit();
                deferral.commit();
                old.append(&mut young);
            }
        }
        assert!(refused > 0, "seed {seed}: the space was never short");
    }
}

/// Any stream: the old-and-new rule frees what deferral frees, and the blocks that were born and died since the commit.
#[test]
fn they_differ_by_the_blocks_that_were_born_and_died_since_the_commit() {
    let mut dice = Dice::new("they_differ_by_the_blocks_that_were_born_and_died_since_the_commit", 1);
    let (mut maps, mut deferral) = (OldAndNew::new(UNIVERSE), Deferral::new());
    let (mut held, mut born, mut died_young) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut seen = 0;
    for turn in 0..2000 {
        if dice.one_in(2) {
            // A run that both agree on.
            if let Some(run) = deferral.free.pick(&Want::up_to(dice.log_uniform(20))) {
                maps.claim(run);
                born.extend(run.iter());
                held.push(run);
            }
        } else if !held.is_empty() {
            let run: Extent = held.swap_remove(dice.below(held.len() as u64) as usize);
            maps.release(run);
            deferral.waiting.push(run);
            died_young.extend(run.iter().filter(|at| born.contains(at)));
        }
        for at in UNIVERSE.iter() {
            let expected = deferral.is_allocatable(at) || died_young.contains(&at);
            assert_eq!(maps.is_allocatable(at), expected, "turn {turn}, block {at:?}");
        }
        seen += died_young.len();
        if dice.one_in(20) {
            maps.commit();
            deferral.commit();
            born.clear();
            died_young.clear();
        }
    }
    assert!(seen > 0);
}
