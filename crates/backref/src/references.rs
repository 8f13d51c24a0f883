//! Back references: what is told to them, and what is kept between commits.
//!
//! Invariant: versions are numbers that rise with each commit and each snapshot or clone, so that a reference that begins and one
//! that ends in the same version are the same commit's. What is in memory is what the journal and the runs say, and what was
//! told since the last commit.

use crate::journal::{Event, Journal, Limits, Replayed};
use crate::lines::Lines;
use crate::row::{BLOCK_LIMIT, Key};
use crate::run::Run;
use crate::write_store::WriteStore;
use spinney_core::{DevId, Error, Extent, Lba, PageNo, PageRead, PageTxn, Parameter, Place, Result, Root};
use std::collections::BTreeMap;

const MAGIC: u64 = u64::from_le_bytes(*b"BACKREF\x01");

/// How often runs are merged.
pub const COMPACT_COMMITS: Parameter = Parameter::integer(
    "back_reference_commits",
    100,
    "Commits after which the runs of a partition are merged, 0 for never. A query looks at each run whose filter does not say no, \
     so rarer merging makes queries dearer and keeps references of dead versions; more often writes the same references anew \
     more often. 100 is where Backlog's authors saw time and space settle (as recalled).",
);
/// What is merged at once.
pub const PARTITION_BLOCKS: u64 = 1 << 20;

/// Tunables.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BackrefOptions {
    /// See [`COMPACT_COMMITS`].
    pub compact_commits: u64,
    /// Blocks of a partition, whose runs are merged at once; chosen when made. Smaller ones keep a merge short, and make a commit of
    /// scattered blocks write more runs. The default, 4 GiB of data, is merged in some 40 MB of pages; chosen by judgement.
    pub partition_blocks: u64,
    /// Whether a clone inherits what it was taken from. If not, the caller tells all references of a clone when it is made: the naive
    /// way, to compare with.
    pub inherit: bool,
}

impl Default for BackrefOptions {
    fn default() -> BackrefOptions {
        BackrefOptions { compact_commits: 100, partition_blocks: PARTITION_BLOCKS, inherit: true }
    }
}

/// Sums since `format` or `open`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BackrefStats {
    /// References that began or ended, one a block.
    pub block_operations: u64,
    /// Of these, those that never reached a page, as both ends fell into one version (two for each such reference).
    pub pruned: u64,
    /// References written by commits, one a block.
    pub records_written: u64,
    /// Partitions merged.
    pub compactions: u64,
    /// Merges put off for want of pages.
    pub compactions_put_off: u64,
}

/// Back references of one pool.
#[derive(Debug)]
pub struct BackReferences {
    pub(crate) options: BackrefOptions,
    pub(crate) universe: Extent,
    pub(crate) journal: Journal,
    /// Events in the journal.
    pub(crate) journaled: u64,
    /// Events since the last commit.
    pub(crate) events: Vec<Event>,
    pub(crate) lines: Lines,
    /// By partition and number.
    pub(crate) runs: BTreeMap<(u64, u64), Run>,
    pub(crate) writes: WriteStore,
    /// The version that is open.
    pub(crate) now: u64,
    pub(crate) next_id: u64,
    pub(crate) commits: u64,
    /// The commit after which a version was last deleted, or that was opened.
    pub(crate) gone_at: u64,
    pub(crate) stats: BackrefStats,
}

impl BackReferences {
    /// None yet, for the blocks of `universe`. Errors: `NoPages`; `BadSetting` if a partition has no blocks.
    pub fn format(
        universe: Extent,
        options: BackrefOptions,
        pages: &mut dyn PageTxn,
    ) -> Result<BackReferences> {
        check_sizes(universe, options.partition_blocks)?;
        let journal = Journal::create(pages)?;
        Ok(BackReferences {
            options,
            universe,
            journal,
            journaled: 0,
            events: Vec::new(),
            lines: Lines::default(),
            runs: BTreeMap::new(),
            writes: WriteStore::default(),
            now: 1,
            next_id: 1,
            commits: 0,
            gone_at: 0,
            stats: BackrefStats::default(),
        })
    }

    /// Find those of the last commit again; reads the journal and every filter. Errors: `Corrupt`.
    pub fn open(
        universe: Extent,
        root: &Root,
        options: BackrefOptions,
        pages: &dyn PageRead,
    ) -> Result<BackReferences> {
        let what = "root of back references";
        let [magic, head, now, next_id, commits, partition_blocks] = root.words(what)?;
        let corrupt = Error::Corrupt { what, place: Place::Pool };
        if magic != MAGIC
            || now == 0
            || now > u64::MAX / 2
            || next_id > u64::MAX / 2
            || commits > u64::MAX / 2
        {
            return Err(corrupt);
        }
        check_sizes(universe, partition_blocks).map_err(|_| corrupt)?;
        let options = BackrefOptions { partition_blocks, ..options };
        let limits = Limits { now, next_id, partitions: partitions(universe, partition_blocks) };
        let (journal, replayed) = Journal::open(PageNo(head), &limits, pages)?;
        let Replayed { lines, runs, events } = replayed;
        let open = |record| Run::open(record, pages).map(|run| ((run.partition, run.index.id), run));
        let runs = runs.into_values().map(open).collect::<Result<_>>()?;
        let (writes, stats) = (WriteStore::default(), BackrefStats::default());
        let (journaled, events) = (events, Vec::new());
        Ok(BackReferences {
            options,
            universe,
            journal,
            journaled,
            events,
            lines,
            runs,
            writes,
            now,
            next_id,
            commits,
            gone_at: commits,
            stats,
        })
    }

    pub(crate) fn root(&self) -> Root {
        let BackReferences { now, next_id, commits, .. } = *self;
        let head = self.journal.root().0;
        Root::from_words(&[MAGIC, head, now, next_id, commits, self.options.partition_blocks])
    }

    /// How many partitions there are.
    pub(crate) fn partitions(&self) -> u64 {
        partitions(self.universe, self.options.partition_blocks)
    }

    /// Sums since `format` or `open`.
    #[must_use]
    pub fn stats(&self) -> BackrefStats {
        self.stats
    }

    /// Runs on pages.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs.len() as u64
    }

    /// Bytes of filters in memory.
    #[must_use]
    pub fn filter_bytes(&self) -> u64 {
        self.runs.values().map(|run| run.filter.bytes() as u64).sum()
    }

    /// Whether clones inherit; if not, the references of a clone are to be told.
    #[must_use]
    pub fn inherits(&self) -> bool {
        self.options.inherit
    }

    fn happened(&mut self, event: Event, done: Option<()>, dev: DevId) -> Result<()> {
        done.ok_or(Error::NotFound(dev))?;
        self.events.push(event);
        Ok(())
    }

    /// A new, empty volume. Errors: `NotFound` if the number is taken.
    pub fn create(&mut self, dev: DevId) -> Result<()> {
        let done = self.lines.begin(dev.0, None);
        self.happened(Event::Line { line: dev.0, origin: None }, done, dev)
    }

    /// A snapshot of a live version: no reference is written. Errors: `NotFound`.
    pub fn snapshot(&mut self, of: DevId, dev: DevId) -> Result<()> {
        let (line, version) = self.frozen(of)?;
        let done = self.lines.snapshot(dev, line, version);
        self.happened(Event::Snapshot { dev, line, version }, done, dev)
    }

    /// A writable version of a live one: no reference is written, if clones inherit. Errors: `NotFound`.
    pub fn clone_of(&mut self, of: DevId, dev: DevId) -> Result<()> {
        let origin = self.frozen(of)?;
        let origin = self.options.inherit.then_some(origin);
        let done = self.lines.begin(dev.0, origin);
        self.happened(Event::Line { line: dev.0, origin }, done, dev)
    }

    /// Line and version of what `of` holds now, which no later reference changes.
    fn frozen(&mut self, of: DevId) -> Result<(u64, u64)> {
        match self.lines.place(of).ok_or(Error::NotFound(of))? {
            (line, Some(version)) => Ok((line, version)),
            (line, None) => {
                self.now += 1;
                Ok((line, self.now - 1))
            }
        }
    }

    /// A version is gone, and all its references: none is written. Errors: `NotFound`.
    pub fn delete(&mut self, dev: DevId) -> Result<()> {
        let done = self.lines.remove(dev);
        self.gone_at = self.commits;
        self.happened(Event::Gone { dev }, done, dev)
    }

    /// The blocks `on` are referred to by a writable version, from `at` on. Errors: `NotFound`, `ReadOnly`, `Corrupt` outside the data.
    pub fn add(&mut self, dev: DevId, at: Lba, on: Extent) -> Result<()> {
        self.change(dev, at, on, WriteStore::add)
    }

    /// They no longer are. Errors: as `add`.
    pub fn remove(&mut self, dev: DevId, at: Lba, on: Extent) -> Result<()> {
        self.change(dev, at, on, WriteStore::remove)
    }

    fn change(
        &mut self,
        dev: DevId,
        at: Lba,
        on: Extent,
        what: fn(&mut WriteStore, Key, u64) -> bool,
    ) -> Result<()> {
        let line = match self.lines.place(dev).ok_or(Error::NotFound(dev))? {
            (line, None) => line,
            _ => return Err(Error::ReadOnly(dev)),
        };
        if !self.universe.contains(on) || at.0.checked_add(on.blocks).is_none() {
            return Err(Error::Corrupt {
                what: "reference (outside the data)",
                place: Place::Block(on.start),
            });
        }
        for by in 0..on.blocks {
            let key = Key { block: on.start.0 + by, line, at: at.0 + by };
            self.stats.block_operations += 1;
            self.stats.pruned += 2 * u64::from(what(&mut self.writes, key, self.now));
        }
        Ok(())
    }
}

fn partitions(universe: Extent, partition_blocks: u64) -> u64 {
    universe.end().0.div_ceil(partition_blocks)
}

fn check_sizes(universe: Extent, partition_blocks: u64) -> Result<()> {
    let whole = partition_blocks > 0 && partition_blocks.is_multiple_of(crate::row::CHUNK_BLOCKS);
    if universe.end().0 > BLOCK_LIMIT || !whole {
        return Err(Error::BadSetting("back references: a partition has whole chunks of 64 blocks"));
    }
    Ok(())
}
