//! WAFL's batched free log: frees are logged as they come, and recorded in the order of their addresses.
//!
//! Invariant: a queued block is in the active log, or in the sorted one at or behind the cursor; which logs these are and where
//! the cursor stands is on the head page, changed in the commit that records what the cursor passed (C5).
//!
//! WAFL keeps a third log, which is being sorted in bounded memory. Here pending blocks are in memory anyway, to catch a second
//! release, so a full active log becomes the sorted one at once and is never written again in order.

use crate::SLICE_RUNS;
use crate::records::{Record, Records};
use alloc::boxed::Box;
use spinney_alloc::reclaim::Moment;
use spinney_alloc::{FreeLog, Reclaim, ReclaimEntry, RunSet};
use spinney_core::{
    Epoch, Error, Extent, Finding, PageKind, PageNo, PageRead, PageTxn, Parameter, Pba, Place, Result,
    Settings,
};

/// The first word of the head page: `BFLG` and the version.
const MAGIC: u64 = u32::from_le_bytes(*b"BFLG") as u64 | 1 << 32;
const WHAT: &str = "head of a batched free log";
const HEAD_WORDS: usize = 6;
const NO_STATE: &str = "format or open comes first";

/// The policy.
#[derive(Debug)]
pub struct Batched {
    batch_runs: u64,
    slice_runs: u64,
    state: Option<State>,
}

/// An open log.
#[derive(Clone, Debug)]
struct State {
    universe: Extent,
    head: PageNo,
    active: Queue,
    sorted: Queue,
    /// What lies below was recorded.
    cursor: Pba,
}

/// A log and what is queued in it.
#[derive(Clone, Debug)]
struct Queue {
    records: Records,
    runs: RunSet,
}

impl Batched {
    /// As the settings of [`BATCHED`] say. Errors: `BadSetting`.
    pub fn new(settings: &Settings) -> Result<Batched> {
        let (batch_runs, slice_runs) = (settings.integer(&BATCH_RUNS), settings.integer(&SLICE_RUNS));
        if batch_runs == 0 || slice_runs == 0 {
            return Err(Error::BadSetting("batch_runs and slice_runs must be at least 1"));
        }
        Ok(Batched { batch_runs, slice_runs, state: None })
    }
    fn state(&self) -> &State {
        self.state.as_ref().expect(NO_STATE)
    }
    /// Whether so much is queued that it is sorted.
    fn is_batch(&self, runs: u64, now: &Moment) -> bool {
        runs >= self.batch_runs || now.hurried && runs > 0
    }
}

impl Queue {
    fn new(records: Records) -> Queue {
        Queue { records, runs: RunSet::default() }
    }
    fn clear(&mut self, pages: &mut dyn PageTxn) -> Result<()> {
        self.runs.clear();
        self.records.clear(pages)
    }
    /// Read what is queued at or behind `cursor`.
    fn load(records: Records, universe: Extent, cursor: Pba, pages: &dyn PageRead) -> Result<Queue> {
        let mut queue = Queue::new(records);
        records.replay(universe, pages, &mut |record| {
            let Record::Queued(run) = record else { return false };
            let start = run.start.max(cursor);
            Extent::checked(start.0, run.end().0.saturating_sub(start.0))
                .is_none_or(|rest| queue.runs.insert(rest).is_ok())
        })?;
        Ok(queue)
    }
}

impl State {
    fn words(&self) -> [u64; HEAD_WORDS] {
        let (active, sorted) = (self.active.records.log.root(), self.sorted.records.log.root());
        [MAGIC, self.universe.start.0, self.universe.blocks, active.0, sorted.0, self.cursor.0]
    }
    fn store(&self, pages: &mut dyn PageTxn) -> Result<()> {
        let page = pages.edit(self.head, PageKind::SPACE)?;
        for (bytes, word) in page.as_chunks_mut::<8>().0.iter_mut().zip(self.words()) {
            *bytes = word.to_le_bytes();
        }
        Ok(())
    }
    fn load(universe: Extent, head: PageNo, pages: &dyn PageRead) -> Result<State> {
        let page = pages.read(head, PageKind::SPACE)?;
        let mut words = page.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        let mut word = || words.next().unwrap_or(0);
        let found = [word(), word(), word()];
        let (active, sorted, cursor) = (PageNo(word()), PageNo(word()), Pba(word()));
        let sound = found == [MAGIC, universe.start.0, universe.blocks] && active != sorted;
        if !sound || cursor < universe.start || cursor > universe.end() {
            return Err(Error::corrupt_page(WHAT, head));
        }
        let queue = |page, from| Queue::load(Records::open(page, pages)?, universe, from, pages);
        let (active, sorted) = (queue(active, universe.start)?, queue(sorted, cursor)?);
        if sorted.runs.iter().any(|run| active.runs.within(run).next().is_some()) {
            return Err(Error::corrupt_page("batched free log (a block is in both logs)", head));
        }
        Ok(State { universe, head, active, sorted, cursor })
    }
}

impl Reclaim for Batched {
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

impl FreeLog for Batched {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<PageNo> {
        let head = pages.alloc(PageKind::SPACE)?;
        let (active, sorted) = (Queue::new(Records::create(pages)?), Queue::new(Records::create(pages)?));
        let state = State { universe, head, active, sorted, cursor: universe.start };
        state.store(pages)?;
        self.state = Some(state);
        Ok(head)
    }

    fn open(&mut self, universe: Extent, head: PageNo, pages: &dyn PageRead) -> Result<()> {
        self.state = Some(State::load(universe, head, pages)?);
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
        let before = state.words();
        state.active.records.append(released.iter().map(|run| Record::Queued(*run)), pages)?;
        for run in released {
            assert!(state.active.runs.insert(*run).is_ok(), "{run:?} is queued already");
        }
        let State { universe, active, sorted, cursor, .. } = &mut state;
        if sorted.runs.is_empty() && self.is_batch(active.runs.runs(), now) {
            core::mem::swap(active, sorted);
            *cursor = universe.start;
        }
        let slice = self.slice_runs.max(released.len() as u64);
        let due = (0..slice).map_while(|_| sorted.runs.pop_first(u64::MAX));
        due.for_each(|run| {
            *cursor = run.end();
            each(run);
        });
        if sorted.runs.is_empty() && sorted.records.count > 0 {
            sorted.clear(pages)?;
        }
        if state.words() != before {
            state.store(pages)?;
        }
        self.state = Some(state);
        Ok(())
    }

    fn due_bound(&self, runs: u64, blocks: u64) -> (u64, u64) {
        let State { active, sorted, .. } = self.state();
        let (runs_max, blocks_max) = match sorted.runs.is_empty() {
            true => (active.runs.runs() + runs, active.runs.blocks() + blocks),
            false => (sorted.runs.runs(), sorted.runs.blocks()),
        };
        (runs_max.min(self.slice_runs.max(runs)), blocks_max)
    }

    fn pages_bound(&self, runs: u64) -> u64 {
        let State { active, sorted, .. } = self.state();
        // The head, what is appended, and the log that is emptied: the sorted one, or the active one that became it.
        let emptied = active.records.pages_for(runs).max(sorted.records.pages_for(0));
        1 + active.records.log.pages_bound(runs) + emptied
    }

    fn is_draining(&self, now: &Moment) -> bool {
        let State { active, sorted, .. } = self.state();
        !sorted.runs.is_empty() || self.is_batch(active.runs.runs(), now)
    }

    fn visit(&self, each: &mut dyn FnMut(Extent)) {
        let State { active, sorted, .. } = self.state();
        active.runs.iter().chain(sorted.runs.iter()).for_each(each);
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        let State { head, active, sorted, .. } = self.state();
        each(*head);
        active.records.log.visit_pages(pages, each)?;
        sorted.records.log.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let here = self.state();
        let stored = State::load(here.universe, here.head, pages)?;
        let same = |one: &Queue, other: &Queue| {
            one.records.count == other.records.count && one.runs.iter().eq(other.runs.iter())
        };
        let all = stored.words() == here.words()
            && same(&stored.active, &here.active)
            && same(&stored.sorted, &here.sorted);
        if !all {
            let rule = "the frees queued on pages are those in memory";
            found(Finding { rule, place: Place::Page(here.head) });
        }
        Ok(())
    }
}

/// How many frees are sorted together.
pub const BATCH_RUNS: Parameter = Parameter::integer(
    "batch_runs",
    65_536,
    "Runs that are queued before they are sorted and recorded. A batch of B runs on a map of M pages dirties \
     (M/B)(1 - e^(-B/M)) pages a run, so that more save writes as long as B is not far above M; all of them wait, and up to as \
     many again behind them. 65,536 is eight for each bitmap page of 1 TiB, in 1 MiB of log; chosen by judgement.",
);

/// The row of the registry.
pub const BATCHED: ReclaimEntry = ReclaimEntry {
    name: "batched",
    summary: "freed blocks are logged, sorted, and recorded by address in slices with a persistent cursor",
    paper: "WAFL free-space reclamation (2017), batched free log",
    parameters: &[BATCH_RUNS, SLICE_RUNS],
    build: |settings| Ok(Box::new(Batched::new(settings)?)),
};
