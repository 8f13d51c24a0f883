//! Every copy of every page on the device, a part of the map at a time; and which pages are younger than an epoch.
//!
//! Invariant: what is stored here is a copy that its parent confirms, over one that it does not: nothing that can be read changes. Knows
//! neither how many copies there are nor why one is wrong.

use super::PageStore;
use super::format::{self, Entry, Identity};
use super::layout::{FANOUT, LEVELS_MAX};
use super::shared::{identity_of_map, identity_of_page};
use spinney_core::{Epoch, Error, Healed, PageBuf, PageNo, Place, Result};

impl PageStore {
    /// How many parts the map has for [`PageStore::scrub_part`].
    #[must_use]
    pub fn parts(&self) -> u64 {
        self.shared.area().layout.numbers_end().div_ceil(FANOUT)
    }

    /// Look at every copy of the pages of one part of the map (a leaf), and of its map pages, where they were written after `since`, in
    /// the last sealed epoch. Sound copies are stored over others, durable with the device's next flush. `each` is told of every page, with no
    /// copies for one that is older. Errors: `Closed`; what cannot be read is no error but has no sound copy.
    pub fn scrub_part(&self, part: u64, since: Epoch, each: &mut dyn FnMut(PageNo, Healed)) -> Result<()> {
        self.not_closed()?;
        for level in (0..self.sealed.levels.min(LEVELS_MAX)).rev() {
            let covers = FANOUT.saturating_pow(u32::from(level));
            if part.is_multiple_of(covers) {
                self.scrub_map_page(level, part / covers, since, each);
            }
        }
        // A leaf that is lost was told of above.
        let Ok(Some((entry, leaf))) = self.snapshot().map_page(0, part) else { return Ok(()) };
        let slots = (0..FANOUT).filter_map(|slot| Some((part * FANOUT + slot, format::entry(&leaf, slot)?)));
        for (number, its) in slots {
            let old = entry.epoch <= since.0 || its.epoch <= since.0;
            let holds = format::page_entry_holds(&its, &self.shared.area().layout, self.sealed.epoch);
            let healed = match holds {
                true if old => Healed::default(),
                true => self.heal(&its, identity_of_page(number, &its)),
                false => LOST,
            };
            each(PageNo(number), healed);
        }
        Ok(())
    }

    fn scrub_map_page(&self, level: u8, index: u64, since: Epoch, each: &mut dyn FnMut(PageNo, Healed)) {
        let healed = match self.snapshot().map_entry(level, index) {
            Ok(None) => return,
            Ok(Some(entry)) if entry.epoch <= since.0 => return,
            Ok(Some(entry)) => self.heal(&entry, identity_of_map(level, index, &entry)),
            Err(_) => LOST,
        };
        let Error::Corrupt { place: Place::Page(page), .. } = format::corrupt_map(level, index) else {
            return;
        };
        each(page, healed);
    }

    fn heal(&self, entry: &Entry, is: Identity) -> Healed {
        self.shared.count_reads(entry.kind, 1);
        let (area, mut page) = (self.shared.area(), PageBuf::zeroed());
        area.heal(&*self.shared.device, &mut page, entry.place, is, entry.checksum).unwrap_or(LOST)
    }

    /// The epoch that wrote a page, the open one if that has changed it. Errors: `Corrupt` if there is no such page, `Io`.
    pub fn written_in(&self, page: PageNo) -> Result<Epoch> {
        if self.changes.get(page.0).is_some() {
            return Ok(self.epoch().next());
        }
        let entry = self.snapshot().entry(page)?.ok_or(Error::corrupt_page("page number", page))?;
        Ok(Epoch(entry.epoch))
    }
}

/// No copy is sound.
const LOST: Healed = Healed { sound: 0, bad: 1, repaired: 0, rebuilt: 0 };
