//! Owners of blocks or pages beyond the first: pages of counts, single or in ranges, and before them a log of changes if there is to be one.
//!
//! Invariant: what is told is exact at every moment, whatever part of it the log still has. Knows not whose pointers it counts.

use crate::count_log::{CountLog, REGION_NUMBERS, RegionWork, added};
use crate::counts::{self, COUNTS_PER_PAGE, Counts, Emptied, parts};
use crate::form::{Form, FormReader};
use crate::ranges::Ranges;
use crate::{Anchor, Sparse};
use spinney_core::{Error, Finding, PageNo, PageRead, PageRef, PageTxn, Payload, Pba, Place, Result, Tally};
use std::collections::{BTreeMap, BTreeSet};

/// Additional owners by number. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owners {
    form: Form,
    log: Option<CountLog>,
}

/// Consecutive numbers, and whether they have a second owner.
struct Group {
    first: u64,
    length: u64,
    shared: bool,
}

impl Owners {
    /// Counts whose roots stand in the anchor from `word` on.
    #[must_use]
    pub fn at(anchor: Anchor, word: usize) -> Owners {
        Owners { form: Form::Single(Counts::at(anchor, word)), log: None }
    }
    /// The same in ranges of equal counts, with so many steps a page. Errors: `BadSetting` if that is not 2 to 1,012.
    pub fn in_ranges(anchor: Anchor, word: usize, steps: u64) -> Result<Owners> {
        Ok(Owners { form: Form::Ranges(Ranges::at(anchor, word, steps)?), log: None })
    }
    /// The same behind a log.
    #[must_use]
    pub fn behind(self, log: CountLog) -> Owners {
        Owners { log: Some(log), ..self }
    }
    /// Where to look whether there is any second owner.
    fn entrance(&self) -> Sparse {
        self.log.map_or(self.form.table(), |log| log.table())
    }
    /// Whether nothing has a second owner.
    pub fn is_empty(&self, pages: &dyn PageRead) -> Result<bool> {
        self.entrance().is_empty(pages)
    }
    /// The same, the anchor's words being at hand.
    #[must_use]
    pub fn is_empty_in(&self, anchor: &Payload) -> bool {
        self.entrance().is_empty_in(anchor)
    }
    /// Owners beyond the first.
    pub fn extra(&self, number: u64, pages: &dyn PageRead) -> Result<u32> {
        match (self.log, self.form) {
            (None, Form::Single(counts)) => counts.extra(number, pages),
            _ => self.reader(pages).extra(number),
        }
    }
    /// A reader that keeps the last pages that it looked at, for numbers that lie close together.
    #[must_use]
    pub fn reader<'a>(&self, pages: &'a dyn PageRead) -> OwnerReader<'a> {
        OwnerReader { counts: self.form.reader(pages), log: self.log, pages, region: None }
    }
    /// One more owner for each number of the run. Errors: `Unsupported` for the 2^32th.
    pub fn raise(
        &self,
        start: u64,
        length: u64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<()> {
        if let (None, Form::Single(counts)) = (self.log, self.form) {
            return counts.raise(start, length, pages);
        }
        self.change(start, length, 1, pages, emptied)
    }
    /// One owner more or less for each number of the run.
    fn change(
        &self,
        start: u64,
        length: u64,
        change: i64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<()> {
        pages.tally(Tally::Counts, length);
        let Some(log) = self.log else { return self.form.change(start, length, change, pages, emptied) };
        for (region, place, part, _) in parts(start, length, REGION_NUMBERS) {
            log.change(&self.form, region, place..place + part, change, pages, emptied)?;
        }
        Ok(())
    }
    /// One owner less for each number of the run; `last` gets the runs that now have none. Pages of counts that are left empty
    /// are noted, for [`Owners::trim`].
    pub fn release(
        &self,
        start: u64,
        length: u64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
        last: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        if let (None, Form::Single(counts)) = (self.log, self.form) {
            return counts.release(start, length, pages, emptied, last);
        }
        for (region, _, part, done) in parts(start, length, REGION_NUMBERS) {
            let mut lowered = false;
            for group in self.groups(start + done, part, pages)? {
                if !group.shared {
                    last(group.first, group.length);
                    continue;
                }
                self.change(group.first, group.length, -1, pages, emptied)?;
                lowered = true;
            }
            if let Some(log) = self.log.filter(|_| lowered) {
                log.trim(&self.form, region, pages)?;
            }
        }
        Ok(())
    }
    /// The run in groups, each of numbers that all have a second owner or all have none.
    fn groups(&self, start: u64, length: u64, pages: &dyn PageRead) -> Result<Vec<Group>> {
        let mut reader = self.reader(pages);
        let mut groups: Vec<Group> = Vec::new();
        for number in start..start + length {
            let shared = reader.extra(number)? > 0;
            match groups.last_mut().filter(|group| group.shared == shared) {
                Some(group) => group.length += 1,
                None => groups.push(Group { first: number, length: 1, shared }),
            }
        }
        Ok(groups)
    }
    /// Give back those of the noted pages that are still empty.
    pub fn trim(&self, emptied: &mut Emptied, pages: &mut dyn PageTxn) -> Result<()> {
        self.form.trim(emptied, pages)
    }
    /// At most how many pages that changes.
    pub fn trim_bound(&self, emptied: &Emptied, pages: &dyn PageRead) -> Result<u64> {
        self.form.trim_bound(emptied, pages)
    }
    /// Hold what is stored against the owners that were met, each as often as it was.
    pub fn compare(
        &self,
        owners: Vec<u64>,
        place: fn(u64) -> Place,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) -> Result<()> {
        counts::compare(owners, place, found, &mut |each, bad| match self.log {
            Some(log) => log.visit(&self.form, pages, each, bad),
            None => self.form.visit(
                pages,
                &mut |first, end, count| (first..end).for_each(|number| each(number, count)),
                bad,
            ),
        })
    }
    /// Every page, once.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        if let Some(log) = self.log {
            log.table().visit_pages(pages, each)?;
        }
        self.form.table().visit_pages(pages, each)
    }
    /// Note that the run may be raised, as one.
    pub fn will_raise(&self, start: u64, length: u64, touched: &mut Touched) {
        self.will_change(start, length, RegionWork { steps: 2, raises: 1, lowered: 0 }, touched);
    }
    /// Note that the run may be lowered, in pieces as small as can be.
    pub fn will_lower(&self, start: u64, length: u64, touched: &mut Touched) {
        self.will_change(
            start,
            length,
            RegionWork { steps: 2 * length, raises: 0, lowered: length },
            touched,
        );
    }
    fn will_change(&self, start: u64, length: u64, work: RegionWork, touched: &mut Touched) {
        for (leaf, ..) in parts(start, length, COUNTS_PER_PAGE) {
            *touched.leaves.entry(leaf).or_default() += work.steps;
        }
        if self.log.is_none() {
            return;
        }
        for (region, ..) in parts(start, length, REGION_NUMBERS) {
            let all = touched.regions.entry(region).or_default();
            all.steps += work.steps;
            all.raises += work.raises;
            all.lowered += work.lowered;
        }
    }
    /// At most how many pages what was noted changes.
    pub fn pages_bound(&self, touched: &Touched, pages: &dyn PageRead) -> Result<u64> {
        let Some(log) = self.log else { return self.form.pages_bound(&touched.leaves, pages) };
        let (mut of_log, mut leaves, mut made_anew) = (BTreeSet::new(), BTreeMap::new(), 0);
        for (region, work) in &touched.regions {
            let bound = log.bound(&self.form, *region, work, &touched.leaves, pages)?;
            of_log.extend(bound.log);
            leaves.extend(bound.leaves);
            made_anew += bound.made_anew;
        }
        Ok(Sparse::pages_bound(&of_log) + self.form.pages_bound(&leaves, pages)? + made_anew)
    }
}

/// Counts that work may change, gathered by looking.
#[derive(Default, Debug)]
pub struct Touched {
    /// Steps by leaf, and work by region if there is a log.
    leaves: BTreeMap<u64, u64>,
    regions: BTreeMap<u64, RegionWork>,
}

/// Reads owners of numbers that lie close together.
pub struct OwnerReader<'a> {
    counts: FormReader<'a>,
    log: Option<CountLog>,
    pages: &'a dyn PageRead,
    region: Option<(u64, Vec<PageRef>)>,
}

impl OwnerReader<'_> {
    /// Owners beyond the first. Errors: `Corrupt` if the log takes more than there are.
    pub fn extra(&mut self, number: u64) -> Result<u32> {
        let Some(log) = self.log else { return self.counts.extra(number) };
        let region = number / REGION_NUMBERS;
        if self.region.as_ref().is_none_or(|(last, _)| *last != region) {
            self.region = Some((region, log.load(region, self.pages)?));
        }
        let log = self.region.as_ref().map_or(&[][..], |(_, log)| log);
        if log.is_empty() {
            return Ok(0);
        }
        let extra = i64::from(self.counts.extra(number)?) + added(log, number % REGION_NUMBERS);
        let place = Place::Block(Pba(number));
        u32::try_from(extra).map_err(|_| Error::Corrupt { what: "log of counts", place })
    }
}
