//! Writes a run, chunk by chunk in address order, from the leaves up.
//!
//! Invariant: only one page's rows are held; what was written is never changed. A run without rows is none, and takes no page.

use crate::filter::Filter;
use crate::index::{FILTER_KEY, Index};
use crate::leaf::{FILTER_PAGE_BYTES, rows_per_page, write_filter, write_rows};
use crate::rle::compress;
use crate::row::{Row, Table};
use crate::run::{Run, filter_of};
use spinney_core::{PageNo, PageTxn, Result};

/// A run that is being written.
pub(crate) struct Writer {
    table: Table,
    id: u64,
    partition: u64,
    filter: Filter,
    waiting: Vec<Row>,
    leaves: Vec<(u64, PageNo)>,
    records: u64,
}

impl Writer {
    /// A run with that number, for at most so many distinct blocks.
    pub(crate) fn new(table: Table, id: u64, partition: u64, blocks: u64) -> Writer {
        let filter = Filter::for_blocks(blocks);
        Writer { table, id, partition, filter, waiting: Vec::new(), leaves: Vec::new(), records: 0 }
    }

    /// Add the references of one chunk, behind all that were added.
    pub(crate) fn push_chunk(&mut self, singles: &[Row], pages: &mut dyn PageTxn) -> Result<()> {
        let mut last = None;
        for row in singles {
            if last.replace(row.key.block) != Some(row.key.block) {
                self.filter.insert(row.key.block);
            }
        }
        self.records += singles.len() as u64;
        self.waiting.extend(compress(singles));
        let full = rows_per_page(self.table);
        while self.waiting.len() > full {
            self.write_leaf(full, pages)?;
        }
        Ok(())
    }

    fn write_leaf(&mut self, rows: usize, pages: &mut dyn PageTxn) -> Result<()> {
        let rows: Vec<Row> = self.waiting.drain(..rows).collect();
        self.leaves.push((rows[0].key.block, write_rows(self.table, self.id, &rows, pages)?));
        Ok(())
    }

    /// Write the rest, the filter and the index.
    pub(crate) fn finish(mut self, pages: &mut dyn PageTxn) -> Result<Option<Run>> {
        if self.leaves.is_empty() && self.waiting.is_empty() {
            return Ok(None);
        }
        if self.leaves.is_empty() {
            self.filter = filter_of(&self.waiting); // not stored: opening makes it from the page
            self.write_leaf(self.waiting.len(), pages)?;
        } else {
            self.write_leaf(self.waiting.len(), pages)?;
            for (at, bits) in self.filter.to_bytes().chunks(FILTER_PAGE_BYTES).enumerate() {
                let page = write_filter(self.id, bits, pages)?;
                self.leaves.push((FILTER_KEY | at as u64, page));
            }
        }
        let lowest = self.leaves.len() as u64;
        let (index, above) = Index::build(self.id, self.leaves, pages)?;
        let Writer { table, partition, filter, records, .. } = self;
        Ok(Some(Run { table, index, partition, records, pages: lowest + above, filter }))
    }
}
