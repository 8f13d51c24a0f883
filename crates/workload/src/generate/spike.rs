//! A spike: objects of several sizes fill a volume for a moment and leave again, then many of one size come, then all are mixed.
//!
//! Invariant: five rounds, after each of which the live share is that of its phase (within one object); an object is made and
//! dropped whole. Knows no kernel: the phases are those of a machine that boots, is loaded, walks its files and works.

use super::geriatrix::profile::Weighted;
use super::ground::{Ground, Stretch};
use super::{Commits, FLUSH_EVERY, part, real_in, share, share_of};
use crate::chance::Chance;
use crate::compose::{self, SCAN};
use crate::error::{Result, WorkloadError};
use crate::op::Op;
use crate::workload::{Steps, Stream, Workload, WorkloadContext, WorkloadEntry};
use spinney_core::{Parameter, Settings};
use std::collections::VecDeque;

const SIZES: Parameter = Parameter::word(
    "sizes",
    "4096:32 8192:16 16384:8 32768:4 65536:2 131072:1",
    "Sizes of objects in bytes, each with its weight, as `size:weight` with spaces between; at most 64. The default has powers of \
     two with an equal share of the bytes each, which no buddy system has to round. The one of most weight is that of the fourth round.",
);
const BASE: Parameter = Parameter::real(
    "base",
    0.3,
    "Share of the volume that is live after the first round, and again after the third. Little, so that what is held beyond it shows.",
);
const PEAK: Parameter = Parameter::real(
    "peak",
    0.8,
    "Share that is live at the height of the spike, above base. More tests an allocator near full; 0.8 is where all still have a choice.",
);
const STAY: Parameter = Parameter::real(
    "stay",
    0.05,
    "Share of the objects of the spike that outlive it; as much of what was there before goes in their place. 0: the spike leaves \
     nothing behind; more pins more of what it touched.",
);
const STAYS: Parameter = Parameter::word(
    "stays",
    "any",
    "Which objects of the spike outlive it: `any`, whatever their size, or only those of `one-size` (that of most weight; as many in all). \
     In a kernel size tells the type, and the type much about the lifetime; on a volume it mostly does not.",
);
const WALK: Parameter = Parameter::real(
    "walk",
    0.2,
    "Share of the volume that the fourth round fills with objects of one size, which stay. A walk over all files fills a kernel's \
     cache of inodes like that.",
);
const CHURN: Parameter = Parameter::real(
    "churn",
    2.0,
    "How often the last round replaces what is live, at random, by objects of all sizes. 2 is enough for the sizes to mix.",
);

/// A spike.
pub const ENTRY: WorkloadEntry = WorkloadEntry {
    name: "spike",
    summary: "objects of several sizes fill a volume for a moment and leave again; then one size; then a mix",
    paper: "Bonwick, The Slab Allocator (1994), section 5: memory held after boot, spike, find and a benchmark; shares are ours",
    parameters: &[SIZES, BASE, PEAK, STAY, STAYS, WALK, CHURN, FLUSH_EVERY, SCAN],
    build,
};

fn build(context: &WorkloadContext, settings: &Settings) -> Result<Box<dyn Workload>> {
    let base = real_in(settings, &BASE, 0.01, 0.9, "0.01 to 0.9")?;
    let peak = real_in(settings, &PEAK, base, 0.95, "at least base, and at most 0.95")?;
    let walk = real_in(settings, &WALK, 0.0, 0.95 - base, "at least 0, and with base at most 0.95")?;
    let sizes = Weighted::parse(&SIZES, settings)?;
    let blocks = |share: f64| share_of(context.volume_blocks, share);
    if sizes.blocks_max() > blocks(base) {
        return Err(WorkloadError::bad_setting(SIZES.name, settings.word(&SIZES), "none larger than base"));
    }
    let churn = real_in(settings, &CHURN, 0.0, 1e6, "at least 0")? * (base + walk);
    let spike = Spike {
        levels: [blocks(base), blocks(peak), blocks(base), blocks(base + walk)],
        churn_blocks: (context.volume_blocks as f64 * churn) as u64,
        stay: share(settings, &STAY)?,
        one_size: super::choice(settings, &STAYS, &["any", "one-size"], "any or one-size")? == 1,
        common: (0..sizes.count()).max_by(|a, b| sizes.share(*a).total_cmp(&sizes.share(*b))).unwrap_or(0),
        ground: Ground::new(context.volume_blocks, 1),
        sizes,
        commits: Commits::new(settings.integer(&FLUSH_EVERY)),
        chance: Chance::new(context.seed, 9),
        live: Vec::new(),
        passing: Vec::new(),
        live_blocks: 0,
        churned: 0,
    };
    compose::begin_and_scan(Box::new(Stream::new(spike)), context, settings, 0.0)
}

type Object = Vec<Stretch>;

struct Spike {
    /// Live blocks at the end of each of the first four rounds.
    levels: [u64; 4],
    churn_blocks: u64,
    stay: f64,
    /// Only the size of most weight outlives the spike.
    one_size: bool,
    /// The size of most weight.
    common: usize,
    ground: Ground,
    sizes: Weighted,
    commits: Commits,
    chance: Chance,
    /// What stays, in no order.
    live: Vec<Object>,
    /// What leaves with the spike.
    passing: Vec<Object>,
    live_blocks: u64,
    /// Blocks that the last round wrote.
    churned: u64,
}

impl Spike {
    /// Make an object. `None` if the address space has no room, which below 95 % it always has.
    fn make(&mut self, size: usize, out: &mut VecDeque<Op>) -> Option<Object> {
        let blocks = self.sizes.blocks(size);
        let object = self.ground.take(blocks)?;
        object.iter().for_each(|stretch| self.commits.push(self.ground.write(*stretch), out));
        self.live_blocks += blocks;
        Some(object)
    }
    fn drop(&mut self, object: Object, out: &mut VecDeque<Op>) {
        for stretch in object {
            self.live_blocks -= stretch.blocks;
            self.commits.push(self.ground.discard(stretch), out);
            self.ground.give(stretch);
        }
    }
    /// Any of those that stay.
    fn any(&mut self) -> Option<Object> {
        let count = self.live.len() as u64;
        (count > 0).then(|| self.live.swap_remove(self.chance.below(count) as usize))
    }
    /// Whether an object of the spike stays.
    fn outlives(&mut self, size: usize) -> bool {
        let chance = match (self.one_size, size == self.common) {
            (false, _) => self.stay,
            (true, true) => self.stay / self.sizes.share(size),
            (true, false) => 0.0,
        };
        self.chance.happens(chance)
    }
    /// Towards the level of round `round`, which may be reached.
    fn rise(&mut self, round: usize, out: &mut VecDeque<Op>) -> bool {
        let size = if round == 3 { self.common } else { self.sizes.draw(&mut self.chance) };
        if self.live_blocks + self.sizes.blocks(size) > self.levels[round] {
            return true;
        }
        let stays = round != 1 || self.outlives(size);
        let Some(object) = self.make(size, out) else { return true };
        if stays {
            self.live.push(object)
        } else {
            self.passing.push(object)
        }
        false
    }
    /// What passes leaves, in any order; then some of what was there before, for those that outlived the spike.
    fn fall(&mut self, out: &mut VecDeque<Op>) -> bool {
        let count = self.passing.len() as u64;
        let object = match count {
            0 if self.live_blocks <= self.levels[2] => None,
            0 => self.any(),
            _ => Some(self.passing.swap_remove(self.chance.below(count) as usize)),
        };
        let over = object.is_none();
        object.into_iter().for_each(|object| self.drop(object, out));
        over
    }
    /// One goes, and others come in its place.
    fn churn(&mut self, out: &mut VecDeque<Op>) -> bool {
        if self.churned >= self.churn_blocks {
            return true;
        }
        if let Some(object) = self.any() {
            self.drop(object, out);
        }
        let size = self.sizes.draw(&mut self.chance);
        let fits = self.live_blocks + self.sizes.blocks(size) <= self.levels[3];
        if fits && let Some(object) = self.make(size, out) {
            self.live.push(object);
        }
        self.churned += self.sizes.blocks(size);
        false
    }
}

impl Steps for Spike {
    fn step(&mut self, out: &mut VecDeque<Op>) -> Result<bool> {
        let over = match self.commits.rounds() {
            2 => self.fall(out),
            round @ 0..=3 => self.rise(round as usize, out),
            4 => self.churn(out),
            _ => return Ok(false),
        };
        if over {
            self.commits.end_round(out);
        }
        Ok(true)
    }
    fn progress(&self) -> f64 {
        (self.commits.rounds() as f64 + part(self.churned, self.churn_blocks.max(1))).min(5.0) / 5.0
    }
}
