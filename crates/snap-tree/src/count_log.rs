//! Changes of counts on their way to the pages of counts, gathered by region (deferred counting, after Rodeh's report RJ10464, 2010,
//! of which the abstract is known: counters lie at random places, so put their changes off and batch them).
//!
//! Invariant: a number's owners beyond the first are what its page of counts says and what each page of its region's log adds, and are
//! never below 0. A region has a log exactly while a number in it has a second owner, and at most so many pages of it; when
//! they are full, what has not cancelled goes to the pages of counts in order. Knows not who raises and lowers.

use crate::counts::{COUNTS_PER_PAGE, Emptied, parts};
use crate::form::Form;
use crate::steps::{self, STEPS_MAX};
use crate::{Anchor, Sparse, anchor};
use core::ops::Range;
use spinney_core::{Error, Flow, PageKind, PageRead, PageRef, PageTxn, Payload, Pba, Place, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Pages of counts that share a log: those of a GiB of blocks. More gather more changes for each log page that a commit writes,
/// and fewer for each page of counts.
pub(crate) const REGION_LEAVES: u64 = 256;
/// Numbers that share a log.
pub(crate) const REGION_NUMBERS: u64 = REGION_LEAVES * COUNTS_PER_PAGE;
/// The fewest pages of a full log.
const PAGES_MIN: u64 = 4;
/// The most changes that a region may gather: as many log pages as pages of counts.
pub const LOG_CHANGES_MAX: u64 = REGION_LEAVES * STEPS_MAX as u64 / 2;

const PEAK_AT: usize = 2;
const SEALED_AT: usize = 4;
/// Word of the first page: owners beyond the first of all its region's numbers.
const OWNERS: usize = 1;

/// The log of all regions. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CountLog {
    table: Sparse,
    /// Pages of a full log, and steps on each.
    pages: u64,
    steps: u64,
}

/// What the first page of a region's log says: it takes the changes, and is copied to one behind it when it is full.
pub(crate) struct Head {
    pub(crate) steps: u64,
    /// No value of this page is larger in size.
    pub(crate) peak: u64,
    /// Full pages behind it.
    pub(crate) sealed: u64,
    pub(crate) owners: u64,
}

fn field(bytes: &Payload, at: usize) -> u64 {
    u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]))
}

fn set_field(bytes: &mut Payload, at: usize, value: u64) {
    bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
}

/// What a region's log adds to the number at `place` of it.
pub(crate) fn added(log: &[PageRef], place: u64) -> i64 {
    log.iter().map(|page| steps::value_at(page, place)).sum()
}

/// The sum of changes from place to place of a region, as (first place, end, value), those that are not 0 in order.
fn summed(changes: impl Iterator<Item = (u64, i64)>) -> Vec<(u64, u64, i64)> {
    let mut all: Vec<(u64, i64)> = changes.collect();
    all.sort_unstable_by_key(|(place, _)| *place);
    all.push((REGION_NUMBERS, 0));
    let (mut sum, mut parts) = (0, Vec::new());
    for pair in all.windows(2) {
        sum += pair[0].1;
        let (from, to) = (pair[0].0, pair[1].0.min(REGION_NUMBERS));
        if sum != 0 && from < to {
            parts.push((from, to, sum));
        }
    }
    parts
}

impl CountLog {
    /// A log whose roots stand in the anchor from `word` on, and that gathers `changes` scattered changes in a region at least
    /// (a change of a run is one). Errors: `BadSetting` if that is 0 or over [`LOG_CHANGES_MAX`].
    pub fn at(anchor: Anchor, word: usize, changes: u64) -> Result<CountLog> {
        if !(1..=LOG_CHANGES_MAX).contains(&changes) {
            return Err(Error::BadSetting("a log of counts takes 1 to 129,536 changes a region"));
        }
        let (all, page) = (2 * changes, STEPS_MAX as u64);
        let pages = all.div_ceil(page).max(PAGES_MIN);
        let steps = all.div_ceil(pages).max(2);
        Ok(CountLog { table: Sparse { anchor, word, kind: PageKind::SHARE }, pages, steps })
    }
    /// Pages by number: the regions', each with a place for every page that its log can have.
    pub(crate) fn table(&self) -> Sparse {
        self.table
    }
    fn first(&self, region: u64) -> u64 {
        region * self.pages
    }
    fn corrupt<T>(region: u64) -> Result<T> {
        let place = Place::Block(Pba(region * REGION_NUMBERS));
        Err(Error::Corrupt { what: "log of counts", place })
    }
    /// Errors: `Corrupt`.
    pub(crate) fn head(&self, region: u64, pages: &dyn PageRead) -> Result<Option<Head>> {
        let head = self.table.look(self.first(region), pages, |bytes| Head {
            steps: steps::count(bytes) as u64,
            peak: field(bytes, PEAK_AT),
            sealed: field(bytes, SEALED_AT),
            owners: anchor::word(bytes, OWNERS),
        })?;
        if head.as_ref().is_some_and(|head| head.sealed >= self.pages) {
            return Self::corrupt(region);
        }
        Ok(head)
    }
    /// The pages of a region's log; none if nothing in it has a second owner. Errors: `Corrupt`.
    pub(crate) fn load(&self, region: u64, pages: &dyn PageRead) -> Result<Vec<PageRef>> {
        let Some(head) = self.head(region, pages)? else { return Ok(Vec::new()) };
        let first = self.first(region);
        (first..=first + head.sealed)
            .map(|index| match self.table.read(index, pages)? {
                Some(page) => Ok(page),
                None => Self::corrupt(region),
            })
            .collect()
    }
    /// Add `change` to the numbers at these places of a region.
    pub(crate) fn change(
        &self,
        form: &Form,
        region: u64,
        places: Range<u64>,
        change: i64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<()> {
        let head = self.head(region, pages)?;
        if let Some(head) = head.filter(|head| head.steps + 2 > self.steps) {
            self.roll(form, region, &head, pages, emptied)?;
        }
        if self.add(region, places.clone(), change, pages)? {
            return Ok(());
        }
        let Some(head) = self.head(region, pages)? else { return Self::corrupt(region) };
        self.roll(form, region, &head, pages, emptied)?;
        if self.add(region, places, change, pages)? { Ok(()) } else { Self::corrupt(region) }
    }
    /// Note a change on the first page; whether its value had room.
    fn add(&self, region: u64, places: Range<u64>, change: i64, pages: &mut dyn PageTxn) -> Result<bool> {
        let bytes = self.table.edit(self.first(region), pages)?;
        let Some(largest) = steps::add(bytes, places.start, places.end, change) else { return Ok(false) };
        let peak = field(bytes, PEAK_AT).max(largest.unsigned_abs());
        set_field(bytes, PEAK_AT, peak);
        let all = change * (places.end - places.start) as i64;
        let Some(owners) = anchor::word(bytes, OWNERS).checked_add_signed(all) else {
            return Self::corrupt(region);
        };
        anchor::set_word(bytes, OWNERS, owners);
        Ok(true)
    }
    /// Make room on the first page: by a page more behind it, or by folding them all.
    fn roll(
        &self,
        form: &Form,
        region: u64,
        head: &Head,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<()> {
        let first = self.first(region);
        let fold = head.sealed + 1 == self.pages;
        if fold {
            let log = self.load(region, pages)?;
            for (from, to, change) in summed(log.iter().flat_map(|page| steps::changes(page))) {
                form.change(region * REGION_NUMBERS + from, to - from, change, pages, emptied)?;
            }
            (1..=head.sealed).try_for_each(|index| self.table.remove(first + index, pages))?;
        } else {
            let full = *self.table.edit(first, pages)?;
            let sealed = self.table.edit(first + head.sealed + 1, pages)?;
            *sealed = full;
            set_field(sealed, PEAK_AT, 0);
            set_field(sealed, SEALED_AT, 0);
            anchor::set_word(sealed, OWNERS, 0);
        }
        let bytes = self.table.edit(first, pages)?;
        steps::clear(bytes);
        set_field(bytes, PEAK_AT, 0);
        set_field(bytes, SEALED_AT, if fold { 0 } else { head.sealed + 1 });
        Ok(())
    }
    /// Give a region's pages back if nothing in it has a second owner: those of the log, and of counts that it cancels.
    pub(crate) fn trim(&self, form: &Form, region: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let Some(head) = self.head(region, pages)?.filter(|head| head.owners == 0) else { return Ok(()) };
        for leaf in form.table().present(region * REGION_LEAVES..(region + 1) * REGION_LEAVES, pages)? {
            form.table().remove(leaf, pages)?;
        }
        let first = self.first(region);
        (first..=first + head.sealed).try_for_each(|index| self.table.remove(index, pages))
    }
    /// At most what `work` touches of a region; `touched`: leaves of its numbers, and the steps that they take.
    pub(crate) fn bound(
        &self,
        form: &Form,
        region: u64,
        work: &RegionWork,
        touched: &BTreeMap<u64, u64>,
        pages: &dyn PageRead,
    ) -> Result<RegionBound> {
        let found = self.head(region, pages)?;
        if found.is_none() && work.raises == 0 {
            return Ok(RegionBound::default());
        }
        let head = found.unwrap_or(Head { steps: 0, peak: 0, sealed: 0, owners: 0 });
        // Each time that the first page is full it has all its steps but one, or a value that takes as many changes to reach.
        let by_value = (head.peak + work.steps) / steps::VALUE_MAX as u64;
        let rolls = (head.steps + work.steps) / (self.steps - 1) + by_value;
        let (may_fold, may_end) = (head.sealed + rolls >= self.pages, work.lowered >= head.owners);
        let first = self.first(region);
        let old = if may_fold || may_end { 0..head.sealed + 1 } else { 0..1 };
        let new = head.sealed + 1..(head.sealed + rolls + 1).min(self.pages);
        let all = region * REGION_LEAVES..(region + 1) * REGION_LEAVES;
        let mut leaves = BTreeMap::new();
        if may_end {
            leaves.extend(form.table().present(all.clone(), pages)?.into_iter().map(|leaf| (leaf, 0)));
        }
        if may_fold {
            leaves.extend(touched.range(all));
            let log = self.load(region, pages)?;
            for (from, to, _) in summed(log.iter().flat_map(|page| steps::changes(page))) {
                for (leaf, ..) in parts(region * REGION_NUMBERS + from, to - from, COUNTS_PER_PAGE) {
                    *leaves.entry(leaf).or_default() += 2;
                }
            }
        }
        let made_anew = match (may_fold, may_end && work.raises > 0) {
            (false, false) => 0,
            (true, false) => rolls,
            (false, true) => work.raises.min(work.lowered),
            (true, true) => {
                rolls + work.raises + (rolls / self.pages + 1) * REGION_LEAVES.min(self.pages * self.steps)
            }
        };
        let log = old.chain(new).map(|index| first + index).collect();
        Ok(RegionBound { log, leaves, made_anew })
    }
    /// Every number that has a second owner, by rising number, and what is wrong as `bad`.
    pub(crate) fn visit(
        &self,
        form: &Form,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u32),
        bad: &mut dyn FnMut(&'static str),
    ) -> Result<()> {
        let mut bases: BTreeMap<u64, Vec<(u64, i64)>> = BTreeMap::new();
        form.visit(
            pages,
            &mut |first, end, count| {
                let base = bases.entry(first / REGION_NUMBERS).or_default();
                base.extend([
                    (first % REGION_NUMBERS, i64::from(count)),
                    ((end - 1) % REGION_NUMBERS + 1, -i64::from(count)),
                ]);
            },
            bad,
        )?;
        let regions = self.regions(pages, bad)?;
        if bases.keys().any(|region| !regions.contains(region)) {
            bad("a page of counts has a log");
        }
        for region in regions {
            let base = bases.remove(&region).unwrap_or_default();
            let owners = self.visit_region(region, base, pages, each, bad)?;
            if self.head(region, pages)?.is_none_or(|head| head.owners != owners || owners == 0) {
                bad("the log of counts of a region says how many owners there are");
            }
        }
        Ok(())
    }
    /// The same of one region, of whose counts these are the changes from place to place. How many owners there are.
    fn visit_region(
        &self,
        region: u64,
        base: Vec<(u64, i64)>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u32),
        bad: &mut dyn FnMut(&'static str),
    ) -> Result<u64> {
        let log = self.load(region, pages)?;
        let mut owners = 0;
        for (from, to, extra) in
            summed(base.into_iter().chain(log.iter().flat_map(|page| steps::changes(page))))
        {
            match u32::try_from(extra) {
                Ok(extra) => {
                    owners += u64::from(extra) * (to - from);
                    (from..to).for_each(|place| each(region * REGION_NUMBERS + place, extra));
                }
                Err(_) => bad("a log of counts takes no more owners than there are"),
            }
        }
        Ok(owners)
    }
    /// The regions that have a log, and what is wrong with their pages.
    pub(crate) fn regions(
        &self,
        pages: &dyn PageRead,
        bad: &mut dyn FnMut(&'static str),
    ) -> Result<BTreeSet<u64>> {
        let mut regions = BTreeSet::new();
        self.table.visit(pages, &mut |index, bytes| {
            let (region, place) = (index / self.pages, index % self.pages);
            regions.insert(region);
            let sealed = self.head(region, pages)?.map(|head| head.sealed);
            if sealed.is_none_or(|sealed| place > sealed) {
                bad("a page of the log of counts belongs to one");
            }
            let full = steps::count(bytes) as u64 > self.steps;
            let peak = if place == 0 { field(bytes, PEAK_AT) } else { steps::VALUE_MAX as u64 };
            if full || !steps::is_sound(bytes, REGION_NUMBERS, peak as i64) {
                bad("steps of the log of counts rise and end");
            }
            Ok(Flow::Continue)
        })?;
        Ok(regions)
    }
}

/// What a piece of work touches of a region at most: indices of log pages, leaves of counts with the steps that they take, and how many pages are given back
/// and taken anew.
#[derive(Default)]
pub(crate) struct RegionBound {
    pub(crate) log: Vec<u64>,
    pub(crate) leaves: BTreeMap<u64, u64>,
    pub(crate) made_anew: u64,
}

/// What work may do to the counts of a region.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct RegionWork {
    /// Steps that the changes take at most.
    pub(crate) steps: u64,
    /// Changes that raise.
    pub(crate) raises: u64,
    /// Owners that are taken away.
    pub(crate) lowered: u64,
}
