//! Virtual time: a number of nanoseconds that only requests and declared thinking move.
//!
//! Invariant: between resets it never goes back. Knows nothing of real time.

use std::sync::atomic::{AtomicU64, Ordering};

/// A clock in nanoseconds, shared by the devices of one simulated machine.
#[derive(Debug, Default)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// The time.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
    /// Move on to `time_ns`, unless it is past already.
    pub fn advance_to(&self, time_ns: u64) {
        self.0.fetch_max(time_ns, Ordering::SeqCst);
    }
    /// Let `duration_ns` go by without a request: the host thinks, the devices may tidy their caches.
    pub fn think(&self, duration_ns: u64) {
        self.0.fetch_add(duration_ns, Ordering::SeqCst);
    }
    /// Back to zero.
    pub fn reset(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}
