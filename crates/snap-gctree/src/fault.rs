//! Faults for the suite to find: the repairs that do not work and the rules left out (sections 2.6 and 2.7 of the notes).
//!
//! Invariant: outside tests of this crate there is no fault and no code for one.

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A version is resolved while a child of it is half dissolved.
    #[cfg(test)]
    NoParentGuard,
    /// A version is resolved while its parent is half dissolved.
    #[cfg(test)]
    NoChildGuard,
    /// Children of a half dissolved version take all of it for its own.
    NoCursorRule,
    /// One borrower becomes the owner, the other children are handed to the grandparent.
    HeirAndGrandparent,
    /// Every borrower becomes an owner.
    EveryBorrower,
    /// One borrower becomes the owner, and the other children hang below it.
    HeirAbove,
    /// An index node goes to its only borrower although a sibling has diverged below it.
    TransferBesideDiverged,
}

#[cfg(test)]
pub(crate) use planted::{is, plant};

/// Whether this fault is planted.
#[cfg(not(test))]
pub(crate) const fn is(_: Fault) -> bool {
    false
}

#[cfg(test)]
mod planted {
    use super::Fault;
    use std::cell::Cell;

    thread_local!(static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) });

    /// Plant a fault in what this thread does from now on.
    pub(crate) fn plant(fault: Option<Fault>) {
        PLANTED.set(fault);
    }
    pub(crate) fn is(fault: Fault) -> bool {
        PLANTED.get() == Some(fault)
    }
}
