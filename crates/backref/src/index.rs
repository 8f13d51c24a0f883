//! The index of a run: a tree over its pages, built from the leaves up, that says where each page begins.
//!
//! Invariant: no page is met twice in a walk, so pages that form no tree cannot be walked for longer than there are pages. Pages
//! of the filter stand behind the leaves, under keys that no block has. Knows no row.

use crate::leaf::{FAN_OUT, corrupt, read_index, write_index};
use core::ops::Range;
use spinney_core::{PageNo, PageRead, PageTxn, Result};
use std::collections::BTreeSet;

/// Keys of filter pages begin here.
pub(crate) const FILTER_KEY: u64 = 1 << 63;
/// More levels than any run can need: 252^8 pages.
pub(crate) const LEVELS_MAX: u8 = 8;

/// The root of a run's tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Index {
    /// The run.
    pub(crate) id: u64,
    pub(crate) root: PageNo,
    /// Levels above the leaves; 0: the root is the only leaf.
    pub(crate) levels: u8,
}

/// A page that a walk met: its level (0 is a leaf or a filter page) and its key.
struct Met {
    level: u8,
    key: u64,
    page: PageNo,
}

impl Index {
    /// The tree over these leaves (at least one), and how many pages it takes on top.
    pub(crate) fn build(
        id: u64,
        leaves: Vec<(u64, PageNo)>,
        pages: &mut dyn PageTxn,
    ) -> Result<(Index, u64)> {
        let (mut below, mut levels, mut made) = (leaves, 0, 0);
        while below.len() > 1 {
            levels += 1;
            let mut level = Vec::with_capacity(below.len().div_ceil(FAN_OUT));
            for entries in below.chunks(FAN_OUT) {
                level.push((entries[0].0, write_index(levels, id, entries, pages)?));
            }
            made += level.len() as u64;
            below = level;
        }
        Ok((Index { id, root: below[0].1, levels }, made))
    }

    /// Leaves that may have a key of the range, in order, and how many pages were read. Errors: `Corrupt`.
    pub(crate) fn leaves(&self, keys: Range<u64>, pages: &dyn PageRead) -> Result<(Vec<PageNo>, u64)> {
        let (mut leaves, mut read) = (Vec::new(), 0);
        self.walk(keys, pages, &mut |met| match met.level {
            0 => leaves.push(met.page),
            _ => read += 1,
        })?;
        Ok((leaves, read))
    }

    /// Every page, once, and which of them are filter pages.
    pub(crate) fn visit(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo, bool)) -> Result<()> {
        self.walk(0..u64::MAX, pages, &mut |met| each(met.page, met.level == 0 && met.key >= FILTER_KEY))
    }

    fn walk(&self, keys: Range<u64>, pages: &dyn PageRead, each: &mut dyn FnMut(&Met)) -> Result<()> {
        let mut met = BTreeSet::new();
        let mut stack = vec![Met { level: self.levels, key: 0, page: self.root }];
        while let Some(next) = stack.pop() {
            if !met.insert(next.page) {
                return Err(corrupt(next.page));
            }
            each(&next);
            if next.level == 0 {
                continue;
            }
            let entries = read_index(next.level, self.id, next.page, pages)?;
            for at in (0..entries.len()).rev() {
                let (key, page) = entries[at];
                // A chunk may begin on one page and go on on the next, whose key it then is.
                let ends_before = entries.get(at + 1).is_some_and(|(after, _)| *after < keys.start);
                if key < keys.end && !ends_before {
                    stack.push(Met { level: next.level - 1, key, page });
                }
            }
        }
        Ok(())
    }
}
