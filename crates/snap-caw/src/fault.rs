//! Wrong readings of the policy, for the suite to find.
//!
//! Invariant: outside tests of this crate there is no fault.

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// Only what was written since the last clone counts, so that many small edits in a chain never add up.
    CountsSinceTheLastClone,
    /// A write goes into the delta that is there, although others have it too.
    OverwritesSharedDeltas,
    /// A run that begins before the base and ends in it is a delta as a whole.
    DeltasReachIntoTheBase,
}

#[cfg(not(test))]
pub(crate) const fn planted(_: Fault) -> bool {
    false
}

#[cfg(test)]
pub(crate) use crate::planted::planted;
