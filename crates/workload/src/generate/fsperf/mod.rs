//! The fragmentation tests of fsperf, BTRFS's benchmark: several writers at once, each with files of its own size and life.
//!
//! Invariant: each file has its own stretch of the volume, is written from front to back and (unless it stays) discarded
//! when it is full; what lives at the end is what the fio job of the test leaves. Knows no file names and no directories.

mod jobs;

use super::{Commits, FLUSH_EVERY, ROUNDS, choice, part};
use crate::chance::Chance;
use crate::compose::{self, KEEP, SCAN, SNAPSHOT_EVERY, SNAPSHOT_UNIT};
use crate::error::{Result, WorkloadError};
use crate::op::{Bytes, Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use jobs::{File, TESTS};
use spinney_core::{BLOCK_BYTES, Parameter, Settings};
use std::collections::VecDeque;

const TEST: Parameter = Parameter::word(
    "test",
    "four-sizes",
    "Which one: `correlated-lifetimes` (large and small files, all short-lived), `mixed-lifetimes` (both sizes, short- and \
     long-lived), `four-sizes` (2 GiB, 128 MiB, 8 MiB and 128 KiB at a time), `funny-sizes-high` and `funny-sizes-low` (one \
     over and one under the borders of BTRFS's size classes) or `append-vs-fallocate`. Four sizes meets every class.",
);
const SCALE: Parameter = Parameter::integer(
    "scale",
    16,
    "All sizes of the test are divided by this and rounded up to blocks; 1 to 32. At 1 the largest test needs a volume of \
     8 GiB and every request is as in fsperf; at 16, 512 MiB, and 128 KiB has become 8 KiB. Size classes of an allocator have \
     to be divided alike.",
);
const LOOPS: Parameter = Parameter::integer(
    "loops",
    20,
    "How often a large file is written and dropped. fsperf has 100 (and ten times as many for small files, as here); the \
     writers that append end after a few of them, and what comes later changes little.",
);

/// The tests.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "fsperf",
    summary: "files of several sizes and lifetimes written at once: the fragmentation tests of BTRFS's benchmark",
    paper: "fsperf (Bacik), frag_tests; written for the size classes of BTRFS block groups (Burkov, 2022)",
    parameters: &[TEST, SCALE, LOOPS, ROUNDS, FLUSH_EVERY, SNAPSHOT_EVERY, SNAPSHOT_UNIT, KEEP, SCAN],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let names = TESTS.map(|test| test.name);
    let test = choice(settings, &TEST, &names, "one of the tests that the parameter's reason lists")?;
    let (scale, loops) = (settings.integer(&SCALE), settings.integer(&LOOPS));
    if !(1..=32).contains(&scale) {
        return Err(WorkloadError::bad_setting(
            SCALE.name,
            scale,
            "1 to 32: beyond, 128 KiB is less than a block",
        ));
    }
    if !(1..=1_000_000).contains(&loops) {
        return Err(WorkloadError::bad_setting(LOOPS.name, loops, "1 to 1000000"));
    }
    let files = TESTS[test].files(scale, loops);
    if files.last().is_some_and(|file| file.end() > context.volume_blocks) {
        return Err(WorkloadError::bad_setting(
            SCALE.name,
            scale,
            "so large that all files fit in the volume",
        ));
    }
    let rounds = settings.integer(&ROUNDS);
    if rounds == 0 {
        return Err(WorkloadError::bad_setting(ROUNDS.name, 0, "at least 1"));
    }
    let fsperf = Fsperf {
        writes: files.iter().map(File::writes_left).sum(),
        files,
        rounds,
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        written: 0,
        chance: Chance::new(context.seed, 6),
    };
    compose::around(Box::new(Stream::new(fsperf)), context, settings, 0.0)
}

struct Fsperf {
    files: Vec<File>,
    /// Of the whole run.
    writes: u64,
    written: u64,
    rounds: u64,
    commits: Commits,
    chance: Chance,
}

impl Fsperf {
    /// Which file is written next: each writer in proportion to how fast fio lets it go.
    fn turn(&mut self) -> Option<&mut File> {
        let rates = |file: &File| if file.writes_left() > 0 { file.writes_per_s } else { 0 };
        let all: u64 = self.files.iter().map(rates).sum();
        if all == 0 {
            return None;
        }
        let mut place = self.chance.below(all);
        self.files.iter_mut().find(|file| {
            let rate = rates(file);
            let here = place < rate;
            place = place.saturating_sub(rate);
            here
        })
    }
}

impl Steps for Fsperf {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        let mut made = [None, None];
        if let Some(file) = self.turn() {
            made = file.step();
            self.written += 1;
        }
        for op in made.into_iter().flatten() {
            self.commits.push(op, out);
        }
        let ended = u128::from(self.written) * u128::from(self.rounds) / u128::from(self.writes);
        while u128::from(self.commits.rounds()) < ended {
            self.commits.end_round(out);
        }
        Ok(self.written < self.writes)
    }
    fn progress(&self) -> f64 {
        part(self.written, self.writes)
    }
}

/// Blocks as bytes of the volume.
fn bytes(at: u64, blocks: u64) -> Bytes {
    Bytes { offset: at * BLOCK_BYTES as u64, length: blocks * BLOCK_BYTES as u64 }
}

impl File {
    /// Write the next stretch; a file that is full and does not stay goes.
    fn step(&mut self) -> [Option<Op>; 2] {
        let (at, blocks) = self.advance();
        let write = Op::Write { to: Handle::VOLUME, bytes: bytes(at, blocks) };
        let whole = bytes(self.start, self.blocks());
        [Some(write), self.goes().then_some(Op::Discard { of: Handle::VOLUME, bytes: whole })]
    }
}
