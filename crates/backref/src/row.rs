//! A row: a reference of some blocks, for some versions of a line; and the three tables that rows stand in.
//!
//! Invariant: a row lies within one chunk of 64 blocks, so whoever seeks a block begins at its chunk and misses nothing.
//! Knows no page.

use crate::leaf::{put_u64, u64_at};
use core::ops::Range;

/// Blocks of a chunk: rows never cross its border, so a query reads at most so many blocks' rows that it does not want.
pub(crate) const CHUNK_BLOCKS: u64 = 64;
/// The end of what has not ended.
pub(crate) const FOREVER: u64 = u64::MAX;
/// Physical blocks are below this: the bits above hold a row's length.
pub(crate) const BLOCK_LIMIT: u64 = 1 << 52;
const LENGTH_SHIFT: u32 = 56;

/// What refers to what: a block of a line's volume to a physical block.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    /// Physical block.
    pub(crate) block: u64,
    /// The line: a branch of history, named by its writable version.
    pub(crate) line: u64,
    /// Logical block.
    pub(crate) at: u64,
}

/// `blocks` consecutive references from `key` on, in the versions `from..to` of the line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Row {
    pub(crate) key: Key,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) blocks: u64,
}

/// Where a row stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Table {
    /// References that began; `to` is not known there.
    From = 1,
    /// References that ended; `from` is not known there.
    To = 2,
    /// Both ends, by compaction.
    Combined = 3,
}

impl Table {
    pub(crate) fn from_number(number: u8) -> Option<Table> {
        [Table::From, Table::To, Table::Combined].into_iter().find(|table| *table as u8 == number)
    }
    /// Bytes of a row on a page.
    pub(crate) fn row_bytes(self) -> usize {
        if self == Table::Combined { 40 } else { 32 }
    }
}

/// The chunk of a block.
pub(crate) fn chunk_of(block: u64) -> u64 {
    block / CHUNK_BLOCKS
}

impl Row {
    /// Write it to the front of `bytes`.
    pub(crate) fn encode(&self, table: Table, bytes: &mut [u8]) {
        let Key { block, line, at } = self.key;
        put_u64(bytes, 0, block | (self.blocks - 1) << LENGTH_SHIFT);
        put_u64(bytes, 8, line);
        put_u64(bytes, 16, at);
        put_u64(bytes, 24, if table == Table::To { self.to } else { self.from });
        if table == Table::Combined {
            put_u64(bytes, 32, self.to);
        }
    }

    /// Read it back; `None` if it is not one that `encode` could have written.
    pub(crate) fn decode(table: Table, bytes: &[u8]) -> Option<Row> {
        let (first, line, at, version) =
            (u64_at(bytes, 0), u64_at(bytes, 8), u64_at(bytes, 16), u64_at(bytes, 24));
        let (block, blocks) = (first & ((1 << LENGTH_SHIFT) - 1), (first >> LENGTH_SHIFT) + 1);
        let (from, to) = match table {
            Table::From => (version, FOREVER),
            Table::To => (0, version),
            Table::Combined => (version, u64_at(bytes, 32)),
        };
        let inside = block % CHUNK_BLOCKS + blocks <= CHUNK_BLOCKS && block < BLOCK_LIMIT;
        let ordered = (from > 0 || table != Table::From)
            && from < to
            && (table == Table::From || to != FOREVER)
            && (table == Table::To || from != FOREVER);
        let counts = at.checked_add(blocks).is_some();
        (inside && ordered && counts).then_some(Row { key: Key { block, line, at }, from, to, blocks })
    }

    /// The part of it that is about these blocks.
    pub(crate) fn within(self, blocks: &Range<u64>) -> Option<Row> {
        let Key { block, line, at } = self.key;
        let (from, to) = (block.max(blocks.start), (block + self.blocks).min(blocks.end));
        let part = |by| Row { key: Key { block: from, line, at: at + by }, blocks: to - from, ..self };
        (from < to).then(|| part(from - block))
    }

    /// Its references, one by one.
    pub(crate) fn singles(self) -> impl Iterator<Item = Row> {
        let Key { block, line, at } = self.key;
        (0..self.blocks).map(move |by| Row {
            key: Key { block: block + by, line, at: at + by },
            blocks: 1,
            ..self
        })
    }
}
