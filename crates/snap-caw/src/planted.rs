//! The suite would see a wrong reading of the policy: each is planted and found.
//!
//! Invariant: a fault is found if an assertion ends a test that passes without it.

use crate::fault::Fault;
use crate::tests::{chain_of_small_edits, make, settles};
use spinney_testkit::scheme_laws::random_histories_agree_with_a_map_of_maps as histories;
use std::cell::Cell;
use std::panic::catch_unwind;

std::thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
}

pub(crate) fn planted(fault: Fault) -> bool {
    PLANTED.get() == Some(fault)
}

fn is_found(fault: Fault, test: fn()) -> bool {
    test();
    PLANTED.set(Some(fault));
    let found = catch_unwind(test).is_err();
    PLANTED.set(None);
    found
}

#[test]
fn counting_since_the_last_clone_is_found() {
    assert!(is_found(Fault::CountsSinceTheLastClone, chain_of_small_edits));
    assert!(is_found(Fault::CountsSinceTheLastClone, settles));
}

#[test]
fn a_base_that_reaches_into_deltas_is_found() {
    assert!(is_found(Fault::DeltasReachIntoTheBase, settles));
}

#[test]
fn overwriting_a_shared_delta_is_found() {
    assert!(is_found(Fault::OverwritesSharedDeltas, || histories(&make)));
}
