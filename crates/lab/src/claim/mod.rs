//! Claims of papers, checked against the rows: an expression, a verdict, and both numbers.
//!
//! Invariant: a verdict rests on rows only. A claim whose rows are missing is *not comparable* with the reason, never
//! silently true.

mod evaluate;
mod expression;

pub use evaluate::{Outcome, Verdict, evaluate};
pub(crate) use evaluate::{from_round, measure};
pub use expression::{Comparison, Expression, Metric, ParseError, parse};

/// A claim as a config states it.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its name in the config.
    pub name: String,
    /// The claim in words.
    pub says: String,
    /// Where it was made.
    pub paper: String,
    /// What must hold.
    pub expect: String,
    /// Why the claim cannot be compared here, if it cannot.
    pub not_comparable: Option<String>,
}
