//! A commit: the write store becomes runs, and the journal says so.
//!
//! Invariant: within `pages_bound`, but for what `spare` allows to be merged or shortened. Nothing that was durable is changed.

use crate::BackReferences;
use crate::journal::{Event, Replayed};
use crate::leaf::{FILTER_PAGE_BYTES, rows_per_page};
use crate::row::{Row, Table, chunk_of};
use crate::run::Run;
use crate::writer::Writer;
use spinney_core::{PageTxn, Result, Root};

impl BackReferences {
    /// Close the version: write what began and ended since the last commit, and merge the partitions whose turn it is, as long as
    /// that takes no more than `spare` pages. Errors: `NoPages` (not within what [`BackReferences::pages_bound`] said), `Corrupt`.
    pub fn commit(&mut self, spare: u64, pages: &mut dyn PageTxn) -> Result<Root> {
        for table in [Table::From, Table::To] {
            self.write_out(table, pages)?;
        }
        self.now += 1;
        self.commits += 1;
        let left = self.compact_due(spare, pages)?;
        self.journal.append(&self.events, pages)?;
        self.journaled += std::mem::take(&mut self.events).len() as u64;
        // Two for each live thing at least, or it is not worth the look.
        if self.journaled / 2 >= self.runs.len() as u64 + self.lines.len() {
            self.journaled = self.journal.shorten(&self.state(), left, pages)?;
        }
        Ok(self.root())
    }

    pub(crate) fn keep(&mut self, run: Run) {
        self.events.push(Event::Run(run.record()));
        self.runs.insert((run.partition, run.index.id), run);
    }

    /// What the journal comes to.
    pub(crate) fn state(&self) -> Replayed {
        let runs = self.runs.values().map(|run| (run.index.id, run.record())).collect();
        Replayed { lines: self.lines.clone(), runs, events: self.journaled }
    }

    fn write_out(&mut self, table: Table, pages: &mut dyn PageTxn) -> Result<()> {
        let mut rows = self.writes.take(table);
        rows.retain(|row| self.lines.get(row.key.line).is_some()); // a line may be gone again
        self.stats.records_written += rows.len() as u64;
        let size = self.options.partition_blocks;
        let partition_of = |row: &Row| row.key.block / size;
        for rows in rows.chunk_by(|a, b| partition_of(a) == partition_of(b)) {
            let blocks = 1 + rows.windows(2).filter(|pair| pair[0].key.block != pair[1].key.block).count();
            let mut writer = Writer::new(table, self.next_id, partition_of(&rows[0]), blocks as u64);
            for chunk in rows.chunk_by(|a, b| chunk_of(a.key.block) == chunk_of(b.key.block)) {
                writer.push_chunk(chunk, pages)?;
            }
            self.next_id += 1;
            if let Some(run) = writer.finish(pages)? {
                self.keep(run);
            }
        }
        Ok(())
    }

    /// At most how many pages a commit allocates or changes, after `operations` more references begin or end and `versions` more
    /// versions come or go. Constant in time.
    #[must_use]
    pub fn pages_bound(&self, operations: u64, versions: u64) -> u64 {
        let rows = self.writes.len().saturating_add(operations);
        let runs = rows.min(self.partitions().saturating_mul(2));
        let events = runs.saturating_add(self.events.len() as u64).saturating_add(versions);
        let journal = self.journal.pages_bound(events);
        let full = rows_per_page(Table::From) as u64;
        if rows <= full {
            return journal.saturating_add(runs); // each on one page
        }
        // A filter has at most 16 bits a block. A level of the index has 1/252 of the pages below.
        let filters = rows.saturating_mul(2) / FILTER_PAGE_BYTES as u64;
        let lowest = (rows / full).saturating_add(filters).saturating_add(runs.saturating_mul(2));
        let index = (lowest / 250).saturating_add(runs.saturating_mul(3));
        journal.saturating_add(lowest).saturating_add(index)
    }
}
