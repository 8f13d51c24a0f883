//! The tests of the crate's public face, one binary.
//!
//! Invariant: each test states one behavior. Knows no private part.

#![cfg(test)]

mod aging;
mod clones;
mod common;
mod fsperf;
mod generators;
mod presets;
mod replay;
mod rotation;
mod snapshots;
mod traces;
