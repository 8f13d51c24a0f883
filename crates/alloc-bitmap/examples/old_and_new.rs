//! R47 in figures: a space 95 % full is overwritten in random single blocks under dm-thin's two maps; how many freed blocks
//! wait for the commit, and how many are had again before it.
//!
//! `cargo run --release -p spinney-alloc-bitmap --example old_and_new`

use spinney_alloc_bitmap::OldAndNew;
use spinney_core::{Extent, Pba};
use std::io::{Write, stdout};

const BLOCKS: u64 = 1 << 18;
const USED: usize = (BLOCKS as usize) / 100 * 95;
const COMMITS: usize = 40;

/// A linear congruential generator: the same on any machine.
fn draw(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn main() -> std::io::Result<()> {
    writeln!(stdout(), "frees a commit | waiting, mean | of the frees | died before the commit")?;
    for frees in [64, 256, 1024, 4096, 12_288] {
        let (mut waiting, mut young) = (0, 0);
        let mut maps = OldAndNew::new(Extent::new(Pba(0), BLOCKS));
        let mut state = 1;
        let mut held: Vec<(Pba, usize)> =
            (0..USED).map(|_| (maps.pick(1).expect("a block is free").start, 0)).collect();
        maps.commit();
        for commit in 1..=COMMITS {
            for _ in 0..frees {
                let fresh = maps.pick(1).expect("five in a hundred are free").start;
                let at = draw(&mut state) % USED;
                let (old, born) = std::mem::replace(&mut held[at], (fresh, commit));
                maps.release(Extent::new(old, 1));
                young += usize::from(born == commit);
            }
            waiting += maps.pending_blocks();
            maps.commit();
        }
        let mean = waiting as f64 / COMMITS as f64;
        let (share, young) = (mean / frees as f64, young as f64 / (COMMITS * frees) as f64);
        writeln!(stdout(), "{frees:>14} | {mean:>13.1} | {share:>12.4} | {young:.4}")?;
    }
    Ok(())
}
