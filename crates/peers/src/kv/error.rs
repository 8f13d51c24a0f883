//! Any error, as what the program prints: the stores' own error types have nothing in common.
//!
//! Invariant: none. Knows no store.

/// The result of anything that may fail here.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
