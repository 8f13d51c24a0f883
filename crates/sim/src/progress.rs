//! How far a long run is, on standard error.
//!
//! Invariant: says something every few seconds and no more; nothing of a run's result depends on it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(5);

/// Counts what is done of a known total.
pub(crate) struct Progress {
    name: String,
    total: u64,
    done: AtomicU64,
    started: Instant,
    told: Mutex<Instant>,
}

impl Progress {
    pub(crate) fn new(name: String, total: u64) -> Progress {
        let now = Instant::now();
        Progress { name, total, done: AtomicU64::new(0), started: now, told: Mutex::new(now) }
    }

    /// One more is done.
    pub(crate) fn one_more(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Ok(mut told) = self.told.try_lock() else { return };
        if told.elapsed() < EVERY {
            return;
        }
        *told = Instant::now();
        let (seconds, total) = (self.seconds(), self.total);
        let left = seconds / done as f64 * total.saturating_sub(done) as f64;
        eprintln!("{}: {done} of {total} lives, {seconds:.0} s, about {left:.0} s left", self.name);
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}
