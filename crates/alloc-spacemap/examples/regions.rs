//! What a commit writes when it touches every region: a map for each, or one part of a log.
//!
//! `cargo run -p spinney-alloc-spacemap --example regions`

#![expect(clippy::print_stdout, reason = "an example tells what it found")]

use spinney_alloc::Want;
use spinney_alloc_spacemap::{METASLAB, ZFS};
use spinney_core::{Epoch, Extent, Pba, Result, Setting, Settings};
use spinney_testkit::{Dice, MemoryPages};

const REGIONS: u64 = 100;
const REGION_BLOCKS: u64 = 4096;

fn main() -> Result<()> {
    for (entry, log) in [(METASLAB, false), (ZFS, true)] {
        let settings = Settings::new().with("region_blocks", Setting::Integer(REGION_BLOCKS));
        let mut space = (entry.build)(&settings.with("log", Setting::Switch(log)))?;
        let (mut pages, mut dice) = (MemoryPages::new(), Dice::new("regions", 1));
        space.format(Extent::new(Pba(0), REGIONS * REGION_BLOCKS), &mut pages)?;
        let mut held = Vec::new();
        let mut grant = space.reserve(REGIONS * REGION_BLOCKS * 8 / 10)?;
        while grant.blocks() > 0 {
            held.push(space.allocate(&Want::up_to(4), &mut grant, &pages)?);
        }
        space.settle(grant);
        let mut written = Vec::new();
        for epoch in 1..=60 {
            for _ in 0..1000 {
                let at = dice.below(held.len() as u64) as usize;
                space.release(held.swap_remove(at), &pages)?;
                let mut grant = space.reserve(4)?;
                held.push(space.allocate(&Want::up_to(4), &mut grant, &pages)?);
                space.settle(grant);
            }
            pages.seal();
            space.commit(Epoch(epoch), &mut pages)?;
            space.committed(Epoch(epoch), None);
            written.push(pages.seal());
        }
        let mean = written[30..].iter().sum::<u64>() / 30;
        println!("{}: {mean} pages a commit of 1000 releases and allocations", entry.name);
    }
    Ok(())
}
