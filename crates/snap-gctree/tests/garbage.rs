//! Blocks that are held although no version maps them: how many, and when none.
//!
//! Invariant of the tests: an oracle of plain maps says what is mapped; a life is looked at when it is idle. `--nocapture` prints the
//! shares, which the README quotes.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use spinney_snap::SnapshotScheme;
use spinney_snap_gctree::{Encoding, GcTree};
use spinney_testkit::scheme_laws::{give_all_back, history, seeds};
use spinney_testkit::scheme_life::SchemeLife;

/// Histories of each encoding, of eight stretches of thirty steps.
const HISTORIES: u64 = 150;

fn scheme(encoding: Encoding, seed: u64) -> GcTree {
    GcTree::new(encoding, 2 + seed % 4, 12).unwrap()
}

/// Versions that are hidden now, as a scheme that opens the same pages counts them.
fn hidden(life: &mut SchemeLife, encoding: Encoding, seed: u64) -> u64 {
    let root = life.commit();
    let mut other = scheme(encoding, seed);
    other.open(&root, &life.pages).unwrap();
    other.hidden_versions(&life.pages).unwrap()
}

fn garbage_of(encoding: Encoding, law: &'static str) {
    let (mut garbage, mut live, mut worst) = (0, 0, 0.0_f64);
    for seed in seeds(HISTORIES) {
        let make: &dyn Fn() -> Box<dyn SnapshotScheme> = &|| Box::new(scheme(encoding, seed));
        let mut life = SchemeLife::new(make, law, seed);
        let pages_min = life.pages.live().count();
        for _ in 0..8 {
            history(&mut life, 30, seed % 2 == 0);
            life.tend_to_idle(50);
            let (held, mapped) = (life.garbage(), life.model.reachable().len() as u64);
            (garbage, live) = (garbage + held, live + mapped);
            worst = worst.max(held as f64 / mapped.max(1) as f64);
            assert!(
                held == 0 || encoding != Encoding::Counted,
                "seed {seed}: {held} blocks are held for nobody"
            );
            assert!(
                held == 0 || hidden(&mut life, encoding, seed) > 0,
                "seed {seed}: {held} blocks without a hidden version"
            );
        }
        give_all_back(&mut life, pages_min);
    }
    eprintln!(
        "{encoding:?}: {:.2} % of live on average, {:.1} % at worst",
        100.0 * garbage as f64 / live as f64,
        100.0 * worst
    );
}

#[test]
fn by_birth_epochs_only_hidden_versions_hold_garbage() {
    garbage_of(Encoding::Epochs, "by_birth_epochs_only_hidden_versions_hold_garbage");
}

#[test]
fn by_borrowed_bits_only_hidden_versions_hold_garbage() {
    garbage_of(Encoding::Bits, "by_borrowed_bits_only_hidden_versions_hold_garbage");
}

#[test]
fn counted_slots_hold_no_garbage() {
    garbage_of(Encoding::Counted, "counted_slots_hold_no_garbage");
}
