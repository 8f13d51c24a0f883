//! Faults that a plug-in plants in its own code for a test: a law must pass without them and see each.
//!
//! Invariant: no fault is planted when this returns, or ends with a panic of the law itself. Knows no fault.

use core::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// `law` passes with nothing planted, and fails with each of `faults`. Panics: with the fault that was not seen.
pub fn each_is_caught<F: Copy + Debug>(faults: &[F], plant: impl Fn(Option<F>), law: impl Fn()) {
    plant(None);
    law();
    for fault in faults {
        plant(Some(*fault));
        let seen = catch_unwind(AssertUnwindSafe(&law)).is_err();
        plant(None);
        assert!(seen, "{fault:?} was not seen");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn law_over(planted: &Cell<Option<u32>>, seen: u32) {
        each_is_caught(&[1, 2], |fault| planted.set(fault), || assert_ne!(planted.get(), Some(seen)));
    }

    #[test]
    #[should_panic(expected = "2 was not seen")]
    fn a_law_that_misses_a_fault_is_told() {
        law_over(&Cell::new(None), 1);
    }

    #[test]
    #[should_panic(expected = "fails by itself")]
    fn a_law_that_fails_without_a_fault_sees_nothing() {
        each_is_caught(&[1], |_| {}, || panic!("fails by itself"));
    }

    #[test]
    fn nothing_is_planted_afterwards() {
        let planted = Cell::new(Some(3));
        each_is_caught(&[1, 2], |fault| planted.set(fault), || assert!(planted.get().is_none()));
        assert_eq!(planted.get(), None);
    }
}
