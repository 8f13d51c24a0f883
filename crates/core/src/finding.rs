//! What a checker reports: a broken rule and its place.
//!
//! Invariant: a sound structure yields no finding; a finding is never a warning.

use crate::Place;
use core::fmt;

/// One broken rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The rule that does not hold, in words.
    pub rule: &'static str,
    /// Where.
    pub place: Place,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.rule, self.place)
    }
}
