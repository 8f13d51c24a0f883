//! First, last, next and previous entries.
//!
//! Invariant: each call reads one path and at most one more leaf. Changes nothing.

use super::OrderedMap;
use super::node::{Node, corrupt};
use super::path::Toward;
use spinney_core::{PageNo, PageRead, Result};

/// An entry, copied.
type Entry = (Vec<u8>, Vec<u8>);

impl OrderedMap {
    /// The entry with the smallest key. Errors: `Corrupt`.
    pub fn first(&self, pages: &dyn PageRead) -> Result<Option<Entry>> {
        let leaf = self.leaf(Toward::First, pages)?;
        self.entry_of(leaf, pages, |node| (node.count > 0).then_some(0))
    }

    /// The entry with the largest key. Errors: `Corrupt`.
    pub fn last(&self, pages: &dyn PageRead) -> Result<Option<Entry>> {
        let leaf = self.leaf(Toward::Last, pages)?;
        self.entry_of(leaf, pages, |node| node.count.checked_sub(1))
    }

    /// The entry with the smallest key above `key`, which need not be there itself. Errors: `Corrupt`.
    pub fn next(&self, key: &[u8], pages: &dyn PageRead) -> Result<Option<Entry>> {
        self.check_key(key);
        let path = self.descend(Toward::Key(key), pages)?;
        let held = pages.read(path.leaf, self.kind)?;
        let node = Node::parse_at(self.layout, 0, path.leaf, &held)?;
        let at = node.rank(key, true)?;
        if at < node.count {
            return entry(&node, at).map(Some);
        }
        let Some(leaf) = self.neighbour(&path, true, pages)? else { return Ok(None) };
        self.entry_of(leaf, pages, |node| (node.count > 0).then_some(0))?.ok_or(corrupt(leaf)).map(Some)
    }

    /// The entry with the largest key below `key`, which need not be there itself. Errors: `Corrupt`.
    pub fn prev(&self, key: &[u8], pages: &dyn PageRead) -> Result<Option<Entry>> {
        self.check_key(key);
        let path = self.descend(Toward::Key(key), pages)?;
        let held = pages.read(path.leaf, self.kind)?;
        let node = Node::parse_at(self.layout, 0, path.leaf, &held)?;
        if let Some(at) = node.rank(key, false)?.checked_sub(1) {
            return entry(&node, at).map(Some);
        }
        let Some(leaf) = self.neighbour(&path, false, pages)? else { return Ok(None) };
        self.entry_of(leaf, pages, |node| node.count.checked_sub(1))?.ok_or(corrupt(leaf)).map(Some)
    }

    fn entry_of(
        &self,
        leaf: PageNo,
        pages: &dyn PageRead,
        which: impl Fn(&Node<'_>) -> Option<usize>,
    ) -> Result<Option<Entry>> {
        let held = pages.read(leaf, self.kind)?;
        let node = Node::parse_at(self.layout, 0, leaf, &held)?;
        which(&node).map(|at| entry(&node, at)).transpose()
    }
}

fn entry(node: &Node<'_>, at: usize) -> Result<Entry> {
    node.cell(at).map(|(key, value)| (key.to_vec(), value.to_vec()))
}
