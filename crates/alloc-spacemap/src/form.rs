//! The space map: an append-only log of takes and frees, rewritten when it has grown to twice what it needs.
//!
//! Invariant: replayed from the empty set, the first `records` words of the log give the free set; words past the count
//! in the root are never read (I5). A condensed log is the same log with frees only. Knows no index but as a list of runs.
#![doc = include_str!("../FORMAT.md")]

use crate::record::{Decoder, WORD_BYTES, encode, words_bound};
use alloc::boxed::Box;
use alloc::vec::Vec;
use spinney_alloc::extents::UNIVERSE_BLOCKS_MAX;
use spinney_alloc::{Change, Changes, ExtentSet, FormEntry, FreeView, SpaceForm};
use spinney_core::{
    Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Parameter, Pba, Place, Result, Root,
    Settings,
};
use spinney_pages::PageLog;

const WHAT: &str = "space map";
/// The first word of the root: `SMAP` and the version.
const MAGIC: u64 = u32::from_le_bytes(*b"SMAP") as u64 | 1 << 32;

/// When the log is rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Condense {
    /// Rewrite a log of at least this share of its condensed size ...
    pub percent: u64,
    /// ... if it has more than this many pages.
    pub pages: u64,
}

impl Default for Condense {
    fn default() -> Condense {
        condense(&Settings::new()).expect("defaults are lawful")
    }
}

/// The form.
#[derive(Debug, Default)]
pub struct SpaceMapForm {
    condense: Condense,
    map: Option<Map>,
}

/// An open map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    pub(crate) log: PageLog,
    pub(crate) universe: Extent,
    pub(crate) records: u64,
}

impl SpaceMapForm {
    /// A form that condenses as told; then `format` or `open`.
    #[must_use]
    pub fn new(condense: Condense) -> SpaceMapForm {
        SpaceMapForm { condense, map: None }
    }
    /// Words in the log; each is eight bytes.
    #[must_use]
    pub fn log_words(&self) -> u64 {
        self.map.map_or(0, |map| map.records)
    }
    fn map(&self) -> &Map {
        self.map.as_ref().expect("a form is formatted or opened before it is used")
    }
    /// Whether a log of `words` is to be rewritten for a free set of `runs` runs and `blocks` blocks.
    fn is_wasteful(&self, words: u64, runs: u64, blocks: u64) -> bool {
        let pages = self.map().log.pages_for(words);
        let needed = u128::from(words_bound(runs, blocks));
        pages > self.condense.pages && u128::from(words) * 100 >= needed * u128::from(self.condense.percent)
    }
}

impl Map {
    fn root(&self) -> Root {
        Root::from_words(&[
            MAGIC,
            self.log.root().0,
            self.records,
            self.universe.start.0,
            self.universe.blocks,
        ])
    }
    /// Errors: `Corrupt`, too, if the log goes on past the root's count: what is added there would be read as something else.
    pub(crate) fn append(&mut self, words: &[u8], pages: &mut dyn PageTxn) -> Result<()> {
        if self.log.len_records(pages)? != self.records {
            return Err(Error::corrupt_page(WHAT, self.log.root()));
        }
        self.log.append(words, pages)?;
        self.records += (words.len() / WORD_BYTES) as u64;
        Ok(())
    }
    /// Make the log a list of the free runs.
    fn rewrite(&mut self, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<()> {
        self.log.clear(pages)?;
        self.records = 0;
        let mut words = Vec::new();
        free.visit(self.universe, &mut |run| {
            encode(Change::Free(run), self.universe.start, &mut words);
            Flow::Continue
        });
        self.append(&words, pages)
    }
    /// Every change of the log, in order, until one is refused: then, or if a word is no entry, `Corrupt`.
    pub(crate) fn replay(&self, pages: &dyn PageRead, apply: &mut dyn FnMut(Change) -> bool) -> Result<()> {
        let mut decoder = Decoder::new(self.universe.start);
        let (mut left, mut bad) = (self.records, false);
        self.log.read(pages, &mut |bytes| {
            for word in bytes.as_chunks().0.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                left -= 1;
                bad = match decoder.word(u64::from_le_bytes(*word)) {
                    Ok(change) => !change.is_none_or(&mut *apply),
                    Err(()) => true,
                };
                if bad {
                    return Flow::Stop;
                }
            }
            if left == 0 { Flow::Stop } else { Flow::Continue }
        })?;
        if bad || left > 0 || !decoder.is_whole() {
            return Err(Error::corrupt_page(WHAT, self.log.root()));
        }
        Ok(())
    }
    /// The free set. A block that is taken or freed twice is `Corrupt`.
    fn free_set(&self, pages: &dyn PageRead) -> Result<ExtentSet> {
        let mut set = ExtentSet::new(self.universe);
        self.replay(pages, &mut |change| match change {
            Change::Take(run) => set.try_remove(run),
            Change::Free(run) => set.try_insert(run),
        })?;
        Ok(set)
    }
}

/// What the replayed set and the root can hold; a pool is far smaller.
fn check_universe(universe: Extent) -> Result<()> {
    if universe.blocks > UNIVERSE_BLOCKS_MAX {
        return Err(Error::OutOfRange {
            start: universe.start.0,
            length: universe.blocks,
            limit: UNIVERSE_BLOCKS_MAX,
        });
    }
    Ok(())
}

impl SpaceForm for SpaceMapForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        check_universe(universe)?;
        let log = PageLog::create(PageKind::SPACE, WORD_BYTES, pages)?;
        let mut map = Map { log, universe, records: 0 };
        map.rewrite(free, pages)?;
        self.map = Some(map);
        Ok(map.root())
    }

    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        check_universe(universe)?;
        let [magic, page, records, start, blocks] = root.words(WHAT)?;
        if magic != MAGIC || (Pba(start), blocks) != (universe.start, universe.blocks) {
            return Err(Error::Corrupt { what: WHAT, place: Place::Pool });
        }
        let log = PageLog::open(PageNo(page), PageKind::SPACE, WORD_BYTES, pages)?;
        if log.len_records(pages)? < records {
            return Err(Error::corrupt_page(WHAT, PageNo(page)));
        }
        self.map = Some(Map { log, universe, records });
        Ok(())
    }

    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.map().free_set(pages)?.visit(within, &mut |run| {
            each(run);
            Flow::Continue
        });
        Ok(())
    }

    fn pages_bound(&self, changes: u64, blocks: u64, runs: u64) -> u64 {
        let map = self.map();
        let appended = map.log.pages_bound(words_bound(changes, blocks));
        let words = map.records.saturating_add(words_bound(changes, blocks));
        if map.log.pages_for(words) <= self.condense.pages {
            return appended;
        }
        // A rewrite frees the old pages and writes at most what the runs need, and less than the rule lets be wasted.
        let condensed = words_bound(runs, map.universe.blocks);
        let allowed = (u128::from(words) * 100 / u128::from(self.condense.percent)) as u64;
        let rewritten = map.log.pages_for(map.records) + map.log.pages_for(condensed.min(allowed));
        appended.max(rewritten)
    }

    fn commit(&mut self, changes: &Changes, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut map = *self.map();
        let mut words = Vec::new();
        changes.iter().for_each(|change| encode(change, map.universe.start, &mut words));
        let length = map.records + (words.len() / WORD_BYTES) as u64;
        if !changes.is_empty() && self.is_wasteful(length, free.free_runs(), free.free_blocks()) {
            map.rewrite(free, pages)?;
        } else {
            map.append(&words, pages)?;
        }
        self.map = Some(map);
        Ok(map.root())
    }

    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.map().log.visit_pages(pages, each)
    }

    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let map = self.map();
        let place = Place::Page(map.log.root());
        if map.log.len_records(pages)? != map.records {
            found(Finding { rule: "a space map's log ends where its root says", place });
        }
        let (mut set, mut twice) = (ExtentSet::new(map.universe), None);
        map.replay(pages, &mut |change| {
            let sound = match change {
                Change::Take(run) => set.try_remove(run),
                Change::Free(run) => set.try_insert(run),
            };
            twice = twice.or((!sound).then_some(change.run().start));
            true
        })?;
        if let Some(at) = twice {
            found(Finding {
                rule: "takes and frees of a block alternate in a space map",
                place: Place::Block(at),
            });
        }
        Ok(())
    }
}

/// The share at which the log is rewritten.
pub const CONDENSE_PERCENT: Parameter = Parameter::integer(
    "condense_percent",
    200,
    "The log is rewritten once it is this share of its condensed size. Lower keeps the map, and so the time to open, \
     small and rewrites more often; at 200 each rewrite is paid for by as many bytes of appends, so that write \
     amplification of the map is at most two. 200 is ZFS's.",
);
/// The length up to which the log is left alone.
pub const CONDENSE_PAGES: Parameter = Parameter::integer(
    "condense_pages",
    4,
    "A log of at most this many pages is never rewritten: reading it costs next to nothing. Higher lets small maps grow \
     before their first rewrite. 4 follows ZFS's four blocks, of 4 KiB here.",
);

/// The row of the registry.
pub const FORM: FormEntry = FormEntry {
    name: "spacemap",
    summary: "an append-only log of takes and frees, condensed when it is twice as long as it needs to be",
    paper: "ZFS (2003); OpenZFS space maps",
    parameters: &[CONDENSE_PERCENT, CONDENSE_PAGES],
    build: |settings| Ok(Box::new(SpaceMapForm::new(condense(settings)?))),
};

pub(crate) fn condense(settings: &Settings) -> Result<Condense> {
    let (percent, pages) = (settings.integer(&CONDENSE_PERCENT), settings.integer(&CONDENSE_PAGES));
    if percent <= 100 || pages == 0 {
        return Err(Error::BadSetting("condense_percent must be above 100 and condense_pages at least 1"));
    }
    Ok(Condense { percent, pages })
}

#[cfg(test)]
mod tests;
