//! The one ordered table of the scheme: which layers lie on which, and what is to be done.
//!
//! Invariant: a key is there or not, and the anchor counts them all. Knows no tree.

use alloc::vec::Vec;
use spinney_core::{DevId, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Result};
use spinney_pages::TypedMap;
use spinney_snap_tree::Anchor;

/// Word of the anchor: the table's root page, which never changes.
const ROOT: usize = 1;
/// Word of the anchor: entries of the table.
const ENTRIES: usize = 2;
/// What a key begins with, above any version's id.
const PENDING: u64 = 1 << 62;
const LEAVING: u64 = 2 << 62;
/// So many entries fit on the root alone, which then is not split: small pools have no room for looser bounds.
const ROOT_ENTRIES: u64 = 240;

/// What a key says of a layer.
pub(crate) enum Entry {
    /// It lies on this one.
    FrontOf(u64),
    /// Something is to be done.
    Pending,
    /// It is on its way out of its chain.
    Leaving,
}

/// The table. A handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    map: TypedMap<(u64, u64), ()>,
    anchor: Anchor,
}

impl Table {
    pub(crate) fn create(anchor: Anchor, pages: &mut dyn PageTxn) -> Result<Table> {
        let map = TypedMap::create(PageKind::SHARE, pages)?;
        anchor.set(ROOT, map.root().0, pages)?;
        Ok(Table { map, anchor })
    }
    pub(crate) fn open(anchor: Anchor, pages: &dyn PageRead) -> Result<Table> {
        let root = PageNo(anchor.get(ROOT, pages)?);
        Ok(Table { map: TypedMap::open(root, PageKind::SHARE, pages)?, anchor })
    }
    /// Entries in all.
    pub(crate) fn entries(&self, pages: &dyn PageRead) -> Result<u64> {
        self.anchor.get(ENTRIES, pages)
    }
    /// Whether the key is new.
    fn put(&self, key: (u64, u64), pages: &mut dyn PageTxn) -> Result<bool> {
        let new = !self.map.put(&key, &(), pages)?;
        if new {
            let entries = self.entries(pages)?.saturating_add(1);
            self.anchor.set(ENTRIES, entries, pages)?;
        }
        Ok(new)
    }
    /// Whether the key was there.
    fn remove(&self, key: (u64, u64), pages: &mut dyn PageTxn) -> Result<bool> {
        let was = self.map.remove(&key, pages)?;
        if was {
            let entries = self.entries(pages)?.saturating_sub(1);
            self.anchor.set(ENTRIES, entries, pages)?;
        }
        Ok(was)
    }
    /// Keys that begin with `front`, at most `most`.
    fn behind(&self, front: u64, most: usize, pages: &dyn PageRead) -> Result<Vec<DevId>> {
        let mut found = Vec::new();
        self.map.range((front, 0)..=(front, u64::MAX), pages, &mut |key, ()| {
            found.push(DevId(key.1));
            if found.len() < most { Flow::Continue } else { Flow::Stop }
        })?;
        Ok(found)
    }
    /// `front` lies on `back`.
    pub(crate) fn put_front(&self, back: DevId, front: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.put((back.0, front.0), pages).map(drop)
    }
    /// It does so no longer.
    pub(crate) fn remove_front(&self, back: DevId, front: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.remove((back.0, front.0), pages).map(drop)
    }
    /// What lies on `back`, at most `most` of them.
    pub(crate) fn fronts(&self, back: DevId, most: usize, pages: &dyn PageRead) -> Result<Vec<DevId>> {
        self.behind(back.0, most, pages)
    }
    /// `dev` is to be looked at; whether that is news.
    pub(crate) fn put_pending(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<bool> {
        self.put((PENDING, dev.0), pages)
    }
    /// `dev` is done with; whether it was pending.
    pub(crate) fn remove_pending(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<bool> {
        self.remove((PENDING, dev.0), pages)
    }
    /// Whether `dev` is to be looked at.
    pub(crate) fn is_pending(&self, dev: DevId, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.map.get(&(PENDING, dev.0), pages)?.is_some())
    }
    /// One that is to be looked at.
    pub(crate) fn first_pending(&self, pages: &dyn PageRead) -> Result<Option<DevId>> {
        Ok(self.behind(PENDING, 1, pages)?.first().copied())
    }
    /// `dev` is on its way out of its chain.
    pub(crate) fn put_leaving(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.put((LEAVING, dev.0), pages).map(drop)
    }
    /// It is no longer; whether it was.
    pub(crate) fn remove_leaving(&self, dev: DevId, pages: &mut dyn PageTxn) -> Result<bool> {
        self.remove((LEAVING, dev.0), pages)
    }
    /// The first that is on its way out, from `from` on.
    pub(crate) fn next_leaving(&self, from: DevId, pages: &dyn PageRead) -> Result<Option<DevId>> {
        let mut found = None;
        self.map.range((LEAVING, from.0)..=(LEAVING, u64::MAX), pages, &mut |key, ()| {
            found = Some(DevId(key.1));
            Flow::Stop
        })?;
        Ok(found)
    }
    /// At most how many pages so many puts and removes touch, where at no time so many more keys are there than now.
    pub(crate) fn pages_bound(&self, operations: u64, growth: u64, pages: &dyn PageRead) -> Result<u64> {
        let entries = self.entries(pages)?.saturating_add(growth);
        if entries <= ROOT_ENTRIES {
            let mut count = 0;
            self.map.visit_pages(pages, &mut |_| count += 1)?;
            if count == 1 {
                return Ok(1);
            }
        }
        Ok(self.map.pages_bound(operations, entries))
    }
    /// Every page, once.
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.map.visit_pages(pages, each)
    }
    /// Every key in order: what lies on what, then what is pending, then what is on its way out.
    pub(crate) fn visit(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Entry, u64)) -> Result<()> {
        self.map.range(.., pages, &mut |key, ()| {
            let entry = match key.0 {
                PENDING => Entry::Pending,
                LEAVING => Entry::Leaving,
                back => Entry::FrontOf(back),
            };
            each(entry, key.1);
            Flow::Continue
        })
    }
    /// The table's own rules.
    pub(crate) fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) {
        self.map.check(pages, found);
    }
}
