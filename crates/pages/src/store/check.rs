//! The store's part of a checker: every page verified on the device, every count recounted.
//!
//! Invariant: reads pages from the device and never from memory, so what it passes is what a reopening will find.
//! Repairs nothing, and knows nothing of what pages hold.

use super::PageStore;
use super::changes::State;
use super::format::{self, Entry};
use super::layout::FANOUT;
use super::shared::identity_of_page;
use super::walk::{MapVisitor, walk};
use spinney_core::{Error, Finding, PageBuf, PageKind, PageNo, Place, Result};

impl PageStore {
    /// Every live page once, uncommitted changes included. Errors: `Corrupt` if the map cannot be read.
    pub fn visit_live(&self, each: &mut dyn FnMut(PageNo, PageKind)) -> Result<()> {
        self.not_closed()?;
        walk(self.snapshot(), &mut Lister { store: self, each: &mut *each })?;
        for number in self.changes.numbers_sorted() {
            if let Some(change) = self.changes.get(number)
                && !matches!(change.state, State::Freed)
            {
                each(PageNo(number), change.kind);
            }
        }
        Ok(())
    }

    /// Verify one page of the last sealed epoch on the device. Errors: `Corrupt`, `Io`.
    pub fn verify(&self, page: PageNo) -> Result<()> {
        let entry = self.snapshot().entry(page)?.ok_or(Error::corrupt_page("page number", page))?;
        let is = identity_of_page(page.0, &entry);
        let device = &*self.shared.device;
        let found = self.shared.area().read_verified(device, entry.place, is, entry.checksum)?;
        self.shared.count_reads(entry.kind, 1);
        found.map(drop).map_err(|what| Error::corrupt_page(what, page))
    }

    /// Verify every page of the last sealed epoch on the device, and the counts kept in memory. Errors: `Io`.
    pub fn check(&self, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.not_closed()?;
        let mut checker = Checker { store: self, found, live: 0, damaged: false };
        walk(self.snapshot(), &mut checker)?;
        let (live, damaged) = (checker.live, checker.damaged);
        let mut rule = |holds: bool, rule| {
            if !holds {
                found(Finding { rule, place: Place::Pool });
            }
        };
        rule(damaged || live == self.sealed.live, "the root counts the live pages");
        rule(self.sealed.epoch < format::EPOCH_MAX, "the root's epoch leaves a next one");
        let (spilled, fresh, freed) = self.count_changes();
        rule(
            damaged || self.live.total() + freed == live + fresh,
            "the live pages are those of the map, with changes",
        );
        let taken = self.shared.area().layout.places() - self.places.free() - self.places.fenced();
        rule(damaged || taken == live + self.retired() + spilled, "each place is free, live or retired");
        Ok(())
    }

    /// Changes with a place of their own, pages that are new, and pages that went.
    fn count_changes(&self) -> (u64, u64, u64) {
        let (mut placed, mut fresh, mut freed) = (0, 0, 0);
        for number in self.changes.numbers_sorted() {
            let Some(change) = self.changes.get(number) else { continue };
            placed += u64::from(change.place.is_some());
            fresh += u64::from(change.fresh);
            freed += u64::from(matches!(change.state, State::Freed));
        }
        (placed, fresh, freed)
    }
}

/// The entries of a leaf with their page numbers.
fn entries(index: u64, page: &PageBuf) -> impl Iterator<Item = (PageNo, Entry)> + '_ {
    let at = move |slot| format::entry(page, slot).map(|entry| (PageNo(index * FANOUT + slot), entry));
    (0..FANOUT).filter_map(at)
}

struct Lister<'a> {
    store: &'a PageStore,
    each: &'a mut dyn FnMut(PageNo, PageKind),
}

impl MapVisitor for Lister<'_> {
    fn leaf(&mut self, index: u64, page: &PageBuf) -> Result<()> {
        for (number, entry) in entries(index, page) {
            if self.store.changes.get(number.0).is_none() {
                (self.each)(number, entry.kind);
            }
        }
        Ok(())
    }
    fn damaged(&mut self, error: Error) -> Result<()> {
        Err(error)
    }
}

struct Checker<'a> {
    store: &'a PageStore,
    found: &'a mut dyn FnMut(Finding),
    live: u64,
    damaged: bool,
}

impl Checker<'_> {
    fn rule(&mut self, holds: bool, rule: &'static str, page: PageNo) {
        if !holds {
            (self.found)(Finding { rule, place: Place::Page(page) });
        }
    }
    fn check_pages(&mut self, entries: &[(PageNo, Entry)]) -> Result<()> {
        let shared = &self.store.shared;
        let blocks: Vec<u64> = entries.iter().map(|(_, entry)| entry.place).collect();
        let area = shared.area();
        let pages = area.read_many(&*shared.device, &blocks)?;
        for ((number, entry), page) in entries.iter().zip(pages) {
            shared.count_reads(entry.kind, 1);
            let is = identity_of_page(number.0, entry);
            let verified = area.or_healed(&*shared.device, page, entry.place, is, entry.checksum)?;
            self.rule(verified.is_ok(), "a page is what its map entry says", *number);
        }
        Ok(())
    }
}

impl MapVisitor for Checker<'_> {
    fn leaf(&mut self, index: u64, page: &PageBuf) -> Result<()> {
        let (store, area) = (self.store, self.store.shared.area());
        let mut sound = Vec::new();
        for (number, entry) in entries(index, page) {
            self.live += 1;
            let holds = format::page_entry_holds(&entry, &area.layout, store.sealed.epoch);
            self.rule(holds, "a map entry is possible", number);
            if holds {
                self.rule(store.places.is_taken(entry.place), "a live page's place is in use", number);
                let freed = store.changes.get(number.0).is_some_and(|c| matches!(c.state, State::Freed));
                self.rule(
                    store.numbers.is_taken(number.0) != freed,
                    "a live page's number is in use",
                    number,
                );
                sound.push((number, entry));
            }
        }
        self.check_pages(&sound)
    }
    fn damaged(&mut self, error: Error) -> Result<()> {
        self.damaged = true;
        let place = if let Error::Corrupt { place, .. } = error { place } else { Place::Pool };
        (self.found)(Finding { rule: "a map page is what its parent says", place });
        Ok(())
    }
}
