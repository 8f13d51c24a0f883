//! A cursor over a run's rows, chunk after chunk.
//!
//! Invariant: chunks come in rising order (else the run is `Corrupt`); one page's rows are in memory. Knows no other run.

use crate::gather::Gathered;
use crate::leaf::{corrupt, read_rows};
use crate::row::{CHUNK_BLOCKS, Row, chunk_of};
use crate::run::Run;
use core::ops::Range;
use spinney_core::{PageNo, PageRead, Result};
use std::collections::VecDeque;

/// A place in a run.
pub(crate) struct Cursor<'a> {
    run: &'a Run,
    leaves: VecDeque<PageNo>,
    rows: VecDeque<Row>,
    /// Rows of chunks before this one are passed over.
    chunk: u64,
    /// Pages read so far.
    pub(crate) pages_read: u64,
    met: bool,
    blocks: Range<u64>,
    /// Whether the run has anything of the range itself, not only of its chunks.
    pub(crate) hit: bool,
}

impl<'a> Cursor<'a> {
    /// At the first chunk of a range of blocks, which must not be empty.
    pub(crate) fn new(run: &'a Run, blocks: &Range<u64>, pages: &dyn PageRead) -> Result<Cursor<'a>> {
        let chunk = chunk_of(blocks.start);
        let (leaves, pages_read) = run.index.leaves(chunk * CHUNK_BLOCKS..blocks.end, pages)?;
        let (leaves, rows) = (leaves.into(), VecDeque::new());
        Ok(Cursor { run, leaves, rows, chunk, pages_read, met: false, blocks: blocks.clone(), hit: false })
    }

    /// The chunk of the next row, if there is one within the range. Errors: `Corrupt`.
    pub(crate) fn next_chunk(&mut self, pages: &dyn PageRead) -> Result<Option<u64>> {
        loop {
            while let Some(row) = self.rows.front() {
                let chunk = chunk_of(row.key.block);
                if row.key.block >= self.blocks.end {
                    return Ok(None);
                }
                if chunk >= self.chunk {
                    return Ok(Some(chunk));
                }
                self.rows.pop_front();
            }
            let Some(page) = self.leaves.pop_front() else { return Ok(None) };
            self.pages_read += 1;
            self.rows = read_rows(self.run.table, self.run.index.id, page, pages)?.into();
            let behind = |row: &Row| self.met && chunk_of(row.key.block) < self.chunk;
            if self.rows.front().is_some_and(behind) {
                return Err(corrupt(page));
            }
        }
    }

    /// Take what rows of a chunk, which is not before the next one's, say of the range: a run that is not asked may have the other
    /// ends of the rest.
    pub(crate) fn take(&mut self, chunk: u64, pages: &dyn PageRead, into: &mut Gathered) -> Result<()> {
        self.chunk = chunk;
        while self.next_chunk(pages)? == Some(chunk) {
            let Some(row) = self.rows.pop_front() else { break };
            self.met = true;
            if let Some(part) = row.within(&self.blocks) {
                self.hit = true;
                into.push(self.run.table, part);
            }
        }
        Ok(())
    }
}
