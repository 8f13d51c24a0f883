//! A run: rows of one table and one partition, sorted, on pages that are never changed; its filter is kept in memory.
//!
//! Invariant: its pages are those of its index and no other, and they are freed together. Knows no other run.

use crate::filter::{BITS_LOG2_MAX, Filter};
use crate::index::{FILTER_KEY, Index, LEVELS_MAX};
use crate::leaf::{KIND, corrupt, read_filter, read_rows};
use crate::row::{Row, Table};
use spinney_core::{PageNo, PageRead, PageTxn, Result};

/// A run, and what is remembered of it.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) table: Table,
    pub(crate) index: Index,
    pub(crate) partition: u64,
    /// References in it, one a block.
    pub(crate) records: u64,
    /// Pages of it, as counted when it was written: for bounds only.
    pub(crate) pages: u64,
    pub(crate) filter: Filter,
}

/// What the journal has of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RunRecord {
    pub(crate) table: Table,
    pub(crate) index: Index,
    pub(crate) partition: u64,
    pub(crate) records: u64,
    pub(crate) pages: u64,
}

impl Run {
    pub(crate) fn record(&self) -> RunRecord {
        let Run { table, index, partition, records, pages, .. } = *self;
        RunRecord { table, index, partition, records, pages }
    }

    /// Find a run again: reads its filter, or its rows if they are on one page. Errors: `Corrupt`.
    pub(crate) fn open(record: RunRecord, pages: &dyn PageRead) -> Result<Run> {
        let RunRecord { table, index, partition, records, pages: count } = record;
        if index.levels > LEVELS_MAX {
            return Err(corrupt(index.root));
        }
        let filter = match index.levels {
            0 => filter_of(&read_rows(table, index.id, index.root, pages)?),
            _ => load_filter(&index, pages)?,
        };
        Ok(Run { table, index, partition, records, pages: count, filter })
    }

    /// Every page, once.
    pub(crate) fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.index.visit(pages, &mut |page, _| each(page))
    }

    /// Give all pages back.
    pub(crate) fn destroy(&self, pages: &mut dyn PageTxn) -> Result<()> {
        let mut all = Vec::new();
        self.visit_pages(pages, &mut |page| all.push(page))?;
        all.into_iter().try_for_each(|page| pages.free(page, KIND))
    }
}

/// The filter of rows that stand on one page: as cheap to make as to store.
pub(crate) fn filter_of(rows: &[Row]) -> Filter {
    let mut blocks: Vec<u64> = rows.iter().flat_map(|row| row.singles()).map(|row| row.key.block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    let mut filter = Filter::for_blocks(blocks.len() as u64);
    blocks.into_iter().for_each(|block| filter.insert(block));
    filter
}

fn load_filter(index: &Index, pages: &dyn PageRead) -> Result<Filter> {
    let (found, _) = index.leaves(FILTER_KEY..u64::MAX, pages)?;
    let mut bytes = Vec::new();
    // The first one is the last leaf, which may end behind the key.
    for page in found.into_iter().skip(1) {
        bytes.extend(read_filter(index.id, page, pages)?);
        if bytes.len() > 1 << (BITS_LOG2_MAX - 3) {
            return Err(corrupt(page));
        }
    }
    Filter::from_bytes(&bytes).ok_or(corrupt(index.root))
}
