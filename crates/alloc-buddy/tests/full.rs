//! A large fragmented space under each policy, filled to its last block.
//!
//! Invariant: the same calls in every run. Knows no policy's inner parts.

use spinney_alloc::{FreeIndex, Want};
use spinney_alloc_buddy::{BuddyIndex, SlabIndex, VmemIndex};
use spinney_core::{Extent, Pba};
use spinney_testkit::Dice;

const BLOCKS: u64 = 1 << 19;

/// Requests of many sizes at 95 % until each block is taken: larger ones are halved until one is served, as a caller would.
fn fills_up(mut index: Box<dyn FreeIndex>, name: &str) {
    let (mut dice, all) = (Dice::new("full", 7), Extent::new(Pba(0), BLOCKS));
    index.reset(all);
    index.insert(all);
    let mut held = Vec::new();
    let take = |index: &mut Box<dyn FreeIndex>, blocks: u64, held: &mut Vec<Extent>| {
        let mut blocks = blocks.min(index.free_blocks());
        while blocks > 0 {
            if let Some(run) = index.pick(&Want::exactly(blocks)) {
                return held.push(run);
            }
            blocks /= 2;
        }
        panic!("{name}: no block although {} are free", index.free_blocks());
    };
    for _ in 0..30_000 {
        while index.free_blocks() > BLOCKS / 20 {
            take(&mut index, dice.log_uniform(256), &mut held);
        }
        let at = dice.below(held.len() as u64) as usize;
        index.insert(held.swap_remove(at));
    }
    while index.free_blocks() > 0 {
        take(&mut index, dice.log_uniform(256), &mut held);
    }
    assert_eq!((index.free_runs(), held.iter().map(|run| run.blocks).sum::<u64>()), (0, BLOCKS), "{name}");
}

#[test]
fn buddies_reach_the_last_block() {
    fills_up(Box::new(BuddyIndex::default()), "buddy");
}

#[test]
fn slabs_reach_the_last_block() {
    fills_up(Box::new(SlabIndex::default()), "slab");
}

#[test]
fn instant_fit_reaches_the_last_block() {
    fills_up(Box::new(VmemIndex::default()), "vmem");
}
