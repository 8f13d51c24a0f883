//! Geriatrix: age a volume until its objects have given distributions of size and of age.
//!
//! Invariant: one tick is one object made or dropped; an object's age is the ticks since it was made over the ticks of the
//! whole run, which is just long enough for every class of ages to fill. Directories, the third distribution of the original,
//! have no meaning on a volume.

mod census;
pub(super) mod profile;

use super::ground::{Ground, Stretch};
use super::{Commits, FLUSH_EVERY, part, real_in};
use crate::chance::Chance;
use crate::compose::{self, KEEP, SCAN, SNAPSHOT_EVERY, SNAPSHOT_UNIT};
use crate::error::{Result, WorkloadError};
use crate::op::Op;
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use census::Census;
use profile::{Classes, Weighted};
use spinney_core::{BLOCK_BYTES, Parameter, Settings};
use std::collections::VecDeque;

const FILL: Parameter = Parameter::real(
    "fill",
    0.8,
    "Share of the volume that objects take, from the end of the first phase on. 0.8 is Geriatrix's own example.",
);
const SIZES: Parameter = Parameter::word(
    "sizes",
    "8:1 32:7 128:16 512:40 2048:50 8192:46 32768:35 131072:20 524288:10 2097152:4 8388608:1",
    "Sizes of objects in bytes, each with its weight, as `size:weight` with spaces between; at most 64. The default is \
     Geriatrix's profile of Agrawal et al. (FAST 2007); all below 4 KiB are one block here.",
);
const AGES: Parameter = Parameter::word(
    "ages",
    "10.74:1 31:2 85.98:8 240:20 687.87:44 1945.59:75 5502.98:144 15768:146 44023.9:23 122640:1",
    "Upper ends of the classes of ages, rising, each with its weight, as `age:weight`; the unit cancels, and the last is the \
     age of the whole run; at most 64. The default is the same profile. Many young objects need a long run.",
);
const STOP: Parameter = Parameter::word(
    "stop",
    "converged",
    "When it ends, if not by `overwrites` before: `converged` (every class of ages had the time to fill) or `confidence` (a \
     chi-squared test at the end of a round no longer tells the ages from those wanted, see confidence).",
);
const CONFIDENCE: Parameter = Parameter::real(
    "confidence",
    0.9,
    "For stop = `confidence`: the probability, over 0 and below 1, with which chance alone gives ages as far from the wanted \
     ones. More is stricter.",
);
const OVERWRITES: Parameter = Parameter::real(
    "overwrites",
    20.0,
    "It ends at the latest when so many times the volume's size was written. Convergence of the default profile takes about 40; \
     20 is enough for most measures to be flat.",
);
const ROUND_SHARE: Parameter = Parameter::real(
    "round_share",
    0.5,
    "A row each time that this share of the volume's size was written after the first fill, which is the first row.",
);

/// The ager.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "geriatrix",
    summary: "objects are made and dropped until their sizes and ages follow given distributions",
    paper: "Kadekodi, Nagarajan, Ganger and Gibson, USENIX ATC 2018 (Geriatrix); profile: Agrawal et al., FAST 2007",
    parameters: &[
        FILL,
        SIZES,
        AGES,
        STOP,
        CONFIDENCE,
        OVERWRITES,
        ROUND_SHARE,
        FLUSH_EVERY,
        SNAPSHOT_EVERY,
        SNAPSHOT_UNIT,
        KEEP,
        SCAN,
    ],
    build,
};

/// More ticks would take gigabytes for the census: 4 bytes a tick and size.
const TICKS_MAX: u64 = 1 << 26;

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let fill = real_in(settings, &FILL, 0.01, 0.95, "0.01 to 0.95")?;
    let sizes = Weighted::parse(&SIZES, settings)?;
    let classes = Classes::parse(&AGES, settings)?;
    let confidence = real_in(settings, &CONFIDENCE, 1e-9, 0.999_999, "over 0 and below 1")?;
    let tested =
        super::choice(settings, &STOP, &["converged", "confidence"], "converged or confidence")? == 1;
    let overwrites = real_in(settings, &OVERWRITES, 0.0, 1e6, "at least 0")?;
    let round_share = real_in(settings, &ROUND_SHARE, 1e-4, 1e6, "at least 0.0001")?;
    let high = super::share_of(context.volume_blocks, fill);
    if sizes.blocks_max() > high {
        return Err(WorkloadError::bad_setting(
            SIZES.name,
            settings.word(&SIZES),
            "none larger than what is to be filled",
        ));
    }
    let blocks = |share: f64| (context.volume_blocks as f64 * share) as u64;
    let ager = Ager {
        ground: Ground::new(context.volume_blocks, 1),
        sizes,
        classes,
        confidence: tested.then_some(confidence),
        high,
        round_blocks: blocks(round_share).max(1),
        written_max: blocks(overwrites).max(high),
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        chance: Chance::new(context.seed, 8),
        first: Vec::new(),
        census: None,
        tick: 0,
        live_blocks: 0,
        written: 0,
        round_end: 0,
        over: false,
    };
    compose::around(Box::new(Stream::new(ager)), context, settings, 0.0)
}

struct Ager {
    ground: Ground,
    sizes: Weighted,
    classes: Classes,
    /// What a test of the ages has to reach, if it may end the run.
    confidence: Option<f64>,
    /// Blocks that are live once the first phase is over.
    high: u64,
    round_blocks: u64,
    written_max: u64,
    commits: Commits,
    chance: Chance,
    /// Objects of the first phase, with the class of their size, until the census is opened.
    first: Vec<(usize, Vec<Stretch>)>,
    /// Who lives, once the length of the run is known.
    census: Option<Census>,
    tick: u64,
    live_blocks: u64,
    written: u64,
    /// Blocks written when the present round ends.
    round_end: u64,
    over: bool,
}

impl Ager {
    /// Make an object; false if the address space has no room.
    fn make(&mut self, size: usize, out: &mut VecDeque<Op>) -> Option<Vec<Stretch>> {
        let blocks = self.sizes.blocks(size);
        let stretches = self.ground.take(blocks)?;
        for stretch in &stretches {
            self.commits.push(self.ground.write(*stretch), out);
        }
        self.live_blocks += blocks;
        self.written += blocks;
        Some(stretches)
    }

    /// The rapid phase: sizes by weight, until it is full; then the length of the run follows from how many there are.
    fn fill(&mut self, out: &mut VecDeque<Op>) -> Result<()> {
        let size = self.sizes.draw(&mut self.chance);
        if self.live_blocks + self.sizes.blocks(size) <= self.high
            && let Some(stretches) = self.make(size, out)
        {
            self.first.push((size, stretches));
            self.tick += 1;
            return Ok(());
        }
        let ticks = self.classes.ticks(self.tick);
        if ticks > TICKS_MAX {
            return Err(WorkloadError::bad_setting(
                AGES.name,
                ticks,
                "a run of at most 2^26 operations: fewer small objects, or a wider youngest class",
            ));
        }
        let mut census = Census::new(ticks, self.sizes.count());
        for (birth, (size, stretches)) in std::mem::take(&mut self.first).into_iter().enumerate() {
            census.born(birth as u64, size, stretches);
        }
        self.census = Some(census);
        self.commits.end_round(out);
        self.round_end = self.written + self.round_blocks;
        Ok(())
    }

    /// The stable phase: a fair coin makes an object of the size that is missing most, or drops one of the age and size
    /// that are too many. Where the volume is too full or too empty by 2 %, there is no coin.
    fn age(&mut self, mut census: Census, out: &mut VecDeque<Op>) -> Census {
        let heads = self.chance.happens(0.5);
        let make = match self.live_blocks {
            live if live > self.high => false,
            live if live < self.high - self.high / 50 => true,
            _ => heads,
        };
        self.tick += 1;
        let size = census.scarcest(&self.sizes);
        if make && let Some(stretches) = self.make(size, out) {
            census.born(self.tick - 1, size, stretches);
        } else if let Some((size, stretches)) =
            census.drop_one(self.tick, &self.classes, &self.sizes, &mut self.chance)
        {
            self.live_blocks -= self.sizes.blocks(size);
            for stretch in stretches {
                self.commits.push(self.ground.discard(stretch), out);
                self.ground.give(stretch);
            }
        }
        self.end_if_due(&census, out);
        census
    }

    fn end_if_due(&mut self, census: &Census, out: &mut VecDeque<Op>) {
        let mut over = self.written >= self.written_max || self.tick >= census.ticks();
        if self.written >= self.round_end || over {
            self.commits.end_round(out);
            self.round_end = self.written + self.round_blocks;
            if let Some(wanted) = self.confidence {
                over |= census.likelihood(self.tick, &self.classes) >= wanted;
            }
        }
        self.over = over;
    }
}

impl Steps for Ager {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        match self.census.take() {
            None => self.fill(out)?,
            Some(census) => self.census = Some(self.age(census, out)),
        }
        Ok(!self.over)
    }
    fn progress(&self) -> f64 {
        if self.over {
            return 1.0;
        }
        let ticks = self.census.as_ref().map_or(0.0, |census| part(self.tick, census.ticks()));
        part(self.written, self.written_max).max(ticks)
    }
}

/// Bytes as whole blocks, at least one.
fn blocks_of(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK_BYTES as u64).max(1)
}
