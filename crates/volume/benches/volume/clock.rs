//! Windows of work, each timed in the thread's CPU time (or, of work that waits, by its caller).
//!
//! Invariant: a figure is the median of its windows; the spread is that of all of them.

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// CPU time of this thread so far.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time of `work`.
pub(crate) fn timed(work: impl FnOnce()) -> Duration {
    let before = now();
    work();
    now() - before
}

/// Nanoseconds an operation, sorted, one for each window.
pub(crate) struct Windows(Vec<f64>);

/// Run `window` so many times after once for warmth; it returns how many operations it did, and their time.
pub(crate) fn windows(count: usize, mut window: impl FnMut() -> (u64, Duration)) -> Windows {
    window();
    let mut each: Vec<f64> = (0..count)
        .map(|_| {
            let (operations, time) = window();
            time.as_secs_f64() * 1e9 / operations as f64
        })
        .collect();
    each.sort_by(f64::total_cmp);
    Windows(each)
}

impl Windows {
    /// Of windows of so many operations each, timed by another clock.
    pub(crate) fn of(operations: u64, times: &[Duration]) -> Windows {
        let mut each: Vec<f64> =
            times.iter().map(|time| time.as_secs_f64() * 1e9 / operations as f64).collect();
        each.sort_by(f64::total_cmp);
        Windows(each)
    }
    fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
    /// Thousands of operations a second: median, and slowest to fastest window.
    pub(crate) fn rate(&self) -> String {
        let rate = |ns: f64| 1e6 / ns;
        let (slowest, fastest) = (self.0[self.0.len() - 1], self.0[0]);
        format!("{:.0} [{:.0}, {:.0}]", rate(self.median()), rate(slowest), rate(fastest))
    }
    /// How much of `limit` this is.
    pub(crate) fn share_of(&self, limit: &Windows) -> String {
        format!("{:.2}", limit.median() / self.median())
    }
    /// Microseconds an operation: median, and the middle half.
    pub(crate) fn micros(&self) -> String {
        let at = |quarter: usize| self.0[self.0.len() * quarter / 4] / 1e3;
        format!("{:.1} [{:.1}, {:.1}]", at(2), at(1), at(3))
    }
}
