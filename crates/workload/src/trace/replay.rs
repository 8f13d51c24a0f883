//! Replay a trace as a workload.
//!
//! Invariant: requests keep their order, and each is one operation (two if `wrap` cuts it) inside the volume; whatever was
//! left out or bent is in the account. Times only limit how much is replayed: a stream has no clock, so how long a replay
//! takes is the device's answer, not the trace's.

use super::outside::{Fitted, Outside};
use super::{Kind, Request, TraceReader};
use crate::compose::{self, KEEP, SCAN, SNAPSHOT_EVERY, SNAPSHOT_UNIT};
use crate::error::{Result, WorkloadError};
use crate::generate::{Commits, choice, part, share};
use crate::op::{Bytes, Handle, Op};
use crate::workload::{Account, Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;

const FILE: Parameter = Parameter::word(
    "file",
    "traces/git-ext4.csv.zst",
    "The trace, plain or MSR Cambridge CSV, zstd-compressed or not; a relative name starts at the folder of the configs. The \
     default is the larger of the two that come with the project.",
);
const FILL: Parameter = Parameter::real(
    "fill",
    0.0,
    "Share of the volume that is laid down before the trace starts. 0 when the trace begins with the making of a file \
     system, as those in configs/traces do; for a trace of a disk in use (all of MSR Cambridge) set it to that disk's \
     fullness, or its reads find nothing.",
);
const OUTSIDE: Parameter = Parameter::word(
    "outside",
    "error",
    "What to do with a request that passes the volume's end: `error` (stop), `clip` (drop the part outside, and count it) \
     or `wrap` (count addresses modulo the volume's size). Clip keeps the pattern and loses load; wrap keeps the load and \
     mixes patterns. Error is the default because both change the trace.",
);
/// Snapshots of a trace that are alive at once; more are left out and counted as dropped.
const SNAPSHOTS_MAX: usize = 4096;

const MAX_REQUESTS: Parameter = Parameter::integer(
    "max_requests",
    0,
    "Stop after so many requests of the trace (0: all). A prefix of a trace is not the trace: file systems begin with \
     large sequential writes.",
);
const MAX_TIME: Parameter = Parameter::integer(
    "max_time_s",
    0,
    "Stop at the first request later than this many seconds after the first (0: no limit). For traces of weeks.",
);
const REPEATS: Parameter = Parameter::integer(
    "repeats",
    1,
    "How many times the trace is replayed, one after the other. More than once ages a volume by a short trace; content is \
     overwritten in place by the same pattern, so it fragments less than a trace as long would.",
);
const ROUND_REQUESTS: Parameter = Parameter::integer(
    "round_requests",
    1000,
    "A round, where a row can be taken, ends after so many requests, with a flush that the trace does not have. Fewer give \
     finer curves and disturb more; at 1,000 the flush is one in thirty of those of the git trace.",
);
const FLUSH_EVERY: Parameter = Parameter::integer(
    "flush_every",
    0,
    "Writes, discards and zeros after which a flush is added (0: only the trace's own). MSR traces have none of their own: \
     set it there, to 64 or so, or whole rounds become one commit.",
);

/// Trace replay.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "replay",
    summary: "the requests of a recorded block trace",
    paper: "Narayanan et al., FAST 2008 (the MSR Cambridge traces)",
    parameters: &[
        FILE,
        FILL,
        OUTSIDE,
        MAX_REQUESTS,
        MAX_TIME,
        REPEATS,
        ROUND_REQUESTS,
        FLUSH_EVERY,
        SNAPSHOT_EVERY,
        SNAPSHOT_UNIT,
        KEEP,
        SCAN,
    ],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let outside = match choice(settings, &OUTSIDE, &["error", "clip", "wrap"], "error, clip or wrap")? {
        0 => Outside::Error,
        1 => Outside::Clip,
        _ => Outside::Wrap,
    };
    let limit = |parameter| Some(settings.integer(parameter)).filter(|limit| *limit > 0);
    let limits = ReplayLimits {
        requests: limit(&MAX_REQUESTS),
        time_us: limit(&MAX_TIME).map(|seconds| seconds.saturating_mul(1_000_000)),
        repeats: settings.integer(&REPEATS),
    };
    let (round, flush) = (settings.integer(&ROUND_REQUESTS), settings.integer(&FLUSH_EVERY));
    let positive = [(REPEATS.name, limits.repeats), (ROUND_REQUESTS.name, round)];
    if let Some((name, value)) = positive.into_iter().find(|(_, value)| *value == 0) {
        return Err(WorkloadError::bad_setting(name, value, "at least 1"));
    }
    let fill = share(settings, &FILL)?;
    let path = context.folder.join(settings.word(&FILE));
    let replay = Replay::new(path, context.volume_bytes(), outside, limits, round, flush)?;
    compose::around(Box::new(replay), context, settings, fill)
}

/// How much of a trace is replayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReplayLimits {
    /// Requests in all.
    pub requests: Option<u64>,
    /// Microseconds after the first request, in each repeat.
    pub time_us: Option<u64>,
    /// Times over, at least 1.
    pub repeats: u64,
}

/// A trace as a stream of operations.
pub struct Replay(Stream<Requests>);

impl Replay {
    /// Open the trace. `round_requests` is at least 1; `flush_every` may be 0.
    pub fn new(
        path: PathBuf,
        volume_bytes: u64,
        outside: Outside,
        limits: ReplayLimits,
        round_requests: u64,
        flush_every: u64,
    ) -> Result<Replay> {
        assert!(volume_bytes > 0 && round_requests > 0 && limits.repeats > 0, "an empty replay");
        let reader = TraceReader::open(&path)?;
        let commits = Commits::new(flush_every);
        let account = Account::default();
        Ok(Replay(Stream::new(Requests {
            path,
            reader,
            volume_bytes,
            outside,
            limits,
            round_requests,
            commits,
            account,
            repeats_done: 0,
            first_us: None,
            in_round: 0,
            snapshots: BTreeMap::new(),
            next_handle: 1,
        })))
    }
}

impl Workload for Replay {
    fn next(&mut self) -> Result<Option<Op>> {
        self.0.next()
    }
    fn progress(&self) -> f64 {
        self.0.progress()
    }
    fn account(&self) -> Account {
        self.0.account()
    }
}

struct Requests {
    path: PathBuf,
    reader: TraceReader,
    volume_bytes: u64,
    outside: Outside,
    limits: ReplayLimits,
    round_requests: u64,
    commits: Commits,
    account: Account,
    repeats_done: u64,
    first_us: Option<u64>,
    in_round: u64,
    /// Those of the trace that are alive, by the numbers that it has for them.
    snapshots: BTreeMap<u64, Handle>,
    next_handle: u64,
}

impl Requests {
    /// The next request within the limits.
    fn request(&mut self) -> Result<Option<Request>> {
        while self.repeats_done < self.limits.repeats {
            if self.limits.requests.is_some_and(|limit| self.account.requests >= limit) {
                return Ok(None);
            }
            if let Some(request) =
                self.reader.next_request()?.filter(|request| request.time_us <= self.time_limit_us(request))
            {
                return Ok(Some(request));
            }
            self.account.bad_lines += self.reader.bad_lines();
            self.repeats_done += 1;
            self.first_us = None;
            if self.repeats_done < self.limits.repeats {
                self.reader = TraceReader::open(&self.path)?;
            }
        }
        Ok(None)
    }
    fn time_limit_us(&self, request: &Request) -> u64 {
        let first = self.first_us.unwrap_or(request.time_us);
        self.limits.time_us.map_or(u64::MAX, |limit| first.saturating_add(limit))
    }
    fn push(&mut self, request: &Request, out: &mut VecDeque<Op>) -> Result<()> {
        let of = Handle::VOLUME;
        let op = |bytes: Bytes| match request.kind {
            Kind::Read => Op::Read { of, bytes },
            Kind::Discard => Op::Discard { of, bytes },
            Kind::Zero => Op::Zero { of, bytes },
            Kind::Write => Op::Write { to: of, bytes },
            Kind::Flush | Kind::Snapshot | Kind::End => Op::Flush,
        };
        match self.outside.fit(request, self.volume_bytes) {
            Fitted::Inside(bytes) => self.commits.push(op(bytes), out),
            Fitted::Clipped(bytes) => {
                self.account.clipped += 1;
                self.commits.push(op(bytes), out);
            }
            Fitted::Dropped => self.account.dropped += 1,
            Fitted::Wrapped(head, tail) => {
                self.account.wrapped += 1;
                self.commits.push(op(head), out);
                if let Some(tail) = tail {
                    self.commits.push(op(tail), out);
                }
            }
            Fitted::Refused => return Err(self.refused(request)),
        }
        Ok(())
    }
    /// A snapshot comes or goes. One that there is no room for, or that is of before the trace, is dropped.
    fn snapshot(&mut self, request: &Request, out: &mut VecDeque<Op>) {
        let op = match request.kind {
            Kind::End => self.snapshots.remove(&request.offset).map(|of| Op::Delete { of }),
            _ if self.snapshots.len() == SNAPSHOTS_MAX || self.snapshots.contains_key(&request.offset) => {
                None
            }
            _ => {
                let named = Handle(self.next_handle);
                self.next_handle += 1;
                self.snapshots.insert(request.offset, named);
                Some(Op::Snapshot { of: Handle::VOLUME, named })
            }
        };
        match op {
            Some(op) => self.commits.push(op, out),
            None => self.account.dropped += 1,
        }
    }
    fn refused(&self, request: &Request) -> WorkloadError {
        WorkloadError::Outside {
            path: self.path.clone(),
            line: self.reader.line(),
            offset: request.offset,
            length: request.length,
            volume_bytes: self.volume_bytes,
        }
    }
}

impl Steps for Requests {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        let repeats_done = self.repeats_done;
        let request = self.request()?;
        if self.repeats_done > repeats_done && request.is_some() {
            // Another pass has the same numbers.
            let left = std::mem::take(&mut self.snapshots);
            left.into_values().for_each(|of| self.commits.push(Op::Delete { of }, out));
        }
        if let Some(request) = &request {
            self.first_us.get_or_insert(request.time_us);
            self.account.requests += 1;
            self.in_round += 1;
            match request.kind {
                Kind::Flush => self.commits.push(Op::Flush, out),
                Kind::Snapshot | Kind::End => self.snapshot(request, out),
                _ => self.push(request, out)?,
            }
        }
        let ends = if request.is_some() { self.in_round == self.round_requests } else { self.in_round > 0 };
        if ends {
            self.in_round = 0;
            self.commits.end_round(out);
        }
        Ok(request.is_some())
    }
    fn progress(&self) -> f64 {
        let by_file = (self.repeats_done as f64 + self.reader.progress()) / self.limits.repeats as f64;
        let by_limit = self.limits.requests.map_or(0.0, |limit| part(self.account.requests, limit));
        by_file.max(by_limit).min(1.0)
    }
    fn account(&self) -> Account {
        let reading = if self.repeats_done < self.limits.repeats { self.reader.bad_lines() } else { 0 };
        Account { bad_lines: self.account.bad_lines + reading, ..self.account }
    }
}
