//! The pool's log of changes: one part for each commit, linked from the newest to the oldest.
//!
//! Invariant: parts are in the order of their epochs; a change is in the log until its region's map has it. A part is freed once
//! no region needs it, the oldest first. Knows no space: what a change means is the region's business.

use crate::form::Map;
use crate::record::{Decoder, WORD_BYTES};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use spinney_alloc::Change;
use spinney_core::{Epoch, Error, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Place, Result};
use spinney_pages::PageLog;

const WHAT: &str = "log of space maps";
/// Words before the entries of a part: its epoch, and page and length of the part before.
pub(super) const HEADER_WORDS: u64 = 3;
/// Commits whose parts say how fast the log grows.
const RECENT: usize = 5;

/// One commit's changes.
#[derive(Clone, Copy, Debug)]
struct Part {
    epoch: Epoch,
    log: PageLog,
    words: u64,
}

impl Part {
    fn pages(&self) -> u64 {
        self.log.pages_for(self.words)
    }
}

/// The log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Oldest first.
    parts: VecDeque<Part>,
    /// Regions that need the log from an epoch on.
    pub(super) pending: BTreeSet<(Epoch, u32)>,
    /// The epoch of the last commit.
    pub(super) epoch: Epoch,
}

impl Log {
    /// What the root keeps: page and words of the newest part, epoch of the oldest. All 0 for an empty log.
    pub(super) fn root(&self) -> [u64; 3] {
        match (self.parts.back(), self.parts.front()) {
            (Some(newest), Some(oldest)) => [newest.log.root().0, newest.words, oldest.epoch.0],
            _ => [0; 3],
        }
    }
    pub(super) fn pages(&self) -> u64 {
        self.parts.iter().map(Part::pages).sum()
    }
    /// Pages of the largest part.
    pub(super) fn part_pages_max(&self) -> u64 {
        self.parts.iter().map(Part::pages).max().unwrap_or(0)
    }

    /// How many regions to flush now, the oldest first, so that the log stays within `pages_max` at the pace of the last commits:
    /// where it would grow beyond, its oldest part must have been dropped, and so all regions that need it flushed.
    /// Source: OpenZFS, log space map flushing (notes, 1b).
    pub(super) fn flushes(&self, pages_max: u64) -> u64 {
        let recent = self.parts.iter().rev().take(RECENT);
        let count = recent.len() as u64;
        let pace = recent.map(Part::pages).sum::<u64>().checked_div(count).unwrap_or(1).max(1) as i64;
        let mut room = pages_max as i64 - self.pages() as i64 - pace;
        let (mut ahead, mut total, mut most) = (1u64, 0u64, 0u64);
        let mut pending = self.pending.iter().peekable();
        for part in &self.parts {
            if room >= 0 {
                let commits = room / pace + 1;
                ahead += commits as u64;
                room -= commits * pace;
            }
            while pending.next_if(|(epoch, _)| *epoch <= part.epoch).is_some() {
                total += 1;
            }
            most = most.max(total / ahead);
            room += part.pages() as i64;
        }
        most
    }

    /// Add a part with these entries.
    pub(super) fn append(&mut self, epoch: Epoch, entries: &[u8], pages: &mut dyn PageTxn) -> Result<()> {
        let [page, words, _] = self.root();
        let mut bytes = Vec::with_capacity(entries.len() + HEADER_WORDS as usize * WORD_BYTES);
        [epoch.0, page, words].iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes.extend_from_slice(entries);
        let log = PageLog::create(PageKind::SPACE, WORD_BYTES, pages)?;
        log.append(&bytes, pages)?;
        self.parts.push_back(Part { epoch, log, words: (bytes.len() / WORD_BYTES) as u64 });
        Ok(())
    }

    /// Free the parts that no region needs, as far as `pages_max` goes.
    pub(super) fn trim(&mut self, mut pages_max: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let needed = self.pending.first().map_or(Epoch(u64::MAX), |(epoch, _)| *epoch);
        while let Some(part) = self.parts.front().copied().filter(|part| part.epoch < needed) {
            let Some(left) = pages_max.checked_sub(part.pages()) else { return Ok(()) };
            pages_max = left;
            part.log.destroy(pages)?;
            self.parts.pop_front();
        }
        Ok(())
    }

    /// Find the parts from the newest back, then give all changes, the oldest first, with their epochs. Errors: `Corrupt`, too, if
    /// `each` refuses one.
    pub(super) fn open(
        &mut self,
        universe: Extent,
        [page, words, oldest]: [u64; 3],
        epoch: Epoch,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Epoch, Change) -> bool,
    ) -> Result<()> {
        *self = Log { epoch, ..Log::default() };
        let (mut next, mut limit) = ((PageNo(page), words), epoch.0.saturating_add(1));
        let mut all: Vec<(Epoch, Vec<Change>)> = Vec::new();
        let mut is_complete = page == 0;
        while !is_complete {
            let (part, before, changes) = read_part(universe, next, pages)?;
            if part.epoch.0 >= limit || part.epoch.0 < oldest {
                return Err(Error::corrupt_page(WHAT, part.log.root()));
            }
            (next, limit) = (before, part.epoch.0);
            self.parts.push_front(part);
            all.push((part.epoch, changes));
            is_complete = part.epoch.0 == oldest;
        }
        for (epoch, changes) in all.into_iter().rev() {
            if !changes.into_iter().all(|change| each(epoch, change)) {
                return Err(Error::Corrupt { what: WHAT, place: Place::Page(PageNo(page)) });
            }
        }
        Ok(())
    }

    pub(super) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.parts.iter().try_for_each(|part| part.log.visit_pages(pages, each))
    }

    /// `durable`: the last durable epoch. What is stored may not be of a later one, or the next commit could not be told from it.
    pub(super) fn check(
        &self,
        durable: Epoch,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) -> Result<()> {
        if self.epoch > durable {
            found(Finding { rule: "space maps are of an epoch that was committed", place: Place::Pool });
        }
        for part in &self.parts {
            if part.log.len_records(pages)? != part.words {
                let place = Place::Page(part.log.root());
                found(Finding { rule: "a part of the space maps' log ends where its successor says", place });
            }
        }
        Ok(())
    }
}

/// A part, where the one before it is, and its changes.
fn read_part(
    universe: Extent,
    (page, words): (PageNo, u64),
    pages: &dyn PageRead,
) -> Result<(Part, (PageNo, u64), Vec<Change>)> {
    let corrupt = || Error::corrupt_page(WHAT, page);
    let log = PageLog::open(page, PageKind::SPACE, WORD_BYTES, pages)?;
    if words < HEADER_WORDS || log.len_records(pages)? < words {
        return Err(corrupt());
    }
    let (mut header, mut changes, mut left, mut bad) = (Vec::new(), Vec::new(), words, false);
    let mut decoder = Decoder::new(universe.start);
    log.read(pages, &mut |bytes| {
        for word in bytes.as_chunks().0 {
            if left == 0 || bad {
                return Flow::Stop;
            }
            left -= 1;
            let word = u64::from_le_bytes(*word);
            if header.len() < HEADER_WORDS as usize {
                header.push(word);
                continue;
            }
            match decoder.word(word) {
                Ok(change) => changes.extend(change),
                Err(()) => bad = true,
            }
        }
        Flow::Continue
    })?;
    let [epoch, before, before_words] = header[..] else { return Err(corrupt()) };
    if bad || left > 0 || !decoder.is_whole() {
        return Err(corrupt());
    }
    Ok((Part { epoch: Epoch(epoch), log, words }, (PageNo(before), before_words), changes))
}

/// Whether a map of so many words is short enough to be left alone; see [`Map`].
pub(super) fn pages_of(words: u64) -> u64 {
    // Fewer words than a page holds, so that this is never too few pages.
    words / super::store::PAGE_WORDS + 1
}

/// The map of a region that had none: all of it is free.
pub(super) fn new_map(universe: Extent, pages: &mut dyn PageTxn) -> Result<Map> {
    let log = PageLog::create(PageKind::SPACE, WORD_BYTES, pages)?;
    Ok(Map { log, universe, records: 0 })
}
