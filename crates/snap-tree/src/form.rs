//! The two forms in which counts stand on pages, as one: single counts, or ranges of equal ones.
//!
//! Invariant: none of its own; each form keeps its own. Knows no log.

use crate::Sparse;
use crate::counts::{CountReader, Counts, Emptied};
use crate::ranges::{RangeReader, Ranges};
use spinney_core::{PageRead, PageTxn, Result};
use std::collections::BTreeMap;

/// A form. A handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    Single(Counts),
    Ranges(Ranges),
}

/// Reads counts of numbers that lie close together.
pub(crate) enum FormReader<'a> {
    Single(CountReader<'a>),
    Ranges(RangeReader<'a>),
}

impl FormReader<'_> {
    /// Owners beyond the first.
    pub(crate) fn extra(&mut self, number: u64) -> Result<u32> {
        match self {
            FormReader::Single(reader) => reader.extra(number),
            FormReader::Ranges(reader) => reader.extra(number),
        }
    }
}

impl Form {
    /// Its pages; a leaf stands for as many numbers in both forms, and a page of ranges at the first leaf that it covers.
    pub(crate) fn table(&self) -> Sparse {
        match self {
            Form::Single(counts) => counts.0,
            Form::Ranges(ranges) => ranges.table(),
        }
    }
    pub(crate) fn reader<'a>(&self, pages: &'a dyn PageRead) -> FormReader<'a> {
        match self {
            Form::Single(counts) => FormReader::Single(counts.reader(pages)),
            Form::Ranges(ranges) => FormReader::Ranges(ranges.reader(pages)),
        }
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
        match self {
            Form::Single(counts) => counts.adjust(start, length, change, pages, emptied),
            Form::Ranges(ranges) => ranges.change(start, length, change, pages, emptied),
        }
    }
    /// At most how many pages change if the leaves take so many steps.
    pub(crate) fn pages_bound(&self, leaves: &BTreeMap<u64, u64>, pages: &dyn PageRead) -> Result<u64> {
        match self {
            Form::Single(_) => Ok(Counts::pages_bound(&leaves.keys().copied().collect())),
            Form::Ranges(ranges) => ranges.pages_bound(leaves, pages),
        }
    }
    /// Give back what is still empty of the noted pages.
    pub(crate) fn trim(&self, emptied: &mut Emptied, pages: &mut dyn PageTxn) -> Result<()> {
        match self {
            Form::Single(counts) => counts.trim(emptied, pages),
            Form::Ranges(ranges) => ranges.trim(emptied, pages),
        }
    }
    /// At most how many pages that changes.
    pub(crate) fn trim_bound(&self, emptied: &Emptied, pages: &dyn PageRead) -> Result<u64> {
        match self {
            Form::Single(_) => Ok(Counts::pages_bound(emptied)),
            Form::Ranges(ranges) => ranges.trim_bound(emptied, pages),
        }
    }
    /// Every stretch of numbers with second owners as (first, end, owners), by rising number; what is wrong as `bad`.
    pub(crate) fn visit(
        &self,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(u64, u64, u32),
        bad: &mut dyn FnMut(&'static str),
    ) -> Result<()> {
        match self {
            Form::Single(counts) => {
                counts.visit(pages, &mut |number, count| each(number, number + 1, count), bad)
            }
            Form::Ranges(ranges) => ranges.visit(pages, each, bad),
        }
    }
}
