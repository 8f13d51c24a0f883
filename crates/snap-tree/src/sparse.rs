//! Pages by a number that may be small or large: a few radix arrays, each for larger numbers than the one before.
//!
//! Invariant: an array exists only while it holds a leaf, so an unused `Sparse` costs no page; small numbers are found in
//! two reads, whatever the largest. Knows not what a leaf holds.

use crate::Anchor;
use core::ops::Range;
use spinney_core::{Error, Flow, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Place, Result};
use spinney_pages::RadixArray;
use spinney_pages::array::FAN_OUT;
use std::collections::BTreeSet;

/// Arrays of one, two, three and four levels.
const TIERS: usize = 4;
/// Words of the anchor that a `Sparse` uses.
pub const SPARSE_WORDS: usize = TIERS;

/// A sparse sequence of pages. A handle: the arrays' roots stand in the anchor, from word `word`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sparse {
    /// Where the roots stand.
    pub anchor: Anchor,
    /// The first of [`SPARSE_WORDS`] words.
    pub word: usize,
    /// Who pays for the pages.
    pub kind: PageKind,
}

fn leaves(tier: usize) -> u64 {
    FAN_OUT.saturating_pow(tier as u32 + 1)
}

/// The tier of a leaf. Errors: `Corrupt` for a number that no tier holds: only damage makes one.
fn tier_of(index: u64) -> Result<usize> {
    let what = "number beyond any table";
    (0..TIERS).find(|tier| index < leaves(*tier)).ok_or(Error::Corrupt { what, place: Place::Pool })
}

impl Sparse {
    /// Whether there can be a leaf of that number.
    #[must_use]
    pub fn holds(index: u64) -> bool {
        tier_of(index).is_ok()
    }
    fn array(&self, tier: usize, pages: &dyn PageRead) -> Result<Option<RadixArray>> {
        Ok(self.array_at(tier, self.anchor.get(self.word + tier, pages)?))
    }
    fn array_in(&self, tier: usize, anchor: &Payload) -> Option<RadixArray> {
        self.array_at(tier, crate::anchor::word(anchor, self.word + tier))
    }
    fn array_at(&self, tier: usize, root: u64) -> Option<RadixArray> {
        // `at` and not `open`: a root of these sizes has no slot past the last leaf.
        (root != 0).then(|| RadixArray::at(PageNo(root), self.kind, leaves(tier)))
    }
    /// Whether it has no leaf.
    pub fn is_empty(&self, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.anchor.words::<TIERS>(self.word, pages)? == [0; TIERS])
    }
    /// The same, the anchor's words being at hand.
    #[must_use]
    pub fn is_empty_in(&self, anchor: &Payload) -> bool {
        (0..TIERS).all(|tier| crate::anchor::word(anchor, self.word + tier) == 0)
    }
    /// A leaf's bytes, if it is there.
    pub fn read(&self, index: u64, pages: &dyn PageRead) -> Result<Option<PageRef>> {
        let Ok(tier) = tier_of(index) else { return Ok(None) };
        match self.array(tier, pages)? {
            None => Ok(None),
            Some(array) => array.read(index, pages),
        }
    }
    /// What `see` makes of a leaf's bytes, by [`spinney_core::look`], if it is there.
    pub fn look<T>(
        &self,
        index: u64,
        pages: &dyn PageRead,
        see: impl Fn(&Payload) -> T,
    ) -> Result<Option<T>> {
        let Ok(tier) = tier_of(index) else { return Ok(None) };
        match self.array(tier, pages)? {
            None => Ok(None),
            Some(array) => array.look(index, pages, see),
        }
    }
    /// The same, the anchor's words being at hand.
    pub fn look_in<T>(
        &self,
        anchor: &Payload,
        index: u64,
        pages: &dyn PageRead,
        see: impl Fn(&Payload) -> T,
    ) -> Result<Option<T>> {
        let array = tier_of(index).ok().and_then(|tier| self.array_in(tier, anchor));
        array.map_or(Ok(None), |array| array.look(index, pages, see))
    }
    /// A leaf's bytes to change; made of zeros if absent.
    pub fn edit<'a>(&self, index: u64, pages: &'a mut dyn PageTxn) -> Result<&'a mut Payload> {
        let tier = tier_of(index)?;
        let array = match self.array(tier, pages)? {
            Some(array) => array,
            None => {
                let array = RadixArray::create(self.kind, leaves(tier), pages)?;
                self.anchor.set(self.word + tier, array.root().0, pages)?;
                array
            }
        };
        array.edit(index, pages)
    }
    /// Give a leaf back, and what it leaves empty.
    pub fn remove(&self, index: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let tier = tier_of(index)?;
        let Some(array) = self.array(tier, pages)? else { return Ok(()) };
        array.remove(index, pages)?;
        if pages.read(array.root(), self.kind)?.iter().all(|byte| *byte == 0) {
            array.destroy(pages)?;
            self.anchor.set(self.word + tier, 0, pages)?;
        }
        Ok(())
    }
    /// Every leaf, by rising number.
    pub fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, &Payload) -> Result<Flow>,
    ) -> Result<()> {
        for tier in 0..TIERS {
            let Some(array) = self.array(tier, pages)? else { continue };
            let mut done = Ok(Flow::Continue);
            array.visit(0..leaves(tier), pages, &mut |index, page| {
                done = pages.read(page, self.kind).and_then(|bytes| each(index, &bytes));
                if done == Ok(Flow::Continue) { Flow::Continue } else { Flow::Stop }
            })?;
            if done? == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
    /// Which leaves of a range there are, by rising number.
    pub fn present(&self, range: Range<u64>, pages: &dyn PageRead) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        for tier in 0..TIERS {
            let Some(array) = self.array(tier, pages)? else { continue };
            array.visit(range.clone(), pages, &mut |index, _| {
                found.push(index);
                Flow::Continue
            })?;
        }
        Ok(found)
    }
    /// Every page, once.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        for tier in 0..TIERS {
            if let Some(array) = self.array(tier, pages)? {
                array.visit_pages(pages, each)?;
            }
        }
        Ok(())
    }
    /// As [`Sparse::pages_bound`] of one leaf: it and the pages above it.
    #[must_use]
    pub fn pages_bound_of_one(index: u64) -> u64 {
        tier_of(index).map_or(0, |tier| tier as u64 + 2)
    }
    /// At most how many pages are allocated, changed or freed if just these leaves are (the anchor not counted).
    #[must_use]
    pub fn pages_bound(touched: &BTreeSet<u64>) -> u64 {
        if touched.is_empty() {
            return 0;
        }
        let distinct = |tier: usize, level: u32| {
            let span = FAN_OUT.saturating_pow(level);
            let mut last = None;
            let of_tier = touched.iter().filter(|index| tier_of(**index) == Ok(tier));
            of_tier.filter(|index| last.replace(**index / span) != Some(**index / span)).count() as u64
        };
        (0..TIERS)
            .flat_map(|tier| (0..=tier as u32 + 1).map(move |level| (tier, level)))
            .map(|(tier, level)| distinct(tier, level))
            .sum()
    }
}
