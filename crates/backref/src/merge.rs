//! All runs of a range side by side: their references chunk by chunk, joined.
//!
//! Invariant: chunks come in rising order, each once, with all that any of the runs or the write store has of its blocks in the range,
//! and nothing of others.

use crate::cursor::Cursor;
use crate::gather::Gathered;
use crate::row::{CHUNK_BLOCKS, Row, chunk_of};
use crate::run::Run;
use crate::write_store::WriteStore;
use core::ops::Range;
use spinney_core::{PageRead, Result};

/// Runs, and perhaps the write store, at a place.
pub(crate) struct Merge<'a> {
    pub(crate) cursors: Vec<Cursor<'a>>,
    writes: Option<&'a WriteStore>,
    /// The first block of the chunks to come, and the range.
    block: u64,
    blocks: Range<u64>,
}

impl<'a> Merge<'a> {
    /// At the first chunk of a range of blocks, which must not be empty.
    pub(crate) fn new(
        runs: impl Iterator<Item = &'a Run>,
        writes: Option<&'a WriteStore>,
        blocks: &Range<u64>,
        pages: &dyn PageRead,
    ) -> Result<Merge<'a>> {
        let cursors = runs.map(|run| Cursor::new(run, blocks, pages)).collect::<Result<_>>()?;
        let block = chunk_of(blocks.start) * CHUNK_BLOCKS;
        Ok(Merge { cursors, writes, block, blocks: blocks.clone() })
    }

    /// The next chunk's references, each of one block, sorted by block. Errors: `Corrupt`.
    pub(crate) fn next(&mut self, pages: &dyn PageRead) -> Result<Option<Vec<Row>>> {
        let written = self.writes.and_then(|writes| writes.next_block(self.block.max(self.blocks.start)));
        let mut next = written.filter(|block| *block < self.blocks.end).map(chunk_of);
        for cursor in &mut self.cursors {
            let chunk = cursor.next_chunk(pages)?;
            next = next.into_iter().chain(chunk).min();
        }
        let Some(chunk) = next else { return Ok(None) };
        let mut gathered = Gathered::default();
        for cursor in &mut self.cursors {
            cursor.take(chunk, pages, &mut gathered)?;
        }
        self.block = (chunk + 1) * CHUNK_BLOCKS;
        if let Some(writes) = self.writes {
            let first = (chunk * CHUNK_BLOCKS).max(self.blocks.start);
            writes.gather(first..self.block.min(self.blocks.end), &mut gathered);
        }
        gathered.join().map(Some)
    }
}
