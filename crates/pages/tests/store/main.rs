//! Tests of the page store as a whole: through its public face, on devices in memory.
//!
//! Invariant: every failure names its seed. Knows nothing of the store's inner parts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod cost;
mod crash;
mod damage;
mod full;
mod histories;
mod prefetch;
mod shrink;
mod support;
mod views;
