//! [`AreaIndex`]: WAFL's allocation areas. An area is chosen by its score, which is how many free blocks it has; its free
//! blocks are handed out in order until none is left; then another area is chosen.
//!
//! Invariant: `scores` has the free blocks of each area, and the chooser the same, but 0 for the area in use. Choice of area
//! and policy inside an area do not know each other (P5). What no area serves is found by the bitmap's own search.

mod choice;
mod hbps;

pub use choice::Choice;
pub use hbps::{BINS, Hbps, LISTED_MAX};

use crate::index::{BitmapIndex, Fit};
use crate::leaves::Span;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use choice::Chooser;
use spinney_alloc::{FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Error, Extent, Flow, Parameter, Result, Settings};

/// What happens inside an area.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Within {
    /// The next free run from the cursor on, however short: nothing is left behind, and requests are split.
    #[default]
    Order,
    /// The next run from the cursor on that holds all that is wanted.
    Whole,
    /// The first run of the area that does.
    First,
}

/// How an [`AreaIndex`] works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AreaTuning {
    /// Blocks of an area, [`AREA_BLOCKS_MIN`] to [`AREA_BLOCKS_MAX`].
    pub area_blocks: u64,
    /// Which area comes next.
    pub choice: Choice,
    /// Which run of it.
    pub within: Within,
}

/// The smallest area: a leaf of the bitmap.
pub const AREA_BLOCKS_MIN: u64 = 512;
/// The largest: its score is a `u32`.
pub const AREA_BLOCKS_MAX: u64 = 1 << 31;
const AREA_BLOCKS: u64 = 32_768;
/// Areas that are used up in vain for one request before it is searched for.
const TRIES: usize = 4;

impl Default for AreaTuning {
    fn default() -> AreaTuning {
        AreaTuning { area_blocks: AREA_BLOCKS, choice: Choice::default(), within: Within::default() }
    }
}

/// Allocation areas over a bitmap.
#[derive(Clone, Debug)]
pub struct AreaIndex {
    tuning: AreaTuning,
    bitmap: BitmapIndex,
    scores: Vec<u32>,
    chooser: Chooser,
    /// The area in use, and where in it the next block is looked for (a position in the bitmap).
    current: Option<usize>,
    last: usize,
    cursor: usize,
    looked: u64,
    areas_used: u64,
}

impl Default for AreaIndex {
    fn default() -> AreaIndex {
        AreaIndex::new(AreaTuning::default())
    }
}

impl AreaIndex {
    /// An index; then `reset`.
    ///
    /// # Panics
    /// If `area_blocks` is outside its bounds.
    #[must_use]
    pub fn new(tuning: AreaTuning) -> AreaIndex {
        assert!((AREA_BLOCKS_MIN..=AREA_BLOCKS_MAX).contains(&tuning.area_blocks), "{tuning:?}");
        AreaIndex {
            tuning,
            bitmap: BitmapIndex::new(Fit::First, 1, 0),
            scores: Vec::new(),
            chooser: Chooser::new(tuning.choice, 0, tuning.area_blocks as u32),
            current: None,
            last: 0,
            cursor: 0,
            looked: 0,
            areas_used: 0,
        }
    }
    /// Free blocks of each area, in address order.
    #[must_use]
    pub fn scores(&self) -> &[u32] {
        &self.scores
    }
    /// The area that is being used up.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.current
    }
    /// How often an area was chosen.
    #[must_use]
    pub fn areas_used(&self) -> u64 {
        self.areas_used
    }
    /// The position of the universe's first block: areas count from there.
    fn first(&self) -> usize {
        (self.bitmap.universe.start.0 - self.bitmap.base) as usize
    }
    fn bounds(&self, area: usize) -> Span {
        let blocks = self.tuning.area_blocks as usize;
        let start = self.first() + area * blocks;
        Span { start, blocks: blocks.min(self.bitmap.end() - start) }
    }
    /// Give or take a run's blocks in the scores of the areas that it lies in.
    fn score(&mut self, run: Extent, free: bool) {
        let (mut at, end) =
            (run.start.0 - self.bitmap.universe.start.0, run.end().0 - self.bitmap.universe.start.0);
        while at < end {
            let area = at / self.tuning.area_blocks;
            let next = end.min((area + 1) * self.tuning.area_blocks);
            let (area, blocks) = (area as usize, (next - at) as u32);
            let old = self.scores[area];
            let new = if free { old + blocks } else { old - blocks };
            self.scores[area] = new;
            if self.current != Some(area) {
                self.chooser.change(area, old, new);
            }
            at = next;
        }
    }
    /// A run of the area in use; the cursor moves on, also if there is none (P1).
    fn serve_here(&mut self, want: &Want) -> Option<Extent> {
        let bounds = self.bounds(self.current?);
        let blocks_min = match self.tuning.within {
            Within::Order => want.blocks_min,
            Within::Whole | Within::First => {
                want.blocks_max.min(self.tuning.area_blocks).max(want.blocks_min)
            }
        };
        let from = if self.tuning.within == Within::First { bounds.start } else { self.cursor };
        let run = self.bitmap.ahead(&Want { blocks_min, ..*want }, from, bounds.end(), usize::MAX);
        self.cursor = run.map_or(bounds.end(), |run| (run.end().0 - self.bitmap.base) as usize);
        run
    }
    /// Choose an area and use it. False if none has a free block.
    fn move_on(&mut self) -> bool {
        let (chosen, looked) = self.chooser.choose(&self.scores, self.last);
        self.looked += looked;
        let Some(area) = chosen else { return false };
        self.chooser.change(area, self.scores[area], 0);
        (self.current, self.last) = (Some(area), area);
        self.cursor = self.bounds(area).start;
        self.areas_used += 1;
        true
    }
    /// A run of the area in use or of the next few. One that was chosen for this request and gave nothing is put back only at
    /// the end, or it would be chosen again.
    fn serve(&mut self, want: &Want) -> Option<Extent> {
        let mut found = self.serve_here(want);
        if found.is_some() {
            return found;
        }
        if let Some(area) = self.current.take() {
            self.chooser.change(area, 0, self.scores[area]);
        }
        let mut tried = [None; TRIES];
        for tried in &mut tried {
            if !self.move_on() {
                break;
            }
            found = self.serve_here(want);
            if found.is_some() {
                break;
            }
            *tried = self.current.take();
        }
        tried.into_iter().flatten().for_each(|area| self.chooser.change(area, 0, self.scores[area]));
        found
    }
}

impl FreeIndex for AreaIndex {
    fn reset(&mut self, universe: Extent) {
        *self = AreaIndex::new(self.tuning);
        self.bitmap.reset(universe);
        let areas = universe.blocks.div_ceil(self.tuning.area_blocks) as usize;
        self.scores = vec![0; areas];
        self.chooser = Chooser::new(self.tuning.choice, areas, self.tuning.area_blocks as u32);
    }
    fn insert(&mut self, run: Extent) {
        self.bitmap.insert(run);
        self.score(run, true);
    }
    fn remove(&mut self, run: Extent) {
        self.bitmap.remove(run);
        self.score(run, false);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        if self.bitmap.is_too_long(want.blocks_min) {
            return None;
        }
        if let Some(run) = self.serve(want) {
            self.remove(run);
            return Some(run);
        }
        self.bitmap.fallbacks += 1;
        let run = self.bitmap.pick(&Want { near: None, ..*want })?;
        self.score(run, false);
        Some(run)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.bitmap.is_free(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        self.bitmap.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.bitmap.free_blocks()
    }
    fn free_runs(&self) -> u64 {
        self.bitmap.free_runs()
    }
    fn longest_max(&self) -> u64 {
        self.bitmap.longest_max()
    }
    fn effort(&self) -> Effort {
        let below = self.bitmap.effort();
        Effort { steps: below.steps + self.looked, ..below }
    }
    fn memory_bytes(&self) -> u64 {
        let own = size_of::<AreaIndex>() - size_of::<BitmapIndex>();
        self.bitmap.memory_bytes() + own as u64 + 4 * self.scores.len() as u64 + self.chooser.memory_bytes()
    }
}

const AREA: Parameter = Parameter::integer(
    "area_blocks",
    AREA_BLOCKS,
    "Blocks of an allocation area, 512 to 2^31. Small areas follow the free space more closely, so the chosen one is emptier \
     than the mean and gives longer runs; they are also used up sooner, and each choice costs. 32,768 is WAFL's (one bitmap \
     block of 4 KiB, 128 MiB); 32,256 makes an area exactly one page of this crate's activemap.",
);
const CHOICE: Parameter = Parameter::word(
    "choice",
    "hbps",
    "Which area comes next. `hbps`: the emptiest to within one bin of 32, from a histogram and a list that fit two pages. \
     `heap`: the emptiest exactly, at 8 bytes an area and a logarithm a change. `random`: any that has a free block, the \
     control that shows what scores are worth. `next`: in address order, as a log would. The default is WAFL's for storage that \
     is not a RAID group of its own.",
);
const SEED: Parameter = Parameter::integer(
    "seed",
    1,
    "Of `choice = \"random\"` only. An experiment that varies it sees how far the control is chance; the same seed makes the same choices.",
);
const WITHIN: Parameter = Parameter::word(
    "within",
    "order",
    "Which run inside the area. `order`: the next free blocks in address order, so that the area is used up and writes are as \
     sequential as its free space is; a request is split where a run ends. `whole`: the next run that holds all that is wanted, \
     so nothing is split that need not be, and short runs are left behind. `first`: the same from the area's start each time. \
     The default is WAFL's.",
);

/// The row of the registry.
pub const AREAS: IndexEntry = IndexEntry {
    name: "areas",
    summary: "allocation areas scored by free blocks; the emptiest is used up in address order, then the next",
    paper: "WAFL: allocation areas, max-heap and HBPS (ICPP'18, recalled; not read here)",
    parameters: &[AREA, CHOICE, SEED, WITHIN],
    build: |settings| Ok(Box::new(AreaIndex::new(tuning(settings)?))),
};

fn tuning(settings: &Settings) -> Result<AreaTuning> {
    let area_blocks = settings.integer(&AREA);
    if !(AREA_BLOCKS_MIN..=AREA_BLOCKS_MAX).contains(&area_blocks) {
        return Err(Error::BadSetting("area_blocks is 512 to 2^31"));
    }
    let choice = match settings.word(&CHOICE) {
        "hbps" => Choice::Hbps,
        "heap" => Choice::Heap,
        "random" => Choice::Random(settings.integer(&SEED)),
        "next" => Choice::Next,
        _ => return Err(Error::BadSetting("choice is one of `hbps`, `heap`, `random`, `next`")),
    };
    let within = match settings.word(&WITHIN) {
        "order" => Within::Order,
        "whole" => Within::Whole,
        "first" => Within::First,
        _ => return Err(Error::BadSetting("within is one of `order`, `whole`, `first`")),
    };
    Ok(AreaTuning { area_blocks, choice, within })
}
