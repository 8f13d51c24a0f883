//! How long something may take, and rests for those who share the machine.
//!
//! Invariant: a candidate has the whole limit for its own work: neither rests nor, where the system tells, what others take of the core
//! is counted. Knows no candidate.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// A limit, and how long to work between rests.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// It may not take as long as this.
    pub limit: Duration,
    /// Rest after so much work. `Duration::MAX` never does.
    pub work: Duration,
    /// How long.
    pub rest: Duration,
}

impl Patience {
    /// So long, without rests.
    #[must_use]
    pub fn of(limit: Duration) -> Patience {
        Patience { limit, work: Duration::MAX, rest: Duration::ZERO }
    }
}

/// Calls between two looks at the clock.
const CALLS_A_LOOK: u64 = 64;

/// Nanoseconds that this thread has had a core, as Linux tells; `None` elsewhere.
fn on_core() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

/// A moment on the thread's own clock, and on the wall for systems without one.
#[derive(Clone, Copy)]
struct Moment {
    wall: Instant,
    core: Option<Duration>,
}

impl Moment {
    fn now() -> Moment {
        Moment { wall: Instant::now(), core: on_core() }
    }
    fn elapsed(self) -> Duration {
        let core = self.core.zip(on_core()).map(|(then, now)| now.saturating_sub(then));
        core.unwrap_or_else(|| self.wall.elapsed())
    }
}

/// Time spent against a [`Patience`].
pub(super) struct Watch {
    patience: Patience,
    worked: Duration,
    since: Moment,
}

impl Watch {
    pub(super) fn start(patience: Patience) -> Watch {
        Watch { patience, worked: Duration::ZERO, since: Moment::now() }
    }
    /// Rests if it is time to. `calls` is a count that rises by one from call to call. Errors: the limit is reached.
    pub(super) fn look(&mut self, calls: u64) -> Result<(), &'static str> {
        if !calls.is_multiple_of(CALLS_A_LOOK) {
            return Ok(());
        }
        let stretch = self.since.elapsed();
        if self.worked + stretch >= self.patience.limit {
            return Err("too slow to age");
        }
        if stretch >= self.patience.work {
            self.worked += stretch;
            sleep(self.patience.rest);
            self.since = Moment::now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_are_taken_and_not_counted() {
        let (limit, rest) = (Duration::from_millis(40), Duration::from_millis(50));
        let mut watch = Watch::start(Patience { limit, work: Duration::ZERO, rest });
        let begun = Instant::now();
        assert_eq!((watch.look(64), watch.look(65)), (Ok(()), Ok(())));
        assert!(begun.elapsed() >= rest && watch.worked < rest);
        assert_eq!(Watch::start(Patience::of(Duration::ZERO)).look(0), Err("too slow to age"));
    }
}
