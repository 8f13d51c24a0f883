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
    use spinney_testkit::planted::each_is_caught;
    use spinney_testkit::scheme_laws::histories_with_single_slot_deletes_agree as histories;
    use std::cell::Cell;

    std::thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    #[test]
    fn each_planted_fault_is_caught_by_the_histories_and_nothing_else_is() {
        let make = || Box::new(Eager::new(3, false).expect("a fanout")) as Box<dyn SnapshotScheme>;
        let faults = [Fault::FlagsStay, Fault::CopyCounts, Fault::ForgetsCursor];
        each_is_caught(&faults, |fault| PLANTED.set(fault), || histories(&make));
    }
}
