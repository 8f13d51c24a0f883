//! What clients ask of a pool: counted, timed, and while it is under way, seen.
//!
//! Invariant: each request is counted once, when it ends, with the time from its asking to its answer, waiting for the pool included. One lock,
//! taken for moments and never while another is waited for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes are read.
    Read,
    /// Bytes are written.
    Write,
    /// What was written becomes durable.
    Flush,
    /// Bytes become zeros or holes.
    Zero,
}

impl Kind {
    /// All, in the order of [`Activity::tallies`].
    pub const ALL: [Kind; 4] = [Kind::Read, Kind::Write, Kind::Flush, Kind::Zero];

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Flush => "flush",
            Kind::Zero => "zero",
        }
    }
}

/// Steps of time for each doubling, so that a percentile is right to a quarter.
const STEPS: usize = 4;
/// Steps in all: up to 2^32 microseconds, more than an hour.
const TIMES: usize = 32 * STEPS;

/// Requests of one kind that have ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tally {
    /// How many.
    pub requests: u64,
    /// Bytes of those that succeeded.
    pub bytes: u64,
    /// How many failed.
    pub errors: u64,
    /// How many took how long: each entry counts those that took less than [`Tally::below_us`] of it.
    pub by_time: Vec<u64>,
    /// Sum of all times, in microseconds.
    pub time_us: u64,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally { requests: 0, bytes: 0, errors: 0, by_time: vec![0; TIMES], time_us: 0 }
    }
}

impl Tally {
    /// What the times of an entry are below, in microseconds.
    #[must_use]
    pub fn below_us(entry: usize) -> u64 {
        let (octave, step) = (entry / STEPS, entry % STEPS);
        ((STEPS + step + 1) as u64) << octave >> STEPS.ilog2()
    }

    fn entry(time_us: u64) -> usize {
        (0..TIMES).find(|entry| time_us < Tally::below_us(*entry)).unwrap_or(TIMES - 1)
    }

    /// What so many of a thousand requests took at most, in microseconds; 0 without requests.
    #[must_use]
    pub fn percentile_us(by_time: &[u64], permille: u64) -> u64 {
        let all: u64 = by_time.iter().sum();
        let mut rest = (all * permille).div_ceil(1000);
        for (entry, count) in by_time.iter().enumerate().filter(|_| all > 0) {
            rest = rest.saturating_sub(*count);
            if rest == 0 {
                return Tally::below_us(entry);
            }
        }
        0
    }
}

/// A request that has not ended.
#[derive(Clone, Copy, Debug)]
pub struct UnderWay {
    /// What it does.
    pub kind: Kind,
    /// Of how many bytes.
    pub bytes: u64,
    /// For how long.
    pub age: Duration,
    /// Whether it has the pool; else it waits for it.
    pub inside: bool,
}

struct Started {
    kind: Kind,
    bytes: u64,
    at: Instant,
    inside: bool,
}

#[derive(Default)]
struct State {
    tallies: [Tally; 4],
    under_way: BTreeMap<u64, Started>,
    next: u64,
}

/// The books.
#[derive(Default)]
pub struct Activity(Mutex<State>);

impl Activity {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request begins. The ticket is for the other two.
    pub(crate) fn begin(&self, kind: Kind, bytes: u64) -> u64 {
        let mut state = self.state();
        let ticket = state.next;
        state.next += 1;
        state.under_way.insert(ticket, Started { kind, bytes, at: Instant::now(), inside: false });
        ticket
    }

    /// It has the pool.
    pub(crate) fn inside(&self, ticket: u64) {
        if let Some(started) = self.state().under_way.get_mut(&ticket) {
            started.inside = true;
        }
    }

    /// It ends.
    pub(crate) fn end(&self, ticket: u64, succeeded: bool) {
        let mut state = self.state();
        let Some(started) = state.under_way.remove(&ticket) else { return };
        let tally = &mut state.tallies[started.kind as usize];
        let time_us = u64::try_from(started.at.elapsed().as_micros()).unwrap_or(u64::MAX);
        tally.requests += 1;
        tally.errors += u64::from(!succeeded);
        tally.bytes += if succeeded { started.bytes } else { 0 };
        tally.by_time[Tally::entry(time_us)] += 1;
        tally.time_us = tally.time_us.saturating_add(time_us);
    }

    /// What has ended, in the order of [`Kind::ALL`].
    #[must_use]
    pub fn tallies(&self) -> [Tally; 4] {
        self.state().tallies.clone()
    }

    /// What has not, the oldest first.
    #[must_use]
    pub fn under_way(&self) -> Vec<UnderWay> {
        let state = self.state();
        let age = |started: &Started| UnderWay {
            kind: started.kind,
            bytes: started.bytes,
            age: started.at.elapsed(),
            inside: started.inside,
        };
        state.under_way.values().map(age).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_under_way_until_it_is_counted() {
        let activity = Activity::default();
        let (one, other) = (activity.begin(Kind::Write, 4096), activity.begin(Kind::Read, 512));
        activity.inside(other);
        let seen: Vec<_> =
            activity.under_way().iter().map(|request| (request.kind, request.inside)).collect();
        assert_eq!(seen, [(Kind::Write, false), (Kind::Read, true)]);
        activity.end(other, false);
        activity.end(one, true);
        assert!(activity.under_way().is_empty());
        let [read, write, ..] = activity.tallies();
        assert_eq!((read.requests, read.bytes, read.errors), (1, 0, 1));
        assert_eq!((write.requests, write.bytes, write.errors), (1, 4096, 0));
        assert_eq!(write.by_time.iter().sum::<u64>(), 1);
    }

    #[test]
    fn a_percentile_is_right_to_a_quarter_and_never_below() {
        for time_us in [0, 1, 3, 4, 5, 99, 1000, 65_535, 1 << 30] {
            let mut by_time = vec![0; TIMES];
            by_time[Tally::entry(time_us)] = 7;
            let told = Tally::percentile_us(&by_time, 990);
            assert!(told > time_us && told <= time_us + time_us / 4 + 1, "{time_us} us told as {told}");
        }
        assert_eq!(Tally::percentile_us(&[0; TIMES], 500), 0);
        let mut by_time = vec![0; TIMES];
        (by_time[Tally::entry(10)], by_time[Tally::entry(5000)]) = (99, 1);
        assert!(Tally::percentile_us(&by_time, 990) < 20 && Tally::percentile_us(&by_time, 1000) > 5000);
    }
}
