//! Wrong repairs of the scheme's rules, which the laws must catch. In builds that ship there is none.
//!
//! Invariant: each changes one rule and nothing else.

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A hidden version lets go when one version below it does: the heir decides, its siblings are not asked.
    AsksNoSibling,
    /// What was born in the epoch that a snapshot ended is taken for younger than it.
    BirthOffByOne,
    /// When a version leaves a hidden one, what its siblings all have on their lists is not looked for.
    ComparesNothing,
    /// A snapshot begins with empty lists, and the volume keeps those that it had.
    SnapshotTakesNoLists,
    /// What a clone made and let go of stays on its live list.
    KeepsWhatIsFreedListed,
    /// A deleted snapshot of a clone is dissolved, and what was made since is not added to its live list.
    DissolvesWithoutJoining,
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
    use crate::DeadList;
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
        let make = || {
            let scheme = DeadList::new(3, false).expect("a fanout").with_livelists();
            Box::new(scheme) as Box<dyn SnapshotScheme>
        };
        let faults = [
            Fault::AsksNoSibling,
            Fault::BirthOffByOne,
            Fault::ComparesNothing,
            Fault::SnapshotTakesNoLists,
            Fault::KeepsWhatIsFreedListed,
            Fault::DissolvesWithoutJoining,
        ];
        each_is_caught(&faults, |fault| PLANTED.set(fault), || histories(&make));
    }
}
