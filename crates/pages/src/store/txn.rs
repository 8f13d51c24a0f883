//! Reading and changing pages inside the open epoch.
//!
//! Invariant: every changed page has, or is promised, a fresh place, so a seal cannot run out of space. A change
//! touches neither what the last sealed epoch reaches nor the map. Orders no writes.

use super::PageStore;
use super::changes::{Change, State};
use super::format::{self, Entry, Identity};
use super::shared::of_kind;
use spinney_core::{Error, PageBuf, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result};
use std::sync::Arc;

impl PageRead for PageStore {
    #[inline]
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.current(page, kind).map(PageRef::new)
    }
    #[inline]
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        if self.closed {
            return Err(Error::Closed);
        }
        match self.changes.get(page.0) {
            None => self.snapshot().show(page, kind, see),
            Some(Change { kind: its, state: State::Memory { page, .. }, .. }) if *its == kind => {
                see(page.payload());
                Ok(())
            }
            Some(change) => self.read_changed(page, kind, change).map(|page| see(page.payload())),
        }
    }
    fn prefetch(&self, pages: &[PageNo], kind: PageKind) {
        if !self.closed {
            let unchanged = pages.iter().copied().filter(|page| self.changes.get(page.0).is_none());
            self.snapshot().prefetch(unchanged, kind);
        }
    }
}

impl PageTxn for PageStore {
    fn alloc(&mut self, kind: PageKind) -> Result<PageNo> {
        assert!(kind != PageKind::MAP && kind != PageKind(0), "the kind {kind:?} is the store's own");
        self.not_closed()?;
        self.promise_place()?;
        self.limit_dirty()?;
        let number = self.numbers.take(kind).ok_or(Error::NoPages { needed: 1, free: 0 })?;
        let fresh = self.changes.get(number).is_none();
        self.changes.put_in_memory(number, kind, fresh, Arc::new(PageBuf::zeroed()));
        self.live.add(kind, 1);
        Ok(PageNo(number))
    }

    fn edit(&mut self, page: PageNo, kind: PageKind) -> Result<&mut Payload> {
        if !matches!(self.changes.get(page.0), Some(Change { state: State::Memory { .. }, .. })) {
            self.bring_in(page, kind)?;
        }
        match self.changes.get_mut(page.0) {
            Some(change) if change.kind != kind => Err(Error::corrupt_page("page kind", page)),
            Some(Change { state: State::Memory { page, touched, .. }, .. }) => {
                *touched = true;
                Ok(Arc::make_mut(page).payload_mut())
            }
            _ => Err(Error::corrupt_page("page number", page)),
        }
    }

    fn free(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        self.not_closed()?;
        let known = match self.changes.get(page.0) {
            Some(Change { state: State::Freed, .. }) => None,
            Some(change) => Some(change.kind),
            None => self.snapshot().entry(page)?.map(|entry| entry.kind),
        };
        if known.ok_or(Error::corrupt_page("page number", page))? != kind {
            return Err(Error::corrupt_page("page kind", page));
        }
        if let Some(place) = self.changes.put_freed(page.0, kind) {
            self.places.release(place);
        }
        self.numbers.release(page.0);
        self.live.take(kind);
        Ok(())
    }
}

impl PageStore {
    /// How many more pages may be allocated, or edited for the first time in this epoch, with the seal still sure to
    /// find a place for each. Map pages need none: their slots are fixed.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.places.free() + self.shared.views().released().len() as u64 - self.changes.owed()
    }

    #[inline]
    fn current(&self, page: PageNo, kind: PageKind) -> Result<Arc<PageBuf>> {
        if self.closed {
            return Err(Error::Closed);
        }
        match self.changes.get(page.0) {
            None => self.snapshot().read(page, kind),
            Some(change) => self.read_changed(page, kind, change),
        }
    }

    fn read_changed(&self, page: PageNo, kind: PageKind, change: &Change) -> Result<Arc<PageBuf>> {
        match (&change.state, change.place) {
            (State::Freed, _) => Err(Error::corrupt_page("page number", page)),
            _ if change.kind != kind => Err(Error::corrupt_page("page kind", page)),
            (State::Memory { page, .. }, _) => Ok(page.clone()),
            (State::Spilled { checksum, epoch }, place) => {
                let place = place.expect("a spilled page has a place");
                let entry = Entry { place, kind, checksum: *checksum, epoch: *epoch };
                self.shared.fetch_at(page, &entry).and_then(|found| of_kind(found, page, kind))
            }
        }
    }

    /// Take a clean or spilled page into memory to be changed.
    fn bring_in(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        let content = self.current(page, kind)?;
        let (placed, fresh) =
            self.changes.get(page.0).map_or((false, false), |change| (change.place.is_some(), change.fresh));
        if !placed {
            self.promise_place()?;
        }
        self.limit_dirty()?;
        let copy = match self.spares.pop() {
            Some(mut spare) => {
                let bytes = Arc::get_mut(&mut spare).expect("a spare page has no other owner").bytes_mut();
                bytes.copy_from_slice(content.bytes());
                spare
            }
            None => Arc::new((*content).clone()),
        };
        self.changes.put_in_memory(page.0, kind, fresh, copy);
        Ok(())
    }

    fn promise_place(&mut self) -> Result<()> {
        if self.places.free() <= self.changes.owed() {
            self.reclaim();
        }
        let room = self.places.free() - self.changes.owed();
        if room == 0 { Err(Error::NoPages { needed: 1, free: 0 }) } else { Ok(()) }
    }

    /// Write the coldest quarter of the dirty pages to fresh places if memory for one more is not left. They stay
    /// unreachable until the seal.
    fn limit_dirty(&mut self) -> Result<()> {
        if self.changes.resident() < self.dirty_pages_max {
            return Ok(());
        }
        let chosen = self.changes.choose_cold((self.dirty_pages_max / 4).max(1));
        self.assign_places(&chosen);
        let epoch = self.sealed.epoch + 1;
        let mut written = Vec::with_capacity(chosen.len());
        for number in chosen {
            let Some(Change { kind, place: Some(place), state: State::Memory { page, .. }, .. }) =
                self.changes.get_mut(number)
            else {
                continue;
            };
            let is = Identity { kind: *kind, level: 0, number, epoch };
            let checksum = format::seal_page(Arc::make_mut(page), is);
            written.push((number, *kind, *place, checksum, page.clone()));
        }
        let writes: Vec<(u64, &PageBuf)> =
            written.iter().map(|(_, _, place, _, page)| (*place, &**page)).collect();
        self.shared.area().write_many(&*self.shared.device, &writes, &mut self.staging)?;
        for (number, kind, _, checksum, _) in &written {
            self.changes.put_spilled(*number, *checksum, epoch);
            self.written.add(*kind, 1);
            self.spilled += 1;
        }
        Ok(())
    }

    fn assign_places(&mut self, numbers: &[u64]) {
        let without = |number: &&u64| self.changes.get(**number).is_some_and(|change| change.place.is_none());
        let without: Vec<u64> = numbers.iter().filter(without).copied().collect();
        for (number, place) in without.iter().zip(self.places.take(without.len())) {
            self.changes.assign(*number, place);
        }
    }
}
