//! A commit's writes: dirty pages to fresh places, then the map pages above them into their other slots.
//!
//! Invariant: nothing that the last committed epoch or an open view reaches is overwritten before it is kept in memory
//! for them; the cost follows what changed. Flushes nothing: the volume does, before and after its superblock.

use super::PageStore;
use super::cache::{Cached, key_of_map, key_of_page};
use super::changes::{Change, State};
use super::format::{self, Entry, Identity, MapRoot};
use super::layout::{FANOUT, levels_for};
use super::views::Replaced;
use spinney_core::{Epoch, Error, PageBuf, PageKind, Result, Root};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Pages in one request to the device: large enough to keep any queue busy (4 MiB), small enough not to matter in memory.
const BATCH: usize = 1024;

/// A child (page number, or index of a map page) and its new entry; `None` if it is gone.
type Update = (u64, Option<Entry>);

impl PageStore {
    /// Write the epoch's changes. They become what a reopened store sees once the root is durable; call
    /// [`PageStore::committed`] then. An error closes the store until [`PageStore::abort`] or a reopening.
    /// `epoch` must be above the last one, and the last seal committed (both are programmer errors).
    pub fn seal(&mut self, epoch: Epoch) -> Result<Root> {
        assert!(!self.pending, "the epoch before {epoch} is not committed yet");
        assert!(epoch.0 > self.sealed.epoch, "{epoch} is not above {}", self.sealed.epoch);
        self.not_closed()?;
        self.closed = true;
        self.shared.sealed.store(epoch.0, Ordering::Release);
        let updates = self.seal_pages(epoch.0)?;
        let (levels, top) = self.seal_map(updates, epoch.0)?;
        self.sealed = MapRoot { levels, top, live: self.live.total(), epoch: epoch.0 };
        (self.closed, self.pending) = (false, true);
        Ok(self.sealed.encode())
    }

    /// The sealed epoch's root is durable: views show it from now on, and what it replaced becomes reusable as soon as
    /// no older view is open.
    pub fn committed(&mut self, epoch: Epoch) {
        assert!(self.pending && epoch.0 == self.sealed.epoch, "{epoch} is not the epoch that was sealed");
        self.shared.views().committed = self.sealed;
        // New views see none of the replaced pages, so the lock can be let go between batches: readers wait for no more.
        for batch in self.replaced.chunks(BATCH) {
            let mut views = self.shared.views();
            for page in batch {
                if !views.hold(*page) {
                    self.places.release(page.place);
                }
            }
        }
        self.replaced.clear();
        self.pending = false;
        self.reclaim();
    }

    fn seal_pages(&mut self, epoch: u64) -> Result<Vec<Update>> {
        let mut changes = self.changes.drain_sorted();
        let without = changes.iter().filter(|(_, change)| needs_place(change)).count();
        let mut fresh = self.places.take(without).into_iter();
        for (_, change) in changes.iter_mut().filter(|(_, change)| needs_place(change)) {
            change.place = fresh.next();
        }
        let mut updates = Vec::with_capacity(changes.len());
        for batch in changes.chunks_mut(BATCH) {
            self.seal_batch(batch, epoch, &mut updates)?;
        }
        Ok(updates)
    }

    fn seal_batch(
        &mut self,
        batch: &mut [(u64, Change)],
        epoch: u64,
        updates: &mut Vec<Update>,
    ) -> Result<()> {
        let first = updates.len();
        updates
            .extend(batch.iter_mut().map(|(number, change)| (*number, seal_change(*number, change, epoch))));
        let mut writes: Vec<(u64, &PageBuf)> = Vec::with_capacity(batch.len());
        for (_, change) in batch.iter() {
            if let (State::Memory { page, .. }, Some(place)) = (&change.state, change.place) {
                writes.push((place, page));
                self.written.add(change.kind, 1);
            }
        }
        if !writes.is_empty() {
            self.shared.area().write_many(&*self.shared.device, &writes, &mut self.staging)?;
        }
        for ((number, change), (_, entry)) in batch.iter().zip(&updates[first..]) {
            match (&change.state, entry) {
                (State::Memory { page, .. }, Some(entry)) => self.keep(key_of_page(*number), page, entry),
                _ => self.shared.cache.remove(key_of_page(*number)),
            }
        }
        Ok(())
    }

    /// Level by level; each level's new entries are the updates of the next.
    fn seal_map(&mut self, mut updates: Vec<Update>, epoch: u64) -> Result<(u8, Option<Entry>)> {
        let before = self.sealed;
        let Some(highest) = updates.last() else { return Ok((before.levels, before.top)) };
        let levels = before.levels.max(levels_for(highest.0));
        let mut replaced = Vec::new();
        for level in 0..levels {
            updates = self.seal_level((level, levels), &updates, epoch, &mut replaced)?;
            // The map grows taller: the old top becomes the first child of a page that is new.
            if level + 1 == before.levels && levels > before.levels && updates[0].0 != 0 {
                updates.insert(0, (0, before.top));
            }
        }
        self.replaced = replaced;
        Ok((levels, updates[0].1))
    }

    fn seal_level(
        &mut self,
        (level, levels): (u8, u8),
        updates: &[Update],
        epoch: u64,
        replaced: &mut Vec<Replaced>,
    ) -> Result<Vec<Update>> {
        let groups: Vec<&[Update]> = updates.chunk_by(|a, b| a.0 / FANOUT == b.0 / FANOUT).collect();
        let mut parents = Vec::with_capacity(groups.len());
        for batch in groups.chunks(BATCH) {
            let mut fresh = Vec::with_capacity(batch.len());
            for group in batch {
                let page = self.renew_map_page(level, group, epoch, replaced)?;
                // A map page without entries is a hole in its parent, so that an area can shrink; the top stays.
                if level + 1 < levels && format::is_empty(&page.page) {
                    self.shared.cache.remove(key_of_map(level, page.index));
                    parents.push((page.index, None));
                } else {
                    parents.push((page.index, Some(page.entry)));
                    fresh.push(page);
                }
            }
            self.keep_for_views(level, &fresh)?;
            let writes: Vec<(u64, &PageBuf)> =
                fresh.iter().map(|page| (page.entry.place, &*page.page)).collect();
            self.shared.area().write_many(&*self.shared.device, &writes, &mut self.staging)?;
            self.written.add(PageKind::MAP, writes.len() as u64);
            for page in &fresh {
                self.keep(key_of_map(level, page.index), &page.page, &page.entry);
            }
        }
        Ok(parents)
    }

    /// The next version of a map page, for the slot that the current one does not use.
    fn renew_map_page(
        &self,
        level: u8,
        updates: &[Update],
        epoch: u64,
        replaced: &mut Vec<Replaced>,
    ) -> Result<FreshMapPage> {
        let index = updates[0].0 / FANOUT;
        let current = self.snapshot().map_page(level, index)?;
        let mut page = current.as_ref().map_or_else(PageBuf::zeroed, |(_, page)| (**page).clone());
        for (child, entry) in updates {
            let old = format::entry(&page, child % FANOUT).filter(|_| level == 0);
            replaced.extend(old.map(|old| Replaced { place: old.place, from: old.epoch, until: epoch }));
            format::put_entry(&mut page, child % FANOUT, *entry);
        }
        let slots = self.shared.area().layout.slots(level, index).ok_or(format::corrupt_map(level, index))?;
        let before = current.map(|(entry, _)| entry);
        // A new page takes the slot of the epoch's parity, so that pages which change in every commit stay side by side.
        let place = match &before {
            Some(entry) if entry.place == slots[0] => slots[1],
            Some(_) => slots[0],
            None => slots[(epoch % 2) as usize],
        };
        let checksum =
            format::seal_page(&mut page, Identity { kind: PageKind::MAP, level, number: index, epoch });
        let entry = Entry { place, kind: PageKind::MAP, checksum, epoch };
        Ok(FreshMapPage {
            index,
            page: Arc::new(page),
            entry,
            replaces_epoch: before.map(|entry| entry.epoch),
        })
    }

    /// The slots that are about to be overwritten hold the versions before the current ones. Where an open view still
    /// sees such a version, keep it in memory; the view looks there when the slot no longer verifies.
    fn keep_for_views(&self, level: u8, fresh: &[FreshMapPage]) -> Result<()> {
        let Some(oldest) = self.shared.views().oldest() else { return Ok(()) };
        let seen: Vec<(&FreshMapPage, u64)> = fresh
            .iter()
            // One that is new may lie where an emptied one was, which a view still sees.
            .map(|page| (page, page.replaces_epoch.unwrap_or(page.entry.epoch)))
            .filter(|(_, until)| oldest < *until)
            .collect();
        let blocks: Vec<u64> = seen.iter().map(|(page, _)| page.entry.place).collect();
        let old = self.shared.area().read_many(&*self.shared.device, &blocks)?;
        self.shared.count_reads(PageKind::MAP, old.len() as u64);
        let mut views = self.shared.views();
        for ((page, until), old) in seen.into_iter().zip(old) {
            let same = |is: &Identity| (is.kind, is.level, is.number) == (PageKind::MAP, level, page.index);
            if let Some(is) = format::identity(&old).filter(same) {
                views.retain(level, page.index, (is.epoch, until), old);
            }
        }
        Ok(())
    }

    fn keep(&mut self, key: u64, page: &Arc<PageBuf>, entry: &Entry) {
        let cached = Cached { page: page.clone(), checksum: entry.checksum, epoch: entry.epoch };
        let before = self.shared.cache.insert(key, cached);
        // What no reader holds any more serves the next changes: an allocator would take it apart and put it together again.
        if let Some(mut spare) = before
            && self.spares.len() + self.changes.resident() < self.dirty_pages_max
            && Arc::get_mut(&mut spare).is_some()
        {
            self.spares.push(spare);
        }
    }

    /// Free the places that views let go of.
    pub(super) fn reclaim(&mut self) {
        for place in self.shared.views().released().drain(..) {
            self.places.release(place);
        }
    }

    /// `Closed` after a failed seal.
    pub(super) fn not_closed(&self) -> Result<()> {
        if self.closed { Err(Error::Closed) } else { Ok(()) }
    }
}

struct FreshMapPage {
    index: u64,
    page: Arc<PageBuf>,
    entry: Entry,
    replaces_epoch: Option<u64>,
}

fn needs_place(change: &Change) -> bool {
    change.place.is_none() && matches!(change.state, State::Memory { .. })
}

/// Stamp the page if it is in memory, and give its new entry.
fn seal_change(number: u64, change: &mut Change, epoch: u64) -> Option<Entry> {
    let place = change.place?;
    let (checksum, epoch) = match &mut change.state {
        State::Freed => return None,
        State::Spilled { checksum, epoch } => (*checksum, *epoch),
        State::Memory { page, .. } => {
            let is = Identity { kind: change.kind, level: 0, number, epoch };
            (format::seal_page(Arc::make_mut(page), is), epoch)
        }
    };
    Some(Entry { place, kind: change.kind, checksum, epoch })
}
