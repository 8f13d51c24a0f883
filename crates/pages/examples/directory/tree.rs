//! The tree: names by directory, extents by file.
//!
//! Invariant: a file's extents do not overlap, and one that goes on where the one before ends on the device is part of
//! it. Where blocks come from is not shown: a counter hands out new ones, and those given up are returned to the
//! caller, who would tell an allocator.

use spinney_core::{Flow, PageKind, PageRead, PageTxn, Result};
use spinney_pages::map::OrderedFixed;
use spinney_pages::{Layout, OrderedMap, TypedMap};
use std::ops::Bound;

const KIND: PageKind = PageKind::OTHER;
/// The root directory's number.
pub(crate) const ROOT: u64 = 1;

/// A run of device blocks: first block and length.
pub(crate) type Run = (u64, u64);

/// `(directory, name) -> (kind, node)` and `(file, offset) -> (block, length)`, in blocks.
pub(crate) struct Tree {
    names: OrderedMap,
    extents: TypedMap<(u64, u64), Run>,
    next_node: u64,
    next_block: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Directory,
    File,
}

fn name_key(directory: u64, name: &str) -> Vec<u8> {
    [&directory.to_ordered(), name.as_bytes()].concat()
}

fn decode(value: &[u8]) -> Option<(Kind, u64)> {
    let (kind, node) = value.split_first()?;
    Some((if *kind == 0 { Kind::Directory } else { Kind::File }, u64::from_ordered(node.try_into().ok()?)))
}

impl Tree {
    pub(crate) fn create(pages: &mut dyn PageTxn) -> Result<Tree> {
        let names = OrderedMap::create(KIND, Layout::Variable, pages)?;
        Ok(Tree { names, extents: TypedMap::create(KIND, pages)?, next_node: ROOT + 1, next_block: 1000 })
    }

    /// From `/a/b` to its node, one lookup a name; `None` if it is not there.
    pub(crate) fn walk(&self, path: &str, pages: &dyn PageRead) -> Result<Option<(Kind, u64)>> {
        let mut at = (Kind::Directory, ROOT);
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match self.names.get_with(&name_key(at.1, name), pages, decode)?.flatten() {
                Some(next) if at.0 == Kind::Directory => at = next,
                _ => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// Make a directory or an empty file; its node, or `None` if the parent is missing or the name is taken.
    pub(crate) fn make(&mut self, kind: Kind, path: &str, pages: &mut dyn PageTxn) -> Result<Option<u64>> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some((Kind::Directory, parent)) = self.walk(parent, pages)? else { return Ok(None) };
        if self.names.get(&name_key(parent, name), pages)?.is_some() {
            return Ok(None);
        }
        let (node, kind) = (self.next_node, u8::from(kind == Kind::File));
        self.next_node += 1;
        self.names.put(&name_key(parent, name), &[&[kind][..], &node.to_ordered()].concat(), pages)?;
        Ok(Some(node))
    }

    /// A directory's names, in order: the entries that begin with its number.
    pub(crate) fn list(&self, directory: u64, pages: &dyn PageRead) -> Result<Vec<String>> {
        let (from, to) = (directory.to_ordered(), (directory + 1).to_ordered());
        let mut names = Vec::new();
        self.names.range((Bound::Included(&from), Bound::Excluded(&to)), pages, &mut |key, _| {
            names.push(String::from_utf8_lossy(&key[8..]).into_owned());
            Flow::Continue
        })?;
        Ok(names)
    }

    /// A file's extents that touch `from..to`, as (offset, block, length).
    pub(crate) fn extents(
        &self,
        file: u64,
        from: u64,
        to: u64,
        pages: &dyn PageRead,
    ) -> Result<Vec<(u64, u64, u64)>> {
        let before = self.extents.prev(&(file, from), pages)?;
        let before = before.filter(|((owner, at), (_, length))| *owner == file && at + length > from);
        let mut found: Vec<_> =
            before.into_iter().map(|((_, at), (block, length))| (at, block, length)).collect();
        self.extents.range((file, from)..(file, to), pages, &mut |(_, at), (block, length)| {
            found.push((at, block, length));
            Flow::Continue
        })?;
        Ok(found)
    }

    /// Unmap `from..to`, splitting the extents that stick out; the blocks given up.
    pub(crate) fn punch(&self, file: u64, from: u64, to: u64, pages: &mut dyn PageTxn) -> Result<Vec<Run>> {
        let mut freed = Vec::new();
        for (at, block, length) in self.extents(file, from, to, pages)? {
            let (cut, end) = (at.max(from), (at + length).min(to));
            self.extents.remove(&(file, at), pages)?;
            if at < cut {
                self.extents.put(&(file, at), &(block, cut - at), pages)?;
            }
            if end < at + length {
                self.extents.put(&(file, end), &(block + (end - at), at + length - end), pages)?;
            }
            freed.push((block + (cut - at), end - cut));
        }
        Ok(freed)
    }

    /// Map `from..from + length` to new blocks, merged with the extent before if that goes on there.
    pub(crate) fn write(
        &mut self,
        file: u64,
        from: u64,
        length: u64,
        pages: &mut dyn PageTxn,
    ) -> Result<Vec<Run>> {
        let freed = self.punch(file, from, from + length, pages)?;
        let block = self.next_block;
        self.next_block += length;
        let before = self.extents.prev(&(file, from), pages)?;
        match before
            .filter(|((owner, at), (on, has))| *owner == file && at + has == from && on + has == block)
        {
            Some((key, (on, has))) => self.extents.put(&key, &(on, has + length), pages)?,
            None => self.extents.put(&(file, from), &(block, length), pages)?,
        };
        Ok(freed)
    }

    /// Where a file's block is; `None` in a hole.
    pub(crate) fn read(&self, file: u64, at: u64, pages: &dyn PageRead) -> Result<Option<u64>> {
        Ok(self.extents(file, at, at + 1, pages)?.first().map(|(from, block, _)| block + (at - from)))
    }

    /// Remove a file or an empty directory; the blocks given up, or `None` if it is not there or not empty.
    pub(crate) fn remove(&self, path: &str, pages: &mut dyn PageTxn) -> Result<Option<Vec<Run>>> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let (Some((_, parent)), Some((_, node))) = (self.walk(parent, pages)?, self.walk(path, pages)?)
        else {
            return Ok(None);
        };
        if node == ROOT || !self.list(node, pages)?.is_empty() {
            return Ok(None);
        }
        self.names.remove(&name_key(parent, name), pages)?;
        self.punch(node, 0, u64::MAX, pages).map(Some)
    }
}
