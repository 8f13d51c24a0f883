//! The suite would see a broken rule: each repair that does not work, each rule left out, planted and found.
//!
//! Invariant: histories are those of the laws, with background work of one slot after each operation; a fault is found if
//! an assertion of the laws or an error of the scheme ends a history.

use crate::fault::{Fault, plant};
use crate::{Encoding, GcTree};
use spinney_snap::SnapshotScheme;
use spinney_testkit::scheme_laws::{give_all_back, history};
use spinney_testkit::scheme_life::SchemeLife;
use std::panic::{AssertUnwindSafe, catch_unwind};

const HISTORIES: u64 = 12;
const STEPS: u64 = 250;

fn one(encoding: Encoding, seed: u64) {
    let make: &dyn Fn() -> Box<dyn SnapshotScheme> =
        &|| Box::new(GcTree::new(encoding, 2 + seed % 3, 12).expect("a fanout"));
    let mut life = SchemeLife::new(make, "planted", seed);
    let pages_min = life.pages.live().count();
    history(&mut life, STEPS, true);
    give_all_back(&mut life, pages_min);
}

/// How many of the histories end badly.
fn found(encoding: Encoding, fault: Fault) -> u64 {
    std::panic::set_hook(Box::new(|_| {}));
    let bad = (0..HISTORIES).filter(|seed| {
        plant(Some(fault));
        let bad = catch_unwind(AssertUnwindSafe(|| one(encoding, *seed))).is_err();
        plant(None);
        bad
    });
    bad.count() as u64
}

#[test]
fn every_planted_fault_is_found() {
    let mut counts = Vec::new();
    for (encoding, fault) in [
        (Encoding::Bits, Fault::HeirAndGrandparent),
        (Encoding::Bits, Fault::EveryBorrower),
        (Encoding::Bits, Fault::HeirAbove),
        (Encoding::Bits, Fault::TransferBesideDiverged),
        (Encoding::Bits, Fault::NoParentGuard),
        (Encoding::Bits, Fault::NoChildGuard),
        (Encoding::Epochs, Fault::NoParentGuard),
        (Encoding::Epochs, Fault::NoChildGuard),
        (Encoding::Epochs, Fault::NoCursorRule),
    ] {
        counts.push((encoding, fault, found(encoding, fault)));
    }
    let _ = std::panic::take_hook();
    for (encoding, fault, count) in &counts {
        println!("{encoding:?} {fault:?}: {count} of {HISTORIES}");
    }
    let missed: Vec<_> = counts.iter().filter(|(_, _, count)| *count == 0).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
