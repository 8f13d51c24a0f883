//! Owners of blocks or pages by number, beyond the first.
//!
//! Invariant: only what has two owners or more has an entry, and a page of counts exists only while an entry of it is not
//! 0 (at a commit: one that was emptied and filled again in between is not given back and made anew). So a pool without snapshots keeps no counts at all, and the price of sharing is paid when sharing begins. The
//! number of first owners is not kept anywhere: whoever holds a pointer is one.

use crate::{Anchor, Sparse};
use spinney_core::{
    Error, Finding, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Place, Result,
    Tally,
};
use std::collections::BTreeSet;

/// Entries on a page: the first word counts those that are not 0.
pub const COUNTS_PER_PAGE: u64 = (PAYLOAD_BYTES / 4) as u64 - 1;

/// Pages of counts that were left empty since the last commit. Only a list of what to look at: losing it loses pages that
/// an aborted epoch did not have either.
pub type Emptied = BTreeSet<u64>;

/// Additional owners by number. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counts(pub Sparse);

pub(crate) fn entry(bytes: &Payload, index: u64) -> u32 {
    let at = index as usize * 4;
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("an entry lies inside its page"))
}

fn set_entry(bytes: &mut Payload, index: u64, value: u32) {
    let at = index as usize * 4;
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The parts of a run of numbers that lie in one stretch of `span` each: (stretch, first place, numbers, numbers before).
pub(crate) fn parts(start: u64, length: u64, span: u64) -> impl Iterator<Item = (u64, u64, u64, u64)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = start + done;
        let (stretch, place) = (at / span, at % span);
        let part = (span - place).min(length - done);
        let found = (part > 0).then_some((stretch, place, part, done));
        done += part;
        found
    })
}

impl Counts {
    /// Counts whose roots stand in the anchor from `word` on, paid for as sharing information.
    #[must_use]
    pub fn at(anchor: Anchor, word: usize) -> Counts {
        Counts(Sparse { anchor, word, kind: PageKind::SHARE })
    }
    /// The page that has the entry of `number`.
    #[must_use]
    pub fn leaf_of(number: u64) -> u64 {
        number / COUNTS_PER_PAGE
    }
    /// Owners beyond the first.
    pub fn extra(&self, number: u64, pages: &dyn PageRead) -> Result<u32> {
        let see = |leaf: &Payload| entry(leaf, number % COUNTS_PER_PAGE + 1);
        Ok(self.0.look(Self::leaf_of(number), pages, see)?.unwrap_or(0))
    }
    /// A reader that keeps the last page of counts, for numbers that lie close together.
    #[must_use]
    pub fn reader<'a>(&self, pages: &'a dyn PageRead) -> CountReader<'a> {
        CountReader { counts: *self, pages, last: None }
    }
    /// One more owner for each number of the run. Errors: `Unsupported` for the 2^32th.
    pub fn raise(&self, start: u64, length: u64, pages: &mut dyn PageTxn) -> Result<()> {
        for (leaf, place, part, _) in parts(start, length, COUNTS_PER_PAGE) {
            add(self.0.edit(leaf, pages)?, place, part, 1)?;
            pages.tally(Tally::Counts, part);
        }
        Ok(())
    }
    /// `change` more (or fewer) owners for each number of the run, all of which have as many. Pages that are left empty are noted.
    /// Errors: `Corrupt` if they have not.
    pub(crate) fn adjust(
        &self,
        start: u64,
        length: u64,
        change: i64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<()> {
        for (leaf, place, part, _) in parts(start, length, COUNTS_PER_PAGE) {
            let bytes = self.0.edit(leaf, pages)?;
            add(bytes, place, part, change)?;
            if entry(bytes, 0) == 0 {
                emptied.insert(leaf);
            }
        }
        Ok(())
    }
    /// One owner less for each number of the run; `last` gets the runs that now have none. Pages of counts that are
    /// left empty are noted, for [`Counts::trim`].
    pub fn release(
        &self,
        start: u64,
        length: u64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
        last: &mut dyn FnMut(u64, u64),
    ) -> Result<()> {
        for (leaf, place, part, done) in parts(start, length, COUNTS_PER_PAGE) {
            let first = place + 1;
            let counted = match self.0.read(leaf, pages)? {
                Some(bytes) => (first..first + part).any(|index| entry(&bytes, index) > 0),
                None => false,
            };
            if !counted {
                last(start + done, part);
                continue;
            }
            let bytes = self.0.edit(leaf, pages)?;
            let lowered = lower(bytes, first, part, &mut |index| last(start + done + index - first, 1));
            if entry(bytes, 0) == 0 {
                emptied.insert(leaf);
            }
            pages.tally(Tally::Counts, lowered);
        }
        Ok(())
    }
    /// Give back those of the noted pages that are still empty.
    pub fn trim(&self, emptied: &mut Emptied, pages: &mut dyn PageTxn) -> Result<()> {
        while let Some(leaf) = emptied.pop_first() {
            let empty = self.0.read(leaf, pages)?.is_some_and(|bytes| entry(&bytes, 0) == 0);
            if empty {
                self.0.remove(leaf, pages)?;
            }
        }
        Ok(())
    }
    /// Every entry that is not 0, by rising number, and each page whose sum is wrong as `bad`.
    pub fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u32),
        bad: &mut dyn FnMut(&'static str),
    ) -> Result<()> {
        self.0.visit(pages, &mut |leaf, bytes| {
            visit_page(bytes, &mut |place, count| each(leaf * COUNTS_PER_PAGE + place, count), bad);
            Ok(spinney_core::Flow::Continue)
        })
    }
    /// Hold what is stored against the owners that were met, each as often as it was. Reports numbers and pages that are wrong.
    pub fn compare(
        &self,
        owners: Vec<u64>,
        place: fn(u64) -> Place,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) -> Result<()> {
        compare(owners, place, found, &mut |each, bad| self.visit(pages, each, bad))
    }
    /// Every page, once.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.0.visit_pages(pages, each)
    }
    /// At most how many pages change if entries on just these leaves do.
    #[must_use]
    pub fn pages_bound(leaves: &BTreeSet<u64>) -> u64 {
        Sparse::pages_bound(leaves)
    }
}

/// Reads counts of numbers that lie close together.
pub struct CountReader<'a> {
    counts: Counts,
    pages: &'a dyn PageRead,
    last: Option<(u64, Option<PageRef>)>,
}

impl CountReader<'_> {
    /// Owners beyond the first.
    pub fn extra(&mut self, number: u64) -> Result<u32> {
        let leaf = Counts::leaf_of(number);
        if self.last.as_ref().is_none_or(|(last, _)| *last != leaf) {
            self.last = Some((leaf, self.counts.0.read(leaf, self.pages)?));
        }
        let page = self.last.as_ref().and_then(|(_, page)| page.as_ref());
        Ok(page.map_or(0, |page| entry(page, number % COUNTS_PER_PAGE + 1)))
    }
}

/// Every entry of a page that is not 0, by rising place; `bad` if they are not as many as it says.
pub(crate) fn visit_page(bytes: &Payload, each: &mut dyn FnMut(u64, u32), bad: &mut dyn FnMut(&'static str)) {
    let mut used = 0;
    for index in (1..=COUNTS_PER_PAGE).filter(|index| entry(bytes, *index) > 0) {
        used += 1;
        each(index - 1, entry(bytes, index));
    }
    if used != entry(bytes, 0) {
        bad("a page of counts says how many of its entries are in use");
    }
}

/// What visits the numbers with a second owner, by rising number, and tells what is wrong with its pages.
pub(crate) type Visit<'a> =
    &'a mut dyn FnMut(&mut dyn FnMut(u64, u32), &mut dyn FnMut(&'static str)) -> Result<()>;

/// Wrong numbers that are told; one damaged page may be wrong about a quarter of a million.
const WRONG_MAX: usize = 1 << 12;

/// Hold what `visit` finds against the owners that were met, each as often as it was.
pub(crate) fn compare(
    mut owners: Vec<u64>,
    place: fn(u64) -> Place,
    found: &mut dyn FnMut(Finding),
    visit: Visit,
) -> Result<()> {
    owners.sort_unstable();
    let more = owners.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
    let mut right = more.map(|same| (same[0], (same.len() - 1) as u64)).peekable();
    let mut wrong = Vec::new();
    let mut bad = std::collections::BTreeSet::new();
    let each = &mut |number, extra| {
        while let Some((missing, _)) = right.next_if(|(other, _)| *other < number) {
            wrong.push(missing);
        }
        if right.next_if(|owners| *owners == (number, u64::from(extra))).is_none() && wrong.len() < WRONG_MAX
        {
            wrong.push(number);
        }
        right.next_if(|(other, _)| *other == number);
    };
    visit(each, &mut |rule| _ = bad.insert(rule))?;
    wrong.extend(right.map(|(missing, _)| missing));
    bad.into_iter().for_each(|rule| found(Finding { rule, place: Place::Pool }));
    let rule = "the number of owners is that of the pointers";
    wrong.into_iter().for_each(|number| found(Finding { rule, place: place(number) }));
    Ok(())
}

/// Add `change` to `part` entries from `place` on, and keep the number of those in use. Errors: `Unsupported` for the 2^32th owner, `Corrupt`
/// below none.
pub(crate) fn add(bytes: &mut Payload, place: u64, part: u64, change: i64) -> Result<()> {
    let mut used = i64::from(entry(bytes, 0));
    for index in place + 1..=place + part {
        let count = entry(bytes, index);
        let Ok(changed) = u32::try_from(i64::from(count) + change) else {
            return Err(match change {
                1.. => Error::Unsupported("2^32 owners of one block"),
                _ => Error::Corrupt { what: "count of owners", place: Place::Pool },
            });
        };
        set_entry(bytes, index, changed);
        used += i64::from(changed > 0) - i64::from(count > 0);
    }
    set_entry(bytes, 0, used.clamp(0, i64::from(u32::MAX)) as u32);
    Ok(())
}

/// Take one from each entry; those that were 0 already had their last owner. How many were not.
fn lower(bytes: &mut Payload, first: u64, part: u64, last: &mut dyn FnMut(u64)) -> u64 {
    let mut lowered = 0;
    for index in first..first + part {
        match entry(bytes, index) {
            0 => last(index),
            count => {
                set_entry(bytes, index, count - 1);
                lowered += 1;
                if count == 1 {
                    let used = entry(bytes, 0).saturating_sub(1);
                    set_entry(bytes, 0, used);
                }
            }
        }
    }
    lowered
}
