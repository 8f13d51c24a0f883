//! A deterministic measure of CPU work, and the answer of a visitor.
//!
//! Invariant: the same calls give the same effort on any machine; nothing here reads a clock.

/// What a visitor wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop the visit; the visited thing returns normally.
    Stop,
}

/// Work done so far, counted and never timed. Only differences of two readings mean anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Effort {
    /// Tree nodes, bitmap words or list cells looked at.
    pub steps: u64,
    /// How often a bounded search gave up and its fall-back was taken.
    pub fallbacks: u64,
    /// Free runs that searches by address went past or took, also where many were gone past in one step. Other searches add none.
    pub passed: u64,
}
