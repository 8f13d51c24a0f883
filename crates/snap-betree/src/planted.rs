//! Wrong repairs of the scheme's rules, which the laws must catch. In builds that ship there is none.
//!
//! Invariant: each changes one rule and nothing else.

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A flush changes a node that others have too, instead of a copy.
    FlushIntoShared,
    /// A leaf is copied and its blocks are counted as before.
    CopyWithoutCounts,
    /// What is taken over from a node that stays is counted as before.
    TakenWithoutCounts,
    /// A hole that meets nothing in the next buffer is forgotten, whatever lies below.
    ForgottenHole,
    /// What a message lies over is let go of when the message is written, and not when it lands.
    LetGoAtOnce,
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
    use crate::{Betree, Settings};
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
        let settings = Settings { fanout: 8, goto_max: 3, hidden_percent: 10 };
        let make = || Box::new(Betree::new(settings).expect("settings")) as Box<dyn SnapshotScheme>;
        let faults = [
            Fault::FlushIntoShared,
            Fault::CopyWithoutCounts,
            Fault::TakenWithoutCounts,
            Fault::ForgottenHole,
            Fault::LetGoAtOnce,
        ];
        each_is_caught(&faults, |fault| PLANTED.set(fault), || histories(&make));
    }
}
