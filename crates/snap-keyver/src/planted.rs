//! Wrong repairs of the scheme's rules, which the laws must catch. In builds that ship there is none.
//!
//! Invariant: each changes one rule and nothing else.

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A version sees the key of the node that is farthest above it.
    FarthestKey,
    /// A discard leaves nothing instead of a whiteout.
    HolesWithoutWhiteouts,
    /// Of the two sides below a node only one is asked what it sees.
    HeirDecides,
    /// What a node says that has one living side is let go of instead of moved down.
    HeirGetsNothing,
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
    use crate::KeyVersions;
    use alloc::boxed::Box;
    use spinney_snap::SnapshotScheme;
    use spinney_testkit::planted::each_is_caught;
    use spinney_testkit::scheme_laws::random_histories_agree_with_a_map_of_maps as histories;
    use std::cell::Cell;

    std::thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    #[test]
    fn each_planted_fault_is_caught_by_the_histories_and_nothing_else_is() {
        let make = || Box::new(KeyVersions::new(false)) as Box<dyn SnapshotScheme>;
        let faults =
            [Fault::FarthestKey, Fault::HolesWithoutWhiteouts, Fault::HeirDecides, Fault::HeirGetsNothing];
        each_is_caught(&faults, |fault| PLANTED.set(fault), || histories(&make));
    }
}
