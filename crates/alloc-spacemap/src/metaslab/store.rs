//! What a commit writes: the maps of the regions that changed, or one part of the log and the maps of a few regions.
//!
//! Invariant: what must be written is bounded by what changed; what may be put off (flushing, trimming) is done as far as the bound
//! goes that was told beforehand. So `pages_bound` holds without knowing which regions come due. A map that was written is less than
//! twice as long as it needs to be (`condense_percent`), or short: the bound has room to condense all that are.

use super::log::{HEADER_WORDS, new_map, pages_of};
use super::region::bucket;
use super::table::Record;
use super::{Metaslabs, WHAT};
use crate::form::Map;
use crate::record::{WORD_BYTES, encode, words_bound};
use alloc::vec::Vec;
use spinney_alloc::{Change, FreeIndex};
use spinney_core::{Epoch, Error, Flow, PAYLOAD_BYTES, PageTxn, Place, Result, Root};

/// Words that any page of a map or of the log holds.
pub(super) const PAGE_WORDS: u64 = ((PAYLOAD_BYTES - 40) / WORD_BYTES) as u64;
/// The first word of the root: `MSLB` and the version.
pub(super) const MAGIC: u64 = u32::from_le_bytes(*b"MSLB") as u64 | 1 << 32;
/// Words of a fresh region's entry.
const FRESH_WORDS: u64 = 2;

/// Counts from which a bound follows at once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// Changes of the open epoch, and their blocks.
    changes: u64,
    blocks: u64,
    /// As of the last commit: words of the longest map and of all; words of what is not flushed, of the region with most of it
    /// and of all; pages of the largest part of the log.
    map_words_max: u64,
    map_words: u64,
    unflushed_max: u64,
    unflushed: u64,
    part_pages_max: u64,
}

impl Bounds {
    pub(super) fn changed(&mut self, blocks: u64) {
        self.changes += 1;
        self.blocks += blocks;
    }
}

/// Pages that a commit may change, by what for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bound {
    must: u64,
    trim: u64,
    flush: u64,
    condense: u64,
}

impl Bound {
    pub(super) fn all(&self) -> u64 {
        self.must.saturating_add(self.trim).saturating_add(self.flush).saturating_add(self.condense)
    }
}

impl Metaslabs {
    /// For a commit with `more` changes of a block each.
    pub(super) fn bound(&self, more: u64) -> Bound {
        let Bounds { changes, blocks, unflushed_max, part_pages_max, .. } = self.bounds;
        let (changes, blocks) = (changes.saturating_add(more), blocks.saturating_add(more));
        if changes == 0 {
            return Bound::default();
        }
        let touched = (self.dirty.len() as u64).saturating_add(more).min(self.regions.len() as u64);
        let words = words_bound(changes, blocks).saturating_add(FRESH_WORDS * touched);
        if !self.tuning.log {
            let must = 3 * touched + words / PAGE_WORDS + self.table().pages_bound(touched);
            return Bound { must, condense: self.condense_bound(touched, words), ..Bound::default() };
        }
        let part = pages_of(words + HEADER_WORDS);
        // Each commit may free and flush as much as it adds and more, so neither falls behind.
        let flush = self.flush_bound(unflushed_max.saturating_add(words)) + 3 * part;
        let flushed = (flush / self.flush_bound(0)).min(self.regions.len() as u64);
        Bound {
            must: part,
            trim: part_pages_max + 2 * part,
            flush,
            condense: self.condense_bound(flushed, words),
        }
    }

    /// Pages of rewriting the maps of so many regions to which `words` words are added in all: each as if it were the longest, or
    /// all maps that there are, whichever is less.
    fn condense_bound(&self, regions: u64, words: u64) -> u64 {
        let Bounds { map_words_max, map_words, unflushed_max, unflushed, .. } = self.bounds;
        let longest = map_words_max.saturating_add(unflushed_max).saturating_add(words);
        if pages_of(longest) <= self.tuning.condense.pages {
            return 0;
        }
        let each = pages_of(map_words_max) + pages_of(self.condensed(longest)) + 2;
        let all = self.condensed(map_words.saturating_add(unflushed).saturating_add(words));
        regions.saturating_mul(each).min(map_words.saturating_add(all) / PAGE_WORDS + 4 * regions)
    }

    /// Words that a map of `words` words may have once it is rewritten: with more it would not be wasteful.
    fn condensed(&self, words: u64) -> u64 {
        (u128::from(words) * 100 / u128::from(self.tuning.condense.percent)) as u64
    }

    /// Pages of writing a map to which so many words are added, and its record.
    fn flush_bound(&self, words: u64) -> u64 {
        3 + (words + FRESH_WORDS) / PAGE_WORDS + self.table().pages_bound(1)
    }

    pub(super) fn store(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        if epoch <= self.log.epoch {
            return Err(Error::Corrupt { what: "epoch of the space maps", place: Place::Pool });
        }
        let bound = self.bound(0);
        self.queue.extend(self.released.drain(..).map(|run| (epoch, run)));
        let dirty: Vec<u32> = core::mem::take(&mut self.dirty).into_iter().collect();
        match self.tuning.log {
            true if !dirty.is_empty() => self.store_log(epoch, &dirty, bound, pages)?,
            true => {}
            false => {
                dirty.iter().try_for_each(|at| self.write_map(*at, epoch, pages))?;
            }
        }
        dirty.iter().for_each(|at| self.reweigh(*at));
        self.log.epoch = epoch;
        self.count_bounds();
        self.turn_over(epoch, pages)?;
        Ok(self.root())
    }

    pub(super) fn root(&self) -> Root {
        let [page, words, oldest] = self.log.root();
        let (start, blocks) = (self.universe.start.0, self.universe.blocks);
        let table = self.table().root().0;
        Root::from_words(&[MAGIC, start, blocks, table, page, words, oldest, self.log.epoch.0])
    }

    /// Begin to count anew.
    pub(super) fn count_bounds(&mut self) {
        self.bounds = Bounds { part_pages_max: self.log.part_pages_max(), ..Bounds::default() };
        for region in &self.regions {
            let map = region.map.map_or(0, |map| map.words);
            let unflushed = words_bound(region.unflushed.len() as u64, region.unflushed.blocks());
            let bounds = &mut self.bounds;
            bounds.map_words_max = bounds.map_words_max.max(map);
            bounds.map_words = bounds.map_words.saturating_add(map);
            bounds.unflushed_max = bounds.unflushed_max.max(unflushed);
            bounds.unflushed = bounds.unflushed.saturating_add(unflushed);
        }
    }

    /// Flush the regions whose changes are the oldest, and write what the others changed into the log.
    fn store_log(
        &mut self,
        epoch: Epoch,
        dirty: &[u32],
        bound: Bound,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        for at in dirty {
            if self.regions[*at as usize].unflushed.is_empty() {
                self.log.pending.insert((epoch, *at));
            }
        }
        self.flush_oldest(epoch, bound, pages)?;
        let mut entries = Vec::new();
        for at in dirty {
            let region = &mut self.regions[*at as usize];
            for change in region.changes.iter() {
                encode(change, self.universe.start, &mut entries);
                region.unflushed.push(change);
            }
            region.changes.clear();
        }
        self.log.trim(bound.trim, pages)?;
        if entries.is_empty() { Ok(()) } else { self.log.append(epoch, &entries, pages) }
    }

    fn flush_oldest(&mut self, epoch: Epoch, bound: Bound, pages: &mut dyn PageTxn) -> Result<()> {
        let count = self.log.flushes(self.tuning.log_pages(self.regions.len() as u64));
        let mut left = bound.flush;
        for _ in 0..count {
            let Some((_, at)) = self.log.pending.first().copied() else { return Ok(()) };
            let region = &self.regions[at as usize];
            let (unflushed, open) = (&region.unflushed, &region.changes);
            let words = words_bound(unflushed.len() as u64, unflushed.blocks())
                + words_bound(open.len() as u64, open.blocks());
            match left.checked_sub(self.flush_bound(words)) {
                Some(rest) => left = rest,
                None => return Ok(()),
            }
            self.write_map(at, epoch, pages)?;
            self.log.pending.pop_first();
        }
        Ok(())
    }

    /// Bring a region's map up to date, and its record.
    fn write_map(&mut self, at: u32, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<()> {
        let region = &self.regions[at as usize];
        let mut words = Vec::new();
        let found = self.map(region, pages)?;
        let mut map = match found {
            Some(map) => map,
            None => {
                encode(Change::Free(region.extent), region.extent.start, &mut words);
                new_map(region.extent, pages)?
            }
        };
        let changes = region.unflushed.iter().chain(region.changes.iter());
        changes.for_each(|change| encode(change, region.extent.start, &mut words));
        let length = map.records + (words.len() / WORD_BYTES) as u64;
        if !self.rewrite(at, &mut map, length, pages)? {
            map.append(&words, pages)?;
        }
        let region = &self.regions[at as usize];
        let mut histogram = region.histogram;
        for run in self.waiting.within(region.extent) {
            let slot = &mut histogram[bucket(run.blocks)];
            *slot = slot.saturating_add(1);
        }
        let place = super::region::MapPlace { page: map.log.root(), words: map.records };
        let free_blocks = region.free_blocks + region.waiting_blocks;
        let record = Record { map: place, free_blocks, flushed: epoch, histogram };
        self.table().put(u64::from(at), &record, pages)?;
        let region = &mut self.regions[at as usize];
        (region.map, region.flushed) = (Some(place), epoch);
        region.unflushed.clear();
        region.changes.clear();
        Ok(())
    }

    /// Make a region's map a list of its free runs if it would waste much with `length` words.
    fn rewrite(&mut self, at: u32, map: &mut Map, length: u64, pages: &mut dyn PageTxn) -> Result<bool> {
        if pages_of(length) <= self.tuning.condense.pages || !self.is_wasteful(at, length) {
            return Ok(false);
        }
        // Of a region that is not loaded the runs are known from below only.
        self.load(at, pages)?;
        if !self.is_wasteful(at, length) {
            return Ok(false);
        }
        map.log.clear(pages)?;
        map.records = 0;
        let region = &self.regions[at as usize];
        let mut words = Vec::new();
        if let Some(index) = &region.index {
            index.visit(region.extent, &mut |run| {
                encode(Change::Free(run), region.extent.start, &mut words);
                Flow::Continue
            });
        }
        let waiting = self.waiting.within(region.extent);
        waiting.for_each(|run| encode(Change::Free(run), region.extent.start, &mut words));
        if words.len() as u64 > self.condensed(length) * WORD_BYTES as u64 {
            return Err(Error::Corrupt { what: WHAT, place: Place::Page(map.log.root()) });
        }
        map.append(&words, pages)?;
        Ok(true)
    }

    fn is_wasteful(&self, at: u32, words: u64) -> bool {
        let region = &self.regions[at as usize];
        let runs = region.runs() + self.waiting.within(region.extent).count() as u64;
        let needed = words_bound(runs, region.free_blocks + region.waiting_blocks);
        u128::from(words) * 100 >= u128::from(needed) * u128::from(self.tuning.condense.percent)
    }
}
