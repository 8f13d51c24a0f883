//! [`RoaringIndex`]: the free set in the crate `roaring`, as an engineer would use it: first or next fit by a walk of its ranges.
//!
//! Invariant: block `universe.start + i` is free exactly if bit `i` is set, in the part `i >> 32`. There is no order by length,
//! so a pick costs a walk over all shorter ranges from where it begins: the compression saves memory, not searching.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use roaring::RoaringBitmap;
use spinney_alloc::{FreeIndex, IndexEntry, Want};
use spinney_core::{Effort, Error, Extent, Flow, Parameter, Pba, Result, Settings};

/// Where a walk begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Walk {
    /// At the lowest address.
    First,
    /// Where the last pick ended, and from the start again.
    #[default]
    Next,
}

/// Bits of a part: what a `RoaringBitmap` can number.
const PART: u64 = 1 << 32;

/// A roaring bitmap of the free blocks.
#[derive(Clone, Debug)]
pub struct RoaringIndex {
    walk: Walk,
    universe: Extent,
    parts: Vec<RoaringBitmap>,
    cursor: u64,
    free_blocks: u64,
    free_runs: u64,
    steps: u64,
    /// As of some calls ago: see `note`.
    memory_bytes: u64,
    calls_since: u64,
}

/// Bytes of a container's entry: its key, and the store's kind, length and place.
const CONTAINER_BYTES: u64 = 40;
/// A bit for each of a container's 65,536 blocks.
const BITSET_BYTES: u64 = 8192;

impl RoaringIndex {
    /// An index; then `reset`.
    #[must_use]
    pub fn new(walk: Walk) -> RoaringIndex {
        RoaringIndex {
            walk,
            universe: Extent { start: Pba(0), blocks: 0 },
            parts: Vec::new(),
            cursor: 0,
            free_blocks: 0,
            free_runs: 0,
            steps: 0,
            memory_bytes: 0,
            calls_since: 0,
        }
    }
    fn span(&self, run: Extent) -> (u64, u64) {
        assert!(self.universe.contains(run), "{run:?} is outside {:?}", self.universe);
        (run.start.0 - self.universe.start.0, run.end().0 - self.universe.start.0)
    }
    fn extent(&self, start: u64, end: u64) -> Extent {
        Extent::new(Pba(self.universe.start.0 + start), end - start)
    }
    fn has(&self, at: u64) -> bool {
        self.parts.get((at / PART) as usize).is_some_and(|part| part.contains((at % PART) as u32))
    }
    /// Neighbors of a run that are free: 0, 1 or 2.
    fn neighbors(&self, (start, end): (u64, u64)) -> u64 {
        u64::from(start > 0 && self.has(start - 1)) + u64::from(self.has(end))
    }
    /// The first free run that ends after `from`, cut there and at `to`: ranges are joined where containers and parts meet.
    fn next_run(&self, from: u64, to: u64, steps: &mut u64) -> Option<(u64, u64)> {
        let mut run: Option<(u64, u64)> = None;
        for (number, part) in self.parts.iter().enumerate().skip((from / PART) as usize) {
            let base = number as u64 * PART;
            if base >= to {
                break;
            }
            let first = from.saturating_sub(base) as u32;
            let mut ranges = part.range(first..);
            while let Some(range) = ranges.next_range() {
                *steps += 1;
                let (start, end) = (base + u64::from(*range.start()), base + u64::from(*range.end()) + 1);
                match &mut run {
                    Some((_, last)) if *last == start => *last = end,
                    Some(_) => return cut(run, to),
                    None => run = Some((start, end)),
                }
                if end >= to {
                    return cut(run, to);
                }
            }
        }
        cut(run, to)
    }
    fn find(&mut self, want: &Want, from: u64) -> Option<Extent> {
        let (mut at, mut steps, mut found) = (from, 0, None);
        while let Some((start, end)) = self.next_run(at, self.universe.blocks, &mut steps) {
            found = want.fit(self.extent(start, end));
            if found.is_some() {
                break;
            }
            at = end;
        }
        self.steps += steps;
        found
    }
    /// Keep the reckoning of memory: it takes a walk of all containers, so it is made once in as many calls as there are. A
    /// container of runs that broke up takes up to eight bits a block and stays one until it is told: so above a bit a
    /// block all are.
    fn note(&mut self) {
        let containers: u64 = self.universe.blocks >> 16;
        self.calls_since += 1;
        if self.calls_since > containers {
            self.calls_since = 0;
            self.memory_bytes = self.parts.iter().map(bytes).sum();
            if self.memory_bytes > self.universe.blocks / 8 + containers * CONTAINER_BYTES {
                for part in &mut self.parts {
                    part.optimize();
                }
                self.memory_bytes = self.parts.iter().map(bytes).sum();
            }
        }
    }
    fn change(&mut self, (start, end): (u64, u64), free: bool) {
        let mut at = start;
        while at < end {
            let part = at / PART;
            let next = end.min((part + 1) * PART);
            let range = (at % PART) as u32..=((next - 1) % PART) as u32;
            let bits = &mut self.parts[part as usize];
            let changed = if free { bits.insert_range(range) } else { bits.remove_range(range) };
            assert_eq!(changed, next - at, "a double free or take in {start}..{end}");
            at = next;
        }
        self.steps += (end >> 16) - (start >> 16) + 1;
        self.note();
    }
}

fn cut(run: Option<(u64, u64)>, to: u64) -> Option<(u64, u64)> {
    run.map(|(start, end)| (start, end.min(to))).filter(|(start, end)| start < end)
}

/// The crate's statistics give an array's bytes twice over and a bitset's in bits (0.12), so these two are counted here.
fn bytes(part: &RoaringBitmap) -> u64 {
    let held = part.statistics();
    let bitsets = u64::from(held.n_bitset_containers) * BITSET_BYTES;
    let stores = held.n_bytes_array_containers / 2 + held.n_bytes_run_containers + bitsets;
    u64::from(held.n_containers) * CONTAINER_BYTES + stores
}

impl Default for RoaringIndex {
    fn default() -> RoaringIndex {
        RoaringIndex::new(Walk::default())
    }
}

impl FreeIndex for RoaringIndex {
    fn reset(&mut self, universe: Extent) {
        let parts = vec![RoaringBitmap::new(); universe.blocks.div_ceil(PART) as usize];
        *self = RoaringIndex { universe, parts, ..RoaringIndex::new(self.walk) };
    }
    fn insert(&mut self, run: Extent) {
        let span = self.span(run);
        let joined = self.neighbors(span);
        self.change(span, true);
        self.free_blocks += run.blocks;
        self.free_runs = self.free_runs + 1 - joined;
    }
    fn remove(&mut self, run: Extent) {
        let span = self.span(run);
        self.free_runs = self.free_runs + self.neighbors(span) - 1;
        self.change(span, false);
        self.free_blocks -= run.blocks;
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        want.check();
        let from = if self.walk == Walk::Next { self.cursor } else { 0 };
        let most = Want { blocks_min: want.blocks_max.min(self.free_blocks).max(want.blocks_min), ..*want };
        let whole = self.find(&most, from).or_else(|| if from > 0 { self.find(&most, 0) } else { None });
        let run =
            whole.or_else(|| if most.blocks_min > want.blocks_min { self.find(want, 0) } else { None })?;
        self.remove(run);
        self.cursor = run.end().0 - self.universe.start.0;
        Some(run)
    }
    fn is_free(&self, run: Extent) -> bool {
        self.universe.contains(run) && {
            let (start, end) = self.span(run);
            self.next_run(start, end, &mut 0) == Some((start, end))
        }
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        let Some(within) = within.intersect(self.universe) else { return };
        let (mut at, to) = self.span(within);
        while let Some((start, end)) = self.next_run(at, to, &mut 0) {
            if each(self.extent(start, end)) == Flow::Stop {
                return;
            }
            at = end;
        }
    }
    fn free_blocks(&self) -> u64 {
        self.free_blocks
    }
    fn free_runs(&self) -> u64 {
        self.free_runs
    }
    fn effort(&self) -> Effort {
        Effort { steps: self.steps, ..Effort::default() }
    }
    /// As the bitmap's own statistics give it, brought up to date once in as many calls as the space has 65,536 blocks.
    fn memory_bytes(&self) -> u64 {
        self.memory_bytes + size_of::<RoaringIndex>() as u64
    }
}

const WALK: Parameter = Parameter::word(
    "fit",
    "next",
    "`next` walks from where the last pick ended, `first` from the lowest address. Both pass all ranges that are too short, of \
     which an aged space has most in front: `next` meets fewer of them, hence the default; `first` packs the front.",
);

/// The row of the registry.
pub const ROARING: IndexEntry = IndexEntry {
    name: "roaring",
    summary: "the free set in the crate roaring; first or next fit by a walk of its ranges",
    paper: "Lemire et al., Roaring bitmaps (2014 to 2018), by the crate roaring",
    parameters: &[WALK],
    build: |settings| Ok(Box::new(RoaringIndex::new(walk(settings)?))),
};

fn walk(settings: &Settings) -> Result<Walk> {
    match settings.word(&WALK) {
        "first" => Ok(Walk::First),
        "next" => Ok(Walk::Next),
        _ => Err(Error::BadSetting("fit is `first` or `next`")),
    }
}
