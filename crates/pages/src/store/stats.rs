//! What the store counts, by kind of page.
//!
//! Invariant: counters only rise (but for `live` and the gauges), so a commit's cost is the difference of two readings.

use spinney_core::PageKind;
use std::ops::{Index, Sub};

/// Kinds counted apart; a kind above the last shares a counter with the one eight below.
pub(super) const KINDS: usize = 8;

/// One number for each kind of page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KindCounts([u64; KINDS]);

impl KindCounts {
    /// The sum over all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
    /// Each known kind with its number.
    pub fn iter(&self) -> impl Iterator<Item = (PageKind, u64)> + '_ {
        PageKind::ALL.into_iter().map(|kind| (kind, self[kind]))
    }
    pub(super) fn from_fn(of: impl FnMut(usize) -> u64) -> KindCounts {
        KindCounts(std::array::from_fn(of))
    }
    pub(super) fn add(&mut self, kind: PageKind, pages: u64) {
        self.0[usize::from(kind.0) % KINDS] += pages;
    }
    pub(super) fn take(&mut self, kind: PageKind) {
        self.0[usize::from(kind.0) % KINDS] -= 1;
    }
}

impl Index<PageKind> for KindCounts {
    type Output = u64;
    fn index(&self, kind: PageKind) -> &u64 {
        &self.0[usize::from(kind.0) % KINDS]
    }
}

impl Sub for KindCounts {
    type Output = KindCounts;
    /// The difference of a later and an earlier reading; never below zero.
    fn sub(self, earlier: KindCounts) -> KindCounts {
        KindCounts::from_fn(|kind| self.0[kind].saturating_sub(earlier.0[kind]))
    }
}

/// A reading of the store's counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StoreStats {
    /// Live pages, uncommitted changes included. Map pages are not counted here.
    pub live: KindCounts,
    /// Pages read from the device since the store was opened (opening it included).
    pub read: KindCounts,
    /// Pages written to the device since the store was opened.
    pub written: KindCounts,
    /// Lookups, of pages and of map pages, that the cache answered.
    pub cache_hits: u64,
    /// Pages and map pages that had to be read from the device: the sum of `read`.
    pub cache_misses: u64,
    /// Requests to the device that these took, so times that somebody waited (a check counts one for each page).
    pub waits: u64,
    /// Of the pages written, those that went out before their seal because too many were dirty.
    pub spilled: u64,
    /// Clean pages in memory now.
    pub cached_pages: u64,
    /// Dirty pages in memory now.
    pub dirty_pages: u64,
    /// Places of replaced or freed pages that are not reusable yet.
    pub retired_places: u64,
    /// Old map pages kept in memory for open views.
    pub retained_map_pages: u64,
    /// Views that are open.
    pub open_views: u64,
}
