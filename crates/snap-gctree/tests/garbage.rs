//! Blocks that are held although no version maps them: how many, and when none.
//!
//! Invariant of the tests: the histories and the oracle are those of the testkit; garbage is counted whenever there is no background
//! work to do. `--nocapture` prints the shares, which the README quotes.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_snap::SnapshotScheme;
use spinney_snap_gctree::{Encoding, GcTree};
use spinney_testkit::history::{self, Tally};
use spinney_testkit::scheme_laws::{give_all_back, history, seeds};
use spinney_testkit::scheme_life::SchemeLife;

/// Histories of each encoding.
const HISTORIES: u64 = 60;

fn scheme(encoding: Encoding, seed: u64, sweep_percent: u64) -> GcTree {
    GcTree::new(encoding, 2 + seed / 3 % 4, sweep_percent).unwrap()
}

fn garbage_of(encoding: Encoding, sweep_percent: u64) -> Tally {
    let mut sum = Tally::default();
    for seed in seeds(HISTORIES) {
        let make: &dyn Fn() -> Box<dyn SnapshotScheme> = &|| Box::new(scheme(encoding, seed, sweep_percent));
        sum = sum.and(history::run_steps(make, seed, 300, [None, Some(1)][(seed % 2) as usize]).unwrap());
    }
    eprintln!(
        "{encoding:?}, sweeps at {sweep_percent} %: {:.2} % of live on average, {:.1} % at worst, {} of {} idle moments above 15 %",
        100.0 * sum.garbage_blocks as f64 / sum.live_blocks as f64,
        sum.garbage_permille_max as f64 / 10.0,
        sum.high_moments,
        sum.idle_moments
    );
    sum
}

#[test]
fn garbage_is_always_below_15_percent_of_what_is_live() {
    for encoding in [Encoding::Epochs, Encoding::Bits] {
        let sum = garbage_of(encoding, 12);
        assert!(
            sum.garbage_blocks > 0,
            "{encoding:?}: nothing was ever held for nobody, so nothing is shown"
        );
        assert_eq!(sum.high_moments, 0, "{encoding:?}: {sum:?}");
    }
}

#[test]
fn with_a_sweep_after_every_drop_there_is_no_garbage() {
    for encoding in [Encoding::Epochs, Encoding::Bits] {
        assert_eq!(garbage_of(encoding, 0).garbage_blocks, 0, "{encoding:?}");
    }
}

#[test]
fn counted_slots_hold_no_garbage() {
    assert_eq!(garbage_of(Encoding::Counted, 0).garbage_blocks, 0);
}

/// Versions that are hidden now, as a scheme that opens the same pages counts them.
fn hidden(life: &mut SchemeLife, encoding: Encoding, seed: u64) -> u64 {
    let root = life.commit();
    let mut other = scheme(encoding, seed, 12);
    other.open(&root, &life.pages).unwrap();
    other.hidden_versions(&life.pages).unwrap()
}

#[test]
fn only_hidden_versions_hold_garbage() {
    for (encoding, seed) in [Encoding::Epochs, Encoding::Bits]
        .into_iter()
        .flat_map(|one| seeds(60).into_iter().map(move |seed| (one, seed)))
    {
        let make: &dyn Fn() -> Box<dyn SnapshotScheme> = &|| Box::new(scheme(encoding, seed, 12));
        let mut life = SchemeLife::new(make, "only_hidden_versions_hold_garbage", seed);
        let pages_min = life.pages.live().count();
        for _ in 0..6 {
            history(&mut life, 30, seed % 2 == 0);
            life.tend_to_idle(50);
            let garbage = life.garbage();
            let sound = garbage == 0 || hidden(&mut life, encoding, seed) > 0;
            assert!(sound, "seed {seed}: {garbage} blocks are held without a hidden version");
        }
        give_all_back(&mut life, pages_min);
    }
}
