//! `OrderedMap`: a B+-tree of byte strings on pages, with the operations of an ordered key-value store.
//!
//! Invariant: all keys under an interior node's child lie between that child's key and the next; all leaves stand on
//! level 0; the root's page never changes. It deliberately knows no transaction, no cache and no concurrency: those
//! are the page store's, and a reader's view is whatever `PageRead` it brings.

mod change;
mod check;
mod edit;
mod node;
mod order;
mod path;
mod run;
mod scan;
mod seek;
mod shape;
mod typed;

pub use scan::KeyBounds;
pub use shape::{ENTRY_BYTES_MAX, Layout};
pub use typed::{Fixed, OrderedFixed, TypedMap};

use node::{Node, corrupt, layout_of};
use path::Toward;
use shape::LEVEL_MAX;
use spinney_core::{PageKind, PageNo, PageRead, PageTxn, Result};

/// A map. A handle: copies name the same map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderedMap {
    root: PageNo,
    kind: PageKind,
    layout: Layout,
}

impl OrderedMap {
    /// A new, empty map on one page. A fixed layout of which fewer than four entries fit on a page is a programmer error.
    pub fn create(kind: PageKind, layout: Layout, pages: &mut dyn PageTxn) -> Result<OrderedMap> {
        assert!(layout.is_sound(), "a page must hold at least four entries, and a key at least one byte");
        let root = pages.alloc(kind)?;
        edit::init(pages.edit(root, kind)?, layout.at(0));
        Ok(OrderedMap { root, kind, layout })
    }

    /// The map whose root is `root`; its layout is read from there. Errors: `Corrupt` if there is no map.
    pub fn open(root: PageNo, kind: PageKind, pages: &dyn PageRead) -> Result<OrderedMap> {
        let held = pages.read(root, kind)?;
        let layout = layout_of(&held).ok_or(corrupt(root))?;
        Node::parse(layout, root, &held).map(|_node| OrderedMap { root, kind, layout })
    }

    /// The same without a look at the root, for owners that open it for each call: every page is verified as it is
    /// reached, the root too, so a wrong layout is `Corrupt` at the first operation.
    #[must_use]
    pub fn at(root: PageNo, kind: PageKind, layout: Layout) -> OrderedMap {
        assert!(layout.is_sound(), "a page must hold at least four entries, and a key at least one byte");
        OrderedMap { root, kind, layout }
    }

    /// The root page, for the owner's root record.
    #[must_use]
    pub fn root(&self) -> PageNo {
        self.root
    }

    /// How entries are laid out.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    fn check_key(&self, key: &[u8]) {
        if let Layout::Fixed { key_bytes, .. } = self.layout {
            assert!(key.len() == usize::from(key_bytes), "this map's keys have {key_bytes} bytes");
        }
    }

    /// The value under `key`. Errors: `Corrupt`.
    pub fn get(&self, key: &[u8], pages: &dyn PageRead) -> Result<Option<Vec<u8>>> {
        self.get_with(key, pages, <[u8]>::to_vec)
    }

    /// What `each` makes of the value under `key`, without a copy. Errors: `Corrupt`.
    pub fn get_with<T>(
        &self,
        key: &[u8],
        pages: &dyn PageRead,
        each: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>> {
        self.check_key(key);
        let leaf = self.leaf(Toward::Key(key), pages)?;
        let held = pages.read(leaf, self.kind)?;
        let node = Node::parse_at(self.layout, 0, leaf, &held)?;
        match node.find(key)? {
            Ok(at) => node.cell(at).map(|(_key, value)| Some(each(value))),
            Err(_) => Ok(None),
        }
    }

    /// Whether there is no entry. Errors: `Corrupt`.
    pub fn is_empty(&self, pages: &dyn PageRead) -> Result<bool> {
        let held = pages.read(self.root, self.kind)?;
        Node::parse(self.layout, self.root, &held).map(|node| node.count == 0)
    }

    /// The fewest cells that a page of `level` is counted with.
    fn cells_min(&self, level: u8) -> u64 {
        match self.layout {
            Layout::Fixed { .. } => (self.layout.at(level).capacity() as u64 / 3).max(1),
            Layout::Variable if level == 0 => 1,
            Layout::Variable => 2,
        }
    }

    /// At most how many pages so many puts and removes allocate, change or free, while the map never holds more than
    /// `entries_max` entries. In constant time; meant for reserving pages beforehand.
    ///
    /// Each operation may rewrite a window of siblings and a new page on every level, but no level has more pages than
    /// a third of its capacity makes of its entries (in the variable layout: one page an entry on level 0, half as many on
    /// each level above), and no more are added than one for every few operations.
    #[must_use]
    pub fn pages_bound(&self, operations: u64, entries_max: u64) -> u64 {
        if operations == 0 {
            return 0;
        }
        let window = change::WINDOW_PAGES as u64 + 2;
        let (mut total, mut live) = (0u64, entries_max.max(2));
        for level in 0..=LEVEL_MAX {
            let root = live <= 1;
            live = live.div_ceil(self.cells_min(level));
            // What is freed on the way is issued again, so new pages are bounded by what a level can hold, too.
            let ever = live.saturating_mul(2).saturating_add((operations / 4).min(live) + 4);
            total = total.saturating_add(operations.saturating_mul(window).min(ever));
            if root {
                break;
            }
        }
        total
    }
}
