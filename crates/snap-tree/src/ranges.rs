//! Owners of blocks by number, beyond the first, run-length compressed: runs of blocks with equal counts are one step of a page.
//!
//! Invariant: the pages of a region (`REGION_LEAVES` leaves, a leaf as many numbers as a page of single counts has) cover it without gap or
//! overlap, each an aligned power of two of leaves. One page of steps covers the region until its steps do not fit; then
//! it is cut in halves, so that what a change may touch follows from a look at the pages that it falls on. What does not even fit for one leaf is
//! a page of single counts. So a table is never larger than one of single counts. Knows not who raises and lowers.

use crate::Sparse;
use crate::anchor::Anchor;
use crate::count_log::REGION_LEAVES;
use crate::counts::{self, COUNTS_PER_PAGE, Emptied};
use crate::steps::{self, STEPS_MAX};
use core::ops::Range;
use spinney_core::{Error, PageKind, PageRead, PageRef, PageTxn, Payload, Pba, Place, Result};
use std::collections::{BTreeMap, BTreeSet};

/// What a page of steps has where one of single counts has the high half of their number, which is 0: this, and the
/// logarithm of the leaves that it covers.
const TAG: u16 = 0x8000;
const TAG_AT: usize = 2;
const PEAK_AT: usize = 4;

/// Ranges of counts. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ranges {
    table: Sparse,
    /// Steps that a page takes.
    steps: u64,
}

/// A page: its first leaf, which is its index, and how many leaves it covers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Cover {
    first: u64,
    leaves: u64,
}

fn field(bytes: &Payload, at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn set_field(bytes: &mut Payload, at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// How many leaves a page covers, if that can be.
fn leaves_of(bytes: &Payload) -> Option<u64> {
    match field(bytes, TAG_AT) {
        0 => Some(1),
        tag if (TAG + 1..=TAG + REGION_LEAVES.ilog2() as u16).contains(&tag) => Some(1 << (tag - TAG)),
        _ => None,
    }
}

impl Cover {
    fn start(self) -> u64 {
        self.first * COUNTS_PER_PAGE
    }
    fn numbers(self) -> u64 {
        self.leaves * COUNTS_PER_PAGE
    }
    fn value(self, bytes: &Payload, number: u64) -> u32 {
        let place = number - self.start();
        if self.leaves == 1 {
            counts::entry(bytes, place + 1)
        } else {
            steps::value_at(bytes, place).max(0) as u32
        }
    }
    fn is_empty(bytes: &Payload) -> bool {
        // Both kinds of page begin with how much of them is in use.
        field(bytes, 0) == 0
    }
}

impl Ranges {
    /// Ranges whose roots stand in the anchor from `word` on, with so many steps a page. Errors: `BadSetting`.
    pub(crate) fn at(anchor: Anchor, word: usize, steps: u64) -> Result<Ranges> {
        if !(2..=STEPS_MAX as u64).contains(&steps) {
            return Err(Error::BadSetting("a page of ranges of counts takes 2 to 1,012 steps"));
        }
        Ok(Ranges { table: Sparse { anchor, word, kind: PageKind::SHARE }, steps })
    }
    pub(crate) fn table(&self) -> Sparse {
        self.table
    }
    fn corrupt<T>(leaf: u64) -> Result<T> {
        let place = Place::Block(Pba(leaf.saturating_mul(COUNTS_PER_PAGE)));
        Err(Error::Corrupt { what: "ranges of counts", place })
    }
    /// The page that covers a leaf; none if its region has none.
    fn cover(&self, leaf: u64, pages: &dyn PageRead) -> Result<Option<Cover>> {
        let region = leaf - leaf % REGION_LEAVES;
        let mut first = region;
        loop {
            let Some(leaves) = self.table.look(first, pages, leaves_of)? else {
                return if first == region { Ok(None) } else { Self::corrupt(leaf) };
            };
            let Some(leaves) = leaves else { return Self::corrupt(leaf) };
            if leaf - first < leaves {
                return Ok(Some(Cover { first, leaves }));
            }
            // The smallest block of leaves with both was cut; this is where the half with `leaf` begins.
            first = leaf & !((1 << (leaf ^ first).ilog2()) - 1);
        }
    }
    pub(crate) fn reader<'a>(&self, pages: &'a dyn PageRead) -> RangeReader<'a> {
        RangeReader { ranges: *self, pages, last: None }
    }
    /// `change` more (or fewer) owners for each number of the run, all of which have as many. Pages that are left empty are noted.
    pub(crate) fn change(
        &self,
        start: u64,
        length: u64,
        change: i64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<()> {
        let (mut at, end) = (start, start + length);
        while at < end {
            let leaf = at / COUNTS_PER_PAGE;
            let cover = match self.cover(leaf, pages)? {
                Some(cover) => cover,
                None => self.begin(leaf, pages)?,
            };
            let to = end.min(cover.start() + cover.numbers());
            if self.change_page(cover, at..to, change, pages, emptied)? {
                at = to;
            } else {
                self.cut(cover, pages)?;
            }
        }
        Ok(())
    }
    /// A page for the region of `leaf`, which has none.
    fn begin(&self, leaf: u64, pages: &mut dyn PageTxn) -> Result<Cover> {
        let cover = Cover { first: leaf - leaf % REGION_LEAVES, leaves: REGION_LEAVES };
        self.clear(cover, pages)?;
        Ok(cover)
    }
    fn clear<'a>(&self, cover: Cover, pages: &'a mut dyn PageTxn) -> Result<&'a mut Payload> {
        let bytes = self.table.edit(cover.first, pages)?;
        bytes.fill(0);
        if cover.leaves > 1 {
            set_field(bytes, TAG_AT, TAG + cover.leaves.ilog2() as u16);
        }
        Ok(bytes)
    }
    /// Whether the page had room for the change.
    fn change_page(
        &self,
        cover: Cover,
        numbers: Range<u64>,
        change: i64,
        pages: &mut dyn PageTxn,
        emptied: &mut Emptied,
    ) -> Result<bool> {
        let bytes = self.table.edit(cover.first, pages)?;
        let (from, to) = (numbers.start - cover.start(), numbers.end - cover.start());
        if cover.leaves == 1 {
            counts::add(bytes, from, to - from, change)?;
        } else {
            if steps::count(bytes) as u64 + 2 > self.steps {
                return Ok(false);
            }
            let Some(largest) = steps::add(bytes, from, to, change) else { return Ok(false) };
            let peak = field(bytes, PEAK_AT).max(largest.unsigned_abs() as u16);
            set_field(bytes, PEAK_AT, peak);
        }
        if Cover::is_empty(bytes) {
            emptied.insert(cover.first);
        }
        Ok(true)
    }
    /// Cut a page of steps in halves, which have no more than it has; of one leaf each, they are of single counts.
    fn cut(&self, cover: Cover, pages: &mut dyn PageTxn) -> Result<()> {
        let Some(whole) = self.table.read(cover.first, pages)? else { return Self::corrupt(cover.first) };
        let leaves = cover.leaves / 2;
        for first in [cover.first, cover.first + leaves] {
            let half = Cover { first, leaves };
            let low = half.start() - cover.start();
            let bytes = self.clear(half, pages)?;
            if leaves > 1 {
                steps::copy_part(&whole, low..low + half.numbers(), bytes);
                set_field(bytes, PEAK_AT, field(&whole, PEAK_AT));
                continue;
            }
            for (from, to, value) in steps::stretches(&whole) {
                let (from, to) = (from.max(low), to.min(low + half.numbers()));
                if from < to {
                    counts::add(bytes, from - low, to - from, value)?;
                }
            }
        }
        Ok(())
    }
    /// Give back the regions of the noted pages in which nothing has a second owner.
    pub(crate) fn trim(&self, emptied: &mut Emptied, pages: &mut dyn PageTxn) -> Result<()> {
        for region in regions(emptied) {
            let all = self.table.present(region, pages)?;
            let mut empty = true;
            for index in &all {
                empty &= self.table.look(*index, pages, Cover::is_empty)?.unwrap_or(true);
            }
            if empty {
                all.into_iter().try_for_each(|index| self.table.remove(index, pages))?;
            }
        }
        emptied.clear();
        Ok(())
    }
    /// At most how many pages that changes.
    pub(crate) fn trim_bound(&self, emptied: &Emptied, pages: &dyn PageRead) -> Result<u64> {
        let mut all = BTreeSet::new();
        for region in regions(emptied) {
            all.extend(self.table.present(region, pages)?);
        }
        Ok(Sparse::pages_bound(&all))
    }
    /// At most how many pages change if the leaves take so many steps.
    pub(crate) fn pages_bound(&self, work: &BTreeMap<u64, u64>, pages: &dyn PageRead) -> Result<u64> {
        let mut of_pages: BTreeMap<u64, (u64, BTreeMap<u64, u64>)> = BTreeMap::new();
        for (leaf, steps) in work {
            let whole = Cover { first: leaf - leaf % REGION_LEAVES, leaves: REGION_LEAVES };
            let cover = self.cover(*leaf, pages)?.unwrap_or(whole);
            of_pages.entry(cover.first).or_insert((cover.leaves, BTreeMap::new())).1.insert(*leaf, *steps);
        }
        let (mut indices, mut cuts) = (BTreeSet::new(), 0);
        for (first, (leaves, touched)) in of_pages {
            let more = self.cuts_bound(Cover { first, leaves }, &touched, pages)?;
            indices.insert(first);
            if more > 0 {
                let region = first - first % REGION_LEAVES;
                indices.extend([region, region + REGION_LEAVES - 1]);
            }
            cuts += more;
        }
        Ok(Sparse::pages_bound(&indices) + cuts)
    }
    /// At most how often a page and its halves are cut if these leaves of it take so many steps. What is cut has all its steps but one,
    /// so of each size there are only as many as there are steps for (a half may begin with one more), and only where a change falls.
    fn cuts_bound(&self, cover: Cover, touched: &BTreeMap<u64, u64>, pages: &dyn PageRead) -> Result<u64> {
        if cover.leaves == 1 {
            return Ok(0);
        }
        let page = self.table.read(cover.first, pages)?;
        let (count, peak) =
            page.as_ref().map_or((0, 0), |page| (steps::count(page) as u64, u64::from(field(page, PEAK_AT))));
        let steps = count + touched.values().sum::<u64>();
        let by_value = peak + steps > steps::VALUE_MAX as u64;
        if steps <= self.steps && !by_value {
            return Ok(0);
        }
        let mut blocks: BTreeSet<u64> = touched.keys().map(|leaf| leaf - cover.first).collect();
        let full = if by_value { u64::MAX } else { (steps + cover.leaves) / (self.steps - 1) };
        let mut cuts = 0;
        for _ in 0..cover.leaves.ilog2() {
            blocks = blocks.into_iter().map(|block| block / 2).collect();
            cuts += full.min(blocks.len() as u64);
        }
        Ok(cuts)
    }
    /// Every stretch of numbers with second owners as (first, end, owners), by rising number; what is wrong as `bad`.
    pub(crate) fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u64, u32),
        bad: &mut dyn FnMut(&'static str),
    ) -> Result<()> {
        let (mut next, covers) = (0, "pages of ranges cover their regions");
        self.table.visit(pages, &mut |first, bytes| {
            let Some(leaves) = leaves_of(bytes) else {
                bad("a page of ranges says what it covers");
                return Ok(spinney_core::Flow::Continue);
            };
            let cover = Cover { first, leaves };
            let begins = next % REGION_LEAVES == 0 && first % REGION_LEAVES == 0;
            if first % leaves != 0 || first != next && !begins {
                bad(covers);
            }
            next = first + leaves;
            if leaves == 1 {
                let single = |place| cover.start() + place;
                counts::visit_page(
                    bytes,
                    &mut |place, count| each(single(place), single(place + 1), count),
                    bad,
                );
                return Ok(spinney_core::Flow::Continue);
            }
            let peak = i64::from(field(bytes, PEAK_AT));
            if steps::count(bytes) as u64 > self.steps || !steps::is_sound(bytes, cover.numbers(), peak) {
                bad("steps of ranges rise, end and fit");
                return Ok(spinney_core::Flow::Continue);
            }
            for (from, to, value) in steps::stretches(bytes) {
                match u32::try_from(value) {
                    Ok(count) => each(cover.start() + from, cover.start() + to, count),
                    Err(_) => bad("no count is below 0"),
                }
            }
            Ok(spinney_core::Flow::Continue)
        })?;
        if next % REGION_LEAVES != 0 {
            bad(covers);
        }
        Ok(())
    }
}

/// The regions of some leaves, as ranges of leaves.
fn regions(leaves: &BTreeSet<u64>) -> Vec<Range<u64>> {
    let regions: BTreeSet<u64> = leaves.iter().map(|leaf| leaf / REGION_LEAVES).collect();
    regions.into_iter().map(|region| region * REGION_LEAVES..(region + 1) * REGION_LEAVES).collect()
}

/// Reads counts of numbers that lie close together.
pub(crate) struct RangeReader<'a> {
    ranges: Ranges,
    pages: &'a dyn PageRead,
    last: Option<(Cover, Option<PageRef>)>,
}

impl RangeReader<'_> {
    /// Owners beyond the first.
    pub(crate) fn extra(&mut self, number: u64) -> Result<u32> {
        let leaf = number / COUNTS_PER_PAGE;
        let holds = |cover: &Cover| leaf.checked_sub(cover.first).is_some_and(|at| at < cover.leaves);
        if !self.last.as_ref().is_some_and(|(cover, _)| holds(cover)) {
            let whole = Cover { first: leaf - leaf % REGION_LEAVES, leaves: REGION_LEAVES };
            let found = self.ranges.cover(leaf, self.pages)?;
            let page = match found {
                Some(cover) => self.ranges.table.read(cover.first, self.pages)?,
                None => None,
            };
            self.last = Some((found.unwrap_or(whole), page));
        }
        let Some((cover, Some(page))) = &self.last else { return Ok(0) };
        Ok(cover.value(page, number))
    }
}
