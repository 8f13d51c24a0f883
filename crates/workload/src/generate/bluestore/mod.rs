//! The aging test of BlueStore's allocators: fill to a high mark, free at random to a low one, fill again.
//!
//! Invariant: objects are written whole and discarded whole, and never touch; at the end nothing is live. Two differences
//! from the original, which drives an allocator alone: a leak frees a whole object where the original frees a piece of one,
//! after each request and not after each piece, so the stream does not depend on who allocates; and what is freed may be
//! used from the next commit on.

mod sizes;

use super::ground::{Ground, Stretch};
use super::{Commits, FLUSH_EVERY, UNIT_BLOCKS, choice, part, real_in};
use crate::chance::Chance;
use crate::compose::{self, SCAN};
use crate::error::{Result, WorkloadError};
use crate::op::{Handle, Op};
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use sizes::Sizes;
use spinney_core::{BLOCK_BYTES, Parameter, Settings};
use std::collections::VecDeque;

const SCENARIO: Parameter = Parameter::integer(
    "scenario",
    0,
    "1 to 22: unit, marks and leak of that line of the test's table, whatever the other settings say (its capacity, 512 GiB to \
     2 TiB, is the volume's size here). 0: as set.",
);
const SIZES: Parameter = Parameter::word(
    "sizes",
    "triangle",
    "Lengths of the objects: `triangle` (0 to 16 MiB, mostly near 8), `8m-64k` (either, evenly), `objects` (up to 150 MB in \
     chunks of 8 MiB), or `carve`: pieces of 1 MiB that are freed again in three parts, until the volume was used once; the \
     score of the empty store must then be 0.",
);
const HIGH: Parameter =
    Parameter::real("high", 0.9, "Share of the volume at which a fill ends. The test has 0.8 and 0.9.");
const LOW: Parameter =
    Parameter::real("low", 0.7, "Share of the volume at which freeing ends. The test has 0.6 and 0.7.");
const LEAK: Parameter = Parameter::real(
    "leak",
    0.0,
    "Probability that an object is freed after one was written, below 1. The test has 0 to 0.5: a half churns everything once \
     more in each fill.",
);
const REPEATS: Parameter = Parameter::integer(
    "repeats",
    3,
    "How often it is freed and filled again; the test has 3. Two rows each.",
);

/// The test.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "bluestore-aging",
    summary: "objects fill to a high mark and are freed at random to a low one, thrice; then all are freed",
    paper: "Ceph, unittest_alloc_aging (Kupczyk): 22 scenarios x 3 distributions of sizes, and its bonus test",
    parameters: &[SCENARIO, SIZES, UNIT_BLOCKS_OF_64K, HIGH, LOW, LEAK, REPEATS, FLUSH_EVERY, SCAN],
    build,
};

const UNIT_BLOCKS_OF_64K: Parameter = Parameter::integer(
    UNIT_BLOCKS.name,
    16,
    "Allocation unit: lengths are multiples of it. 16 (64 KiB) was BlueStore's for hard disks, 1 (4 KiB) is today's.",
);

/// `(unit blocks, high, low, leak)` of the 22 scenarios: eleven with units of 64 KiB, then the same with 4 KiB.
fn scenario(number: u64) -> (u64, f64, f64, f64) {
    const MARKS: [(f64, f64, f64); 11] = [
        (0.8, 0.6, 0.1), // 512 GiB
        (0.9, 0.7, 0.0),
        (0.9, 0.7, 0.1),
        (0.8, 0.6, 0.5),
        (0.9, 0.7, 0.5),
        (0.8, 0.6, 0.1), // 1 TiB
        (0.9, 0.7, 0.0),
        (0.9, 0.7, 0.1),
        (0.8, 0.6, 0.3), // 2 TiB
        (0.9, 0.7, 0.0),
        (0.9, 0.7, 0.3),
    ];
    let (high, low, leak) = MARKS[(number - 1) as usize % MARKS.len()];
    (if number <= 11 { 16 } else { 1 }, high, low, leak)
}

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    const SHARE: &str = "over 0 and at most 1; low below high";
    let number = settings.integer(&SCENARIO);
    if number > 22 {
        return Err(WorkloadError::bad_setting(SCENARIO.name, number, "0 to 22"));
    }
    let high = real_in(settings, &HIGH, f64::MIN_POSITIVE, 1.0, SHARE)?;
    let low = real_in(settings, &LOW, 0.0, high, SHARE)?;
    let leak = real_in(settings, &LEAK, 0.0, 0.99, "at least 0 and below 1")?;
    let own = (settings.integer(&UNIT_BLOCKS_OF_64K), high, low, leak);
    let (unit_blocks, high, low, leak) = if number == 0 { own } else { scenario(number) };
    let names = ["triangle", "8m-64k", "objects", "carve"];
    let kind = choice(settings, &SIZES, &names, "triangle, 8m-64k, objects or carve")?;
    let sizes = Sizes::new(kind, unit_blocks).ok_or(WorkloadError::bad_setting(
        UNIT_BLOCKS.name,
        unit_blocks,
        "1, 2, 4, 8 or 16",
    ))?;
    if context.volume_blocks < 4 * sizes.blocks_max() {
        return Err(WorkloadError::bad_setting(
            SIZES.name,
            names[kind],
            "on a volume of at least four of its objects",
        ));
    }
    let blocks = |share: f64| super::share_of(context.volume_blocks, share);
    let repeats = settings.integer(&REPEATS);
    let store = Store {
        ground: Ground::new(context.volume_blocks, 2),
        live: Vec::new(),
        live_blocks: 0,
        chance: Chance::new(context.seed, 7),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
    };
    let base: Box<dyn Workload> = if kind == 3 {
        let pieces = context.volume_blocks / sizes::MIB_BLOCKS;
        Box::new(Stream::new(Carve { store, unit_blocks, pieces, done: 0 }))
    } else {
        let stages =
            Stages { high: blocks(high), low: blocks(low), all: repeats.saturating_mul(2).saturating_add(2) };
        Box::new(Stream::new(Aging { store, sizes, leak, stages }))
    };
    compose::begin_and_scan(base, context, settings, 0.0)
}

/// The objects. A second volume, a clone of the first while that is empty, gives so much address space that no object has
/// to lie in parts.
struct Store {
    ground: Ground,
    live: Vec<Stretch>,
    live_blocks: u64,
    chance: Chance,
    commits: Commits,
}

impl Store {
    fn begin(&mut self, out: &mut VecDeque<Op>) {
        out.push_back(Op::Clone { of: Handle::VOLUME, named: Handle(1) });
    }
    /// Write an object; false if there is no room.
    fn write(&mut self, blocks: u64, out: &mut VecDeque<Op>) -> bool {
        let Some(stretches) = self.ground.take(blocks) else { return false };
        for stretch in &stretches {
            self.commits.push(self.ground.write(*stretch), out);
        }
        self.live.extend(stretches);
        self.live_blocks += blocks;
        true
    }
    /// Free one at random.
    fn free(&mut self, out: &mut VecDeque<Op>) {
        if self.live.is_empty() {
            return;
        }
        let place = self.chance.below(self.live.len() as u64) as usize;
        let stretch = self.live.swap_remove(place);
        self.live_blocks -= stretch.blocks;
        self.commits.push(self.ground.discard(stretch), out);
        self.ground.give(stretch);
    }
}

/// Where the fills end, and how many stages there are: fill, (free, fill) for each repeat, free all.
struct Stages {
    high: u64,
    low: u64,
    all: u64,
}

struct Aging {
    store: Store,
    sizes: Sizes,
    leak: f64,
    stages: Stages,
}

impl Steps for Aging {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        let stage = self.store.commits.rounds();
        let (last, fills) = (stage + 1 == self.stages.all, stage.is_multiple_of(2));
        let mut over = false;
        if stage == 0 && self.store.live.is_empty() && !self.store.commits.began() {
            self.store.begin(out);
        }
        if fills {
            let blocks = self.sizes.next_blocks(&mut self.store.chance);
            over = !self.store.write(blocks, out);
            if self.store.chance.happens(self.leak) {
                self.store.free(out);
            }
        } else {
            self.store.free(out);
        }
        let live = self.store.live_blocks;
        over |= if fills { live >= self.stages.high } else { live <= if last { 0 } else { self.stages.low } };
        if over {
            self.store.commits.end_round(out);
        }
        Ok(self.store.commits.rounds() < self.stages.all)
    }
    fn progress(&self) -> f64 {
        part(self.store.commits.rounds(), self.stages.all)
    }
}

/// The bonus test: a MiB at a time, given back in three parts, the first and the last ones behind the middle.
struct Carve {
    store: Store,
    unit_blocks: u64,
    pieces: u64,
    done: u64,
}

impl Steps for Carve {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        let Store { ground, commits, .. } = &mut self.store;
        for whole in ground.take(sizes::MIB_BLOCKS).unwrap_or_default() {
            commits.push(ground.write(whole), out);
            let (unit, end) = (self.unit_blocks, whole.start + whole.blocks);
            let parts = [
                (whole.start + unit, end - 2 * unit),
                (whole.start, whole.start + unit),
                (end - 2 * unit, end),
            ];
            for (start, end) in parts {
                commits.push(ground.discard(Stretch { start, blocks: end - start }), out);
            }
            ground.give(whole);
        }
        self.done += 1;
        let over = self.done == self.pieces;
        if over {
            commits.end_round(out);
        }
        Ok(!over)
    }
    fn progress(&self) -> f64 {
        part(self.done, self.pieces)
    }
}

const _: () = assert!(BLOCK_BYTES == 4096, "lengths of the test are counted in blocks of 4 KiB");
