//! The one ordered table of the scheme: who was taken from whom, what is to be done, and the dead and live lists.
//!
//! Invariant: a key is there or not, and the anchor counts them all; an empty list has no key at all, so a snapshot costs
//! no more for all the snapshots before it. Knows no tree.

use crate::held::Held;
use alloc::vec::Vec;
use spinney_core::{DevId, Flow, PageKind, PageNo, PageRead, PageTxn, Result, Tally};
use spinney_pages::TypedMap;
use spinney_snap_tree::Anchor;

/// Word of the anchor: the table's root page, which never changes.
const ROOT: usize = 2;
/// Word of the anchor: entries of the table.
const ENTRIES: usize = 3;
/// What a key begins with, above any version's id.
const PENDING: u64 = 1 << 62;
const DEAD: u64 = 2 << 62;
const LIVE: u64 = 3 << 62;
/// Lists have smaller numbers.
const LIST_LIMIT: u64 = 1 << 56;

/// So many entries fit on the root alone, which then is not split: small pools have no room for looser bounds.
const ROOT_ENTRIES: u64 = 240;

type Key = (u64, u64);

/// The table. A handle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    map: TypedMap<Key, ()>,
    anchor: Anchor,
}

/// A dead or live list of blocks or of nodes, as the front half of its keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct List(u64);

impl List {
    /// The dead list of that number; none for a number that no version gives.
    pub(crate) fn of(number: u64, node: bool) -> Option<List> {
        (number < LIST_LIMIT).then(|| List(DEAD | number << 1 | u64::from(node)))
    }
    /// The live list of the same number and kind.
    pub(crate) fn live(self) -> List {
        List(self.0 | LIVE)
    }
    fn key(self, held: Held) -> Key {
        (self.0, held.word())
    }
    fn node(self) -> bool {
        self.0 & 1 == 1
    }
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
    fn put(&self, key: Key, pages: &mut dyn PageTxn) -> Result<bool> {
        let new = !self.map.put(&key, &(), pages)?;
        if new {
            let entries = self.entries(pages)?.saturating_add(1);
            self.anchor.set(ENTRIES, entries, pages)?;
        }
        Ok(new)
    }
    /// Whether the key was there.
    fn remove(&self, key: Key, pages: &mut dyn PageTxn) -> Result<bool> {
        let was = self.map.remove(&key, pages)?;
        if was {
            let entries = self.entries(pages)?.saturating_sub(1);
            self.anchor.set(ENTRIES, entries, pages)?;
        }
        Ok(was)
    }
    /// Keys that begin with `front`, at most `most`.
    fn behind(&self, front: u64, most: usize, pages: &dyn PageRead) -> Result<Vec<u64>> {
        let mut found = Vec::new();
        self.map.range((front, 0)..=(front, u64::MAX), pages, &mut |key, ()| {
            found.push(key.1);
            if found.len() < most { Flow::Continue } else { Flow::Stop }
        })?;
        Ok(found)
    }
    /// `child` was taken from `parent`.
    pub(crate) fn put_child(&self, parent: DevId, child: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.put((parent.0, child.0), pages).map(drop)
    }
    /// It is so no longer.
    pub(crate) fn remove_child(&self, parent: DevId, child: DevId, pages: &mut dyn PageTxn) -> Result<()> {
        self.remove((parent.0, child.0), pages).map(drop)
    }
    /// What was taken from `parent`, at most `most` of them.
    pub(crate) fn children(&self, parent: DevId, most: usize, pages: &dyn PageRead) -> Result<Vec<DevId>> {
        Ok(self.behind(parent.0, most, pages)?.into_iter().map(DevId).collect())
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
    /// What is to be looked at, at most `most`.
    pub(crate) fn pending(&self, most: usize, pages: &dyn PageRead) -> Result<Vec<DevId>> {
        Ok(self.behind(PENDING, most, pages)?.into_iter().map(DevId).collect())
    }
    /// Append to a list.
    pub(crate) fn put_held(&self, list: List, held: Held, pages: &mut dyn PageTxn) -> Result<()> {
        let new = self.put(list.key(held), pages)?;
        pages.tally(Tally::Entries, u64::from(new));
        Ok(())
    }
    /// Take from a list what was met there. Errors: `Corrupt` also if it is not found: whoever empties a list by its first
    /// entry would meet it for ever.
    pub(crate) fn remove_held(&self, list: List, held: Held, pages: &mut dyn PageTxn) -> Result<()> {
        if !self.remove(list.key(held), pages)? {
            return self.anchor.corrupt("place of an entry of a list");
        }
        pages.tally(Tally::Entries, 1);
        Ok(())
    }
    /// Whether a dead list has it.
    pub(crate) fn has_held(&self, list: List, held: Held, pages: &dyn PageRead) -> Result<bool> {
        Ok(self.map.get(&list.key(held), pages)?.is_some())
    }
    /// The entry after that with the word `after`, in the order of births. Errors: `Corrupt`.
    pub(crate) fn next_held(&self, list: List, after: u64, pages: &dyn PageRead) -> Result<Option<Held>> {
        match self.map.next(&(list.0, after), pages)? {
            Some(((front, word), ())) if front == list.0 => self.held(list, word).map(Some),
            _ => Ok(None),
        }
    }
    fn held(&self, list: List, word: u64) -> Result<Held> {
        Held::of(list.node(), word).map_or_else(|| self.anchor.corrupt("entry of a list"), Ok)
    }
    /// Every entry of a list that was born after `floor`, in the order of births.
    pub(crate) fn visit_list(
        &self,
        list: List,
        floor: u32,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Held) -> Result<()>,
    ) -> Result<()> {
        let mut done = Ok(());
        let low = (list.0, Held::first_word_after(floor));
        self.map.range(low..=(list.0, u64::MAX), pages, &mut |key, ()| {
            done = self.held(list, key.1).and_then(&mut *each);
            if done.is_ok() { Flow::Continue } else { Flow::Stop }
        })?;
        done
    }
    /// At most how many pages so many puts and removes touch, where at no time so many more keys are there than now.
    pub(crate) fn pages_bound(&self, operations: u64, growth: u64, pages: &dyn PageRead) -> Result<u64> {
        let entries = self.entries(pages)?.saturating_add(growth);
        if operations > 0 && entries <= ROOT_ENTRIES {
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
    /// Every key in order.
    pub(crate) fn visit(&self, pages: &dyn PageRead, each: &mut dyn FnMut(u64, u64)) -> Result<()> {
        self.map.range(.., pages, &mut |key, ()| {
            each(key.0, key.1);
            Flow::Continue
        })
    }
    /// The table's own rules.
    pub(crate) fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(spinney_core::Finding)) {
        self.map.check(pages, found);
    }
}
