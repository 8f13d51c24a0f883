//! The law of damaged pages: every single bit under a whole allocator, without a store's checksums in between.
//!
//! Invariant: one bit at a time differs from a sound image; what follows is `Corrupt`, or an allocator that can be checked, walked,
//! emptied, committed and opened again and names no block outside its universe. Never a panic or an endless walk. Knows no algorithm.

use crate::allocator_laws::AllocatorFactory;
use crate::allocator_life::AllocatorLife;
use crate::dice::Dice;
use crate::memory_pages::MemoryPages;
use spinney_alloc::Want;
use spinney_core::{Epoch, Error, Extent, Flow, PAYLOAD_BYTES, PageTxn, Pba, Result, Root};
use std::fmt::Display;

/// Commits before the damage: enough that what a policy defers is on pages.
const COMMITS: u64 = 6;
/// More pages than any allocator has of an image so small.
const WALK_MAX: u64 = 1 << 12;

/// Every bit of every page of an allocator over `blocks` blocks, and of its root: 32,512 flips a page, so few blocks make a short test.
pub fn every_flipped_bit_is_an_error_or_harmless(make: AllocatorFactory, blocks: u64) {
    let mut dice = Dice::new("every_flipped_bit_is_an_error_or_harmless", 0);
    let mut life = AllocatorLife::new(Extent::new(Pba(63), blocks), make);
    for _ in 0..COMMITS {
        life.churn(&mut dice);
        life.commit();
    }
    let mut refused = 0;
    let mut pages = life.pages.view();
    let live: Vec<_> = pages.live().collect();
    for (page, kind) in live {
        for bit in 0..PAYLOAD_BYTES * 8 {
            pages.edit(page, kind).expect("a live page")[bit / 8] ^= 1 << (bit % 8);
            refused += u64::from(survives(
                &life,
                make,
                &life.root,
                &pages,
                &format_args!("bit {bit} of page {page}"),
            ));
            pages.edit(page, kind).expect("a live page")[bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(refused > 100, "only {refused} flips were refused: is anything on the pages?");
    for bit in 0..life.root.bytes().len() * 8 {
        let mut bytes = life.root.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        survives(&life, make, &Root::new(&bytes), &life.pages, &format_args!("bit {bit} of the root"));
    }
}

/// Use what may be damaged. Whether it was refused.
fn survives(
    life: &AllocatorLife,
    make: AllocatorFactory,
    root: &Root,
    pages: &MemoryPages,
    what: &dyn Display,
) -> bool {
    match used_up(life, make, root, pages, what) {
        Ok(()) => false,
        Err(Error::Corrupt { .. }) => true,
        Err(other) => panic!("{what}: {other}"),
    }
}

/// Open, look at everything, take all that is free, commit, and open again. Errors: what any step finds.
fn used_up(
    life: &AllocatorLife,
    make: AllocatorFactory,
    root: &Root,
    pages: &MemoryPages,
    what: &dyn Display,
) -> Result<()> {
    let (mut allocator, mut pages) = (make(), pages.view());
    allocator.open(life.universe, root, &pages)?;
    allocator.committed(Epoch(life.epoch.0 - 1), None);
    let mut walked = 0;
    allocator.visit_pages(&pages, &mut |_| {
        walked += 1;
        assert!(walked < WALK_MAX, "{what}: an endless walk");
    })?;
    allocator.check(&pages, &mut |_| ())?;
    allocator.visit_free(&pages, &mut |run| {
        assert!(life.universe.contains(run), "{what}: {run:?} is free");
        Flow::Continue
    })?;
    let mut grant = allocator.reserve(allocator.stats().free_blocks)?;
    while grant.blocks() > 0 {
        let run = allocator.allocate(&Want::up_to(50), &mut grant, &pages)?;
        assert!(life.universe.contains(run), "{what}: {run:?} is issued");
    }
    allocator.settle(grant);
    allocator.hurry();
    let root = allocator.commit(life.epoch, &mut pages)?;
    make().open(life.universe, &root, &pages)
}
