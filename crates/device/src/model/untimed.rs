//! The mechanism of `kind = "memory"`: nothing takes time, for experiments that count and do not time.
//!
//! Invariant: a request completes when it is issued.

use super::Mechanism;
use spinney_core::Extent;

pub(super) struct Untimed;

impl Mechanism for Untimed {
    fn read(&mut self, now_ns: u64, _: &[Extent]) -> u64 {
        now_ns
    }
    fn write(&mut self, now_ns: u64, _: &[Extent]) -> u64 {
        now_ns
    }
    fn flush(&mut self, now_ns: u64) -> u64 {
        now_ns
    }
    fn discard(&mut self, now_ns: u64, _: Extent) -> u64 {
        now_ns
    }
    fn reset(&mut self) {}
}
