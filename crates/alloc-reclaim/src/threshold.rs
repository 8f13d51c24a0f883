//! FlexVol's delayed frees: they wait in a log until they are a share of the volume, then the richest groups are recorded first.
//!
//! Invariant: replayed in order, the log gives what is queued: a record queues a run, or says that what was queued inside a range
//! is recorded. It is rewritten once it is twice as long as what it says. A group is a range of `group_blocks` blocks, as many as
//! one block of the map covers; its richness is known in memory only.

use crate::SLICE_RUNS;
use crate::records::{Record, Records};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use spinney_alloc::reclaim::Moment;
use spinney_alloc::{FreeLog, Reclaim, ReclaimEntry, RunSet};
use spinney_core::{
    Epoch, Error, Extent, Finding, PageNo, PageRead, PageTxn, Parameter, Pba, Place, Result, Settings,
};

const NO_STATE: &str = "format or open comes first";
/// A log of at most this many pages is never rewritten.
const REWRITTEN_PAGES_MIN: u64 = 4;

/// The policy.
#[derive(Debug)]
pub struct Threshold {
    percent: f64,
    group_blocks: u64,
    slice_runs: u64,
    state: Option<State>,
}

/// An open log.
#[derive(Clone, Debug)]
struct State {
    universe: Extent,
    group_blocks: u64,
    records: Records,
    queued: RunSet,
    /// Blocks queued in each group that has any.
    groups: BTreeMap<u64, u64>,
    /// The same by richness: the last is the richest, and of several the one that lies first.
    richness: BTreeSet<(u64, core::cmp::Reverse<u64>)>,
}

impl Threshold {
    /// As the settings of [`THRESHOLD`] say. Errors: `BadSetting`.
    pub fn new(settings: &Settings) -> Result<Threshold> {
        let (group_blocks, slice_runs) = (settings.integer(&GROUP_BLOCKS), settings.integer(&SLICE_RUNS));
        let percent = settings.real(&THRESHOLD_PERCENT);
        if group_blocks == 0 || slice_runs == 0 || !(0.0..=100.0).contains(&percent) {
            let what = "group_blocks and slice_runs must be at least 1, threshold_percent from 0 to 100";
            return Err(Error::BadSetting(what));
        }
        Ok(Threshold { percent, group_blocks, slice_runs, state: None })
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect(NO_STATE)
    }
    fn is_due(&self, queued_blocks: u64, now: &Moment) -> bool {
        let most = now.total_blocks as f64 * self.percent / 100.0;
        queued_blocks as f64 > if now.hurried { 0.0 } else { most }
    }
    /// At most how many runs a commit records that is given `runs`: the last group may pass the slice.
    fn slice_bound(&self, runs: u64) -> u64 {
        self.slice_runs.max(runs).saturating_add(self.group_blocks.div_ceil(2))
    }
}

impl State {
    fn new(universe: Extent, group_blocks: u64, records: Records) -> State {
        let (queued, groups, richness) = Default::default();
        State { universe, group_blocks, records, queued, groups, richness }
    }
    fn groups_of(&self, run: Extent) -> core::ops::RangeInclusive<u64> {
        let group = |at: u64| (at - self.universe.start.0) / self.group_blocks;
        group(run.start.0)..=group(run.end().0 - 1)
    }
    fn range(&self, group: u64) -> Extent {
        let from = group * self.group_blocks;
        let blocks = self.group_blocks.min(self.universe.blocks - from);
        Extent::new(Pba(self.universe.start.0 + from), blocks)
    }
    /// Change the richness of the groups that a run lies in.
    fn count(&mut self, run: Extent, queued: bool) {
        for group in self.groups_of(run) {
            let blocks = self.range(group).intersect(run).map_or(0, |part| part.blocks);
            let before = self.groups.remove(&group).unwrap_or(0);
            let after = if queued { before + blocks } else { before - blocks };
            self.richness.remove(&(before, core::cmp::Reverse(group)));
            if after > 0 {
                self.groups.insert(group, after);
                self.richness.insert((after, core::cmp::Reverse(group)));
            }
        }
    }
    fn queue(&mut self, run: Extent) -> bool {
        let queued = self.queued.insert(run).is_ok();
        if queued {
            self.count(run, true);
        }
        queued
    }
    /// Take what is queued inside `range` out.
    fn drain(&mut self, range: Extent) -> Vec<Extent> {
        let runs: Vec<Extent> = self.queued.within(range).collect();
        for run in &runs {
            assert!(self.queued.remove(*run), "{run:?} is queued");
            self.count(*run, false);
        }
        runs
    }
    fn load(universe: Extent, group_blocks: u64, head: PageNo, pages: &dyn PageRead) -> Result<State> {
        let records = Records::open(head, pages)?;
        let mut queued = RunSet::default();
        records.replay(universe, pages, &mut |record| match record {
            Record::Queued(run) => queued.insert(run).is_ok(),
            Record::Drained(range) => {
                let runs: Vec<Extent> = queued.within(range).collect();
                runs.iter().for_each(|run| _ = queued.remove(*run));
                !runs.is_empty()
            }
        })?;
        let mut state = State::new(universe, group_blocks, records);
        queued.iter().for_each(|run| state.count(run, true));
        state.queued = queued;
        Ok(state)
    }
    /// Whether a log with `more` records more may be rewritten for `runs` runs.
    fn is_wasteful(&self, more: u64, runs: u64) -> bool {
        let records = self.records.count.saturating_add(more);
        self.records.pages_for(more) > REWRITTEN_PAGES_MIN && records >= runs.saturating_mul(2)
    }
}

impl Reclaim for Threshold {
    fn due(&self, now: &Moment) -> Epoch {
        now.epoch
    }
    fn log(&self) -> Option<&dyn FreeLog> {
        Some(self)
    }
    fn log_mut(&mut self) -> Option<&mut dyn FreeLog> {
        Some(self)
    }
}

impl FreeLog for Threshold {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<PageNo> {
        let records = Records::create(pages)?;
        self.state = Some(State::new(universe, self.group_blocks, records));
        Ok(records.log.root())
    }

    fn open(&mut self, universe: Extent, head: PageNo, pages: &dyn PageRead) -> Result<()> {
        self.state = Some(State::load(universe, self.group_blocks, head, pages)?);
        Ok(())
    }

    fn commit(
        &mut self,
        now: &Moment,
        released: &[Extent],
        pages: &mut dyn PageTxn,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()> {
        let mut state = self.state.take().expect(NO_STATE);
        let mut records: Vec<Record> = released.iter().map(|run| Record::Queued(*run)).collect();
        for run in released {
            assert!(state.queue(*run), "{run:?} is queued already");
        }
        let (slice, mut done) = (self.slice_runs.max(released.len() as u64), 0);
        while done < slice && self.is_due(state.queued.blocks(), now) {
            let Some((_, core::cmp::Reverse(richest))) = state.richness.last().copied() else { break };
            let range = state.range(richest);
            let runs = state.drain(range);
            done += runs.len() as u64;
            runs.into_iter().for_each(&mut *each);
            records.push(Record::Drained(range));
        }
        if records.is_empty() {
            // Nothing to say: the log stays as it is.
        } else if state.is_wasteful(records.len() as u64, state.queued.runs()) {
            state.records.clear(pages)?;
            state.records.append(state.queued.iter().map(Record::Queued), pages)?;
        } else {
            state.records.append(records.into_iter(), pages)?;
        }
        self.state = Some(state);
        Ok(())
    }

    fn due_bound(&self, runs: u64, blocks: u64) -> (u64, u64) {
        let blocks = self.state().queued.blocks() + blocks;
        (self.slice_bound(runs).min(blocks), blocks)
    }

    fn pages_bound(&self, runs: u64) -> u64 {
        let state = self.state();
        let groups = state.universe.blocks.div_ceil(self.group_blocks).min(self.slice_bound(runs));
        let more = runs.saturating_add(groups);
        let appended = state.records.log.pages_bound(more);
        if state.records.pages_for(more) <= REWRITTEN_PAGES_MIN {
            return appended;
        }
        // A rewrite frees all pages but the head; each range that is taken out may leave one run more.
        let left = state.queued.runs().saturating_add(more);
        let left = left.min(state.records.count.saturating_add(more) / 2);
        appended.max(state.records.pages_for(0) + state.records.log.pages_for(left))
    }

    fn is_draining(&self, now: &Moment) -> bool {
        self.is_due(self.state().queued.blocks(), now)
    }

    fn visit(&self, each: &mut dyn FnMut(Extent)) {
        self.state().queued.iter().for_each(each);
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.state().records.log.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let here = self.state();
        let head = here.records.log.root();
        let stored = State::load(here.universe, self.group_blocks, head, pages)?;
        if stored.records.count != here.records.count || !stored.queued.iter().eq(here.queued.iter()) {
            let rule = "the frees queued on pages are those in memory";
            found(Finding { rule, place: Place::Page(head) });
        }
        Ok(())
    }
}

/// How much waits.
pub const THRESHOLD_PERCENT: Parameter = Parameter::real(
    "threshold_percent",
    2.0,
    "Share of all data blocks that may wait, in percent; what is more is recorded, richest group first. More lets each \
     group gather more frees before its block of the map is written, and takes that much space from the pool. 2 is FlexVol's.",
);
/// What is recorded together.
pub const GROUP_BLOCKS: Parameter = Parameter::integer(
    "group_blocks",
    1024,
    "Blocks of a group, which are recorded together. As many as a block of the map covers write each block of the map once \
     for most frees; smaller groups write the same one several times, larger ones several for one group. 1,024 is what a block \
     of pointers in a container file covers; a page of the bitmap form covers 32,000.",
);

/// The row of the registry.
pub const THRESHOLD: ReclaimEntry = ReclaimEntry {
    name: "threshold",
    summary: "freed blocks wait in a log until they are 2 % of the pool, then the richest groups come back first",
    paper: "FlexVol (2008), delayed block freeing",
    parameters: &[THRESHOLD_PERCENT, GROUP_BLOCKS, SLICE_RUNS],
    build: |settings| Ok(Box::new(Threshold::new(settings)?)),
};
