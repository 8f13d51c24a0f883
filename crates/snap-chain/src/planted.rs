//! Wrong repairs of the scheme's rules, which the laws must catch. In builds that ship there is none.
//!
//! Invariant: each changes one rule and nothing else.

/// A rule that is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A discard leaves absence in its layer instead of a mark.
    HolesWithoutMarks,
    /// Of the layers on a hidden one only the first is asked what it sees.
    HeirDecides,
    /// When a version leaves a hidden layer, what only it saw is not looked for.
    AsksNobodyBehind,
    /// A merge puts what the layer behind says over what the one before it says.
    MergeOverwrites,
    /// Who is to detach leaves before all that it sees of others was copied.
    LeavesTooEarly,
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
    use crate::Chain;
    use alloc::boxed::Box;
    use spinney_core::{Lba, LbaRange};
    use spinney_snap::{Access, SnapshotScheme};
    use spinney_testkit::planted::each_is_caught;
    use spinney_testkit::scheme_laws::random_histories_agree_with_a_map_of_maps as histories;
    use spinney_testkit::scheme_life::SchemeLife;
    use std::cell::Cell;

    std::thread_local! {
        static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    }

    pub(crate) fn planted(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }

    fn make() -> Box<dyn SnapshotScheme> {
        Box::new(Chain::new(3, false, false).expect("a fanout"))
    }

    /// A clone that detaches from its origin.
    fn detaches() {
        let mut life = SchemeLife::new(&make, "detaches", 0);
        let volume = life.create(30);
        life.write(volume, LbaRange::new(Lba(3), 20));
        let clone = life.snapshot(volume, Access::Writable);
        life.detach(clone);
        life.tend_to_idle(4);
        life.audit();
    }

    #[test]
    fn each_planted_fault_is_caught_by_the_histories_and_nothing_else_is() {
        let faults = [
            Fault::HolesWithoutMarks,
            Fault::HeirDecides,
            Fault::AsksNobodyBehind,
            Fault::MergeOverwrites,
            Fault::LeavesTooEarly,
        ];
        each_is_caught(
            &faults,
            |fault| PLANTED.set(fault),
            || {
                detaches();
                histories(&make);
            },
        );
    }
}
