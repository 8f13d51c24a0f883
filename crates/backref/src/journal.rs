//! The journal: which runs there are and which versions live, as events on a page log.
//!
//! Invariant: replayed in order it gives both; an event that does not fit what came before is damage. Knows no row.
//! Bytes of an event: `FORMAT.md` section 3.

use crate::index::{Index, LEVELS_MAX};
use crate::leaf::{KIND, put_u64, u64_at};
use crate::lines::Lines;
use crate::row::Table;
use crate::run::RunRecord;
use spinney_core::{DevId, Error, Flow, PageNo, PageRead, PageTxn, Result};
use spinney_pages::PageLog;
use std::collections::BTreeMap;

const WORDS: usize = 7;
const EVENT_BYTES: usize = WORDS * 8;
const LINE: u8 = 1;
const SNAPSHOT: u8 = 2;
const GONE: u8 = 3;
const RUN: u8 = 4;
const CLEARED: u8 = 5;
/// Fewer events than this are never written anew: they fit on the head page.
const REWRITTEN_MIN: u64 = 72;

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Event {
    /// A line began, on nothing or on a version of another.
    Line { line: u64, origin: Option<(u64, u64)> },
    /// A snapshot of a line.
    Snapshot { dev: DevId, line: u64, version: u64 },
    /// A version is gone.
    Gone { dev: DevId },
    /// A run was written.
    Run(RunRecord),
    /// The runs of a partition are gone.
    Cleared { partition: u64 },
}

impl Event {
    fn words(&self) -> [u64; WORDS] {
        match *self {
            Event::Line { line, origin: None } => [u64::from(LINE), line, 0, 0, 0, 0, 0],
            Event::Line { line, origin: Some((parent, version)) } => {
                [u64::from(LINE), line, 1, parent, version, 0, 0]
            }
            Event::Snapshot { dev, line, version } => [u64::from(SNAPSHOT), dev.0, line, version, 0, 0, 0],
            Event::Gone { dev } => [u64::from(GONE), dev.0, 0, 0, 0, 0, 0],
            Event::Run(RunRecord { table, index, partition, records, pages }) => {
                let first = u64::from_le_bytes([RUN, table as u8, index.levels, 0, 0, 0, 0, 0]);
                [first, index.id, index.root.0, partition, records, pages, 0]
            }
            Event::Cleared { partition } => [u64::from(CLEARED), partition, 0, 0, 0, 0, 0],
        }
    }
    fn from_words(words: [u64; WORDS]) -> Option<Event> {
        let [first, a, b, c, d, e, _] = words;
        let [kind, table, levels, ..] = first.to_le_bytes();
        let event = match kind {
            LINE => Event::Line { line: a, origin: (b == 1).then_some((c, d)) },
            SNAPSHOT => Event::Snapshot { dev: DevId(a), line: b, version: c },
            GONE => Event::Gone { dev: DevId(a) },
            RUN => {
                let (table, index) = (Table::from_number(table)?, Index { id: a, root: PageNo(b), levels });
                Event::Run(RunRecord { table, index, partition: c, records: d, pages: e })
            }
            CLEARED => Event::Cleared { partition: a },
            _ => return None,
        };
        (event.words() == words).then_some(event)
    }
}

/// What the events come to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Replayed {
    pub(crate) lines: Lines,
    /// By number, and so in the order in which they were written.
    pub(crate) runs: BTreeMap<u64, RunRecord>,
    pub(crate) events: u64,
}

impl Replayed {
    /// `None` if the event does not fit what came before, or reaches `now`, `next_id` or `partitions`.
    fn apply(&mut self, event: Event, limits: &Limits) -> Option<()> {
        self.events += 1;
        match event {
            Event::Line { line, origin } => {
                (origin.is_none_or(|(_, version)| version < limits.now)).then_some(())?;
                self.lines.begin(line, origin)
            }
            Event::Snapshot { dev, line, version } if version < limits.now => {
                self.lines.snapshot(dev, line, version)
            }
            Event::Snapshot { .. } => None,
            Event::Gone { dev } => self.lines.remove(dev),
            Event::Run(run) => {
                let Index { id, root, levels } = run.index;
                let after = self.runs.last_key_value().is_none_or(|(last, _)| *last < id);
                let sound = after && id < limits.next_id && root != PageNo(0) && levels <= LEVELS_MAX;
                (sound && run.partition < limits.partitions).then_some(())?;
                self.runs.insert(id, run);
                Some(())
            }
            Event::Cleared { partition } => {
                self.runs.retain(|_, run| run.partition != partition);
                Some(())
            }
        }
    }

    /// The fewest events that come to the same.
    fn shortest(&self) -> Vec<Event> {
        let lines = self.lines.iter().map(|(line, state)| Event::Line { line, origin: state.origin });
        let snapshots = self.lines.iter().flat_map(|(line, state)| {
            let of_version = |(version, devs): (&u64, &'_ Vec<DevId>)| {
                let version = *version;
                devs.iter().map(move |dev| Event::Snapshot { dev: *dev, line, version }).collect::<Vec<_>>()
            };
            state.snapshots.iter().flat_map(of_version).collect::<Vec<_>>()
        });
        let gone = self.lines.iter().filter(|(_, state)| !state.head);
        let gone = gone.map(|(line, _)| Event::Gone { dev: DevId(line) });
        lines.chain(snapshots).chain(gone).chain(self.runs.values().copied().map(Event::Run)).collect()
    }
}

/// Numbers that no event may reach.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) now: u64,
    pub(crate) next_id: u64,
    pub(crate) partitions: u64,
}

/// The log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Journal(PageLog);

impl Journal {
    pub(crate) fn create(pages: &mut dyn PageTxn) -> Result<Journal> {
        PageLog::create(KIND, EVENT_BYTES, pages).map(Journal)
    }
    /// The journal whose head page is `root`, and what it comes to. Errors: `Corrupt`.
    pub(crate) fn open(root: PageNo, limits: &Limits, pages: &dyn PageRead) -> Result<(Journal, Replayed)> {
        let log = PageLog::open(root, KIND, EVENT_BYTES, pages)?;
        let mut replayed = Replayed::default();
        let mut sound = true;
        log.read(pages, &mut |events| {
            sound = events.chunks_exact(EVENT_BYTES).all(|event| {
                let words = core::array::from_fn(|word| u64_at(event, word * 8));
                Event::from_words(words).and_then(|event| replayed.apply(event, limits)).is_some()
            });
            if sound { Flow::Continue } else { Flow::Stop }
        })?;
        match sound {
            true => Ok((Journal(log), replayed)),
            false => Err(Error::corrupt_page("journal of back references", root)),
        }
    }
    pub(crate) fn root(&self) -> PageNo {
        self.0.root()
    }
    pub(crate) fn append(&self, events: &[Event], pages: &mut dyn PageTxn) -> Result<()> {
        let mut bytes = vec![0; events.len() * EVENT_BYTES];
        for (event, place) in events.iter().zip(bytes.chunks_exact_mut(EVENT_BYTES)) {
            event.words().iter().enumerate().for_each(|(at, word)| put_u64(place, at * 8, *word));
        }
        self.0.append(&bytes, pages)
    }
    /// Write the shortest journal of the same, if that is less than half as long and `spare` pages hold it. Its length then.
    pub(crate) fn shorten(&self, state: &Replayed, spare: u64, pages: &mut dyn PageTxn) -> Result<u64> {
        let shortest = state.shortest();
        let length = shortest.len() as u64;
        if state.events < REWRITTEN_MIN || state.events / 2 < length || spare < self.0.pages_for(length) {
            return Ok(state.events);
        }
        self.0.clear(pages)?;
        self.append(&shortest, pages)?;
        Ok(length)
    }
    pub(crate) fn pages_bound(&self, events: u64) -> u64 {
        self.0.pages_bound(events)
    }
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.0.visit_pages(pages, each)
    }
}
