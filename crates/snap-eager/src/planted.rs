//! Wrong repairs of the scheme's rules, which the laws must catch. In builds that ship there is none.
//!
//! Invariant: each changes one rule and nothing else.

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A snapshot leaves the flags as they are: what has two owners is taken for owned alone.
    FlagsStay,
    /// A copied table counts its blocks once more, as if counts were of tables.
    CopyCounts,
    /// A deleted version counts its first table down from the front again in each call.
    ForgetsCursor,
}

#[cfg(not(test))]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}

#[cfg(test)]
pub(crate) use tests::planted;

#[cfg(test)]
mod tests {
    use super::Fault;
    use crate::Eager;
    use alloc::boxed::Box;
    use spinney_snap::SnapshotScheme;
    use spinney_testkit::scheme_laws::histories_with_single_slot_deletes_agree as histories;
    use std::cell::Cell;
    use std::panic::catch_unwind;

    std::thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    fn is_caught(fault: Fault) -> bool {
        PLANTED.set(Some(fault));
        let make = || Box::new(Eager::new(3, false).expect("a fanout")) as Box<dyn SnapshotScheme>;
        let caught = catch_unwind(|| histories(&make)).is_err();
        PLANTED.set(None);
        caught
    }

    #[test]
    fn each_planted_fault_is_caught_by_the_histories() {
        for fault in [Fault::FlagsStay, Fault::CopyCounts, Fault::ForgetsCursor] {
            assert!(is_caught(fault), "{fault:?} was not seen");
        }
    }
}
