//! Compaction: the runs of a partition become one of whole intervals and one of what has not ended.
//!
//! Invariant: no query answers otherwise afterwards. What is left out is what no live version and no line that began there needs;
//! that a clone no longer has something is kept as long as the clone, or it would seem to inherit it again.
//!
//! Source: Backlog (FAST 2010), database maintenance.

use crate::BackReferences;
use crate::filter::bits_log2_for;
use crate::journal::Event;
use crate::leaf::FILTER_PAGE_BYTES;
use crate::merge::Merge;
use crate::row::{FOREVER, Row, Table};
use crate::run::Run;
use crate::writer::Writer;
use spinney_core::{PageTxn, Result};

/// Pages that a merge may need for each page that it reads: an end in the middle of a row makes three of the two.
const GROWTH: u64 = 3;

impl BackReferences {
    /// Merge the partitions whose turn it is, and those that missed theirs, within `spare` pages. What is left of it.
    pub(crate) fn compact_due(&mut self, spare: u64, pages: &mut dyn PageTxn) -> Result<u64> {
        let mut left = spare;
        let every = self.options.compact_commits;
        for partition in 0..if every == 0 { 0 } else { self.partitions() } {
            if !self.is_due(partition, every) {
                continue;
            }
            let read = self.runs_of(partition).map(|run| run.pages).fold(0, u64::saturating_add);
            // Runs of one page have no filter on pages; what they become has, each of the two.
            let filter =
                (1u64 << bits_log2_for(self.distinct(partition)) >> 3).div_ceil(FILTER_PAGE_BYTES as u64);
            let cost = read.saturating_mul(GROWTH).saturating_add(2 * filter + 8);
            if cost > left {
                self.stats.compactions_put_off += 1;
                continue;
            }
            left -= cost;
            self.compact(partition, pages)?;
        }
        Ok(left)
    }

    /// Whether it is a partition's turn, or more runs wait than come between two turns, and merging would change anything.
    fn is_due(&self, partition: u64, every: u64) -> bool {
        let of = |table| self.runs_of(partition).filter(|run| run.table == table).count() as u64;
        let (from, to, combined) = (of(Table::From), of(Table::To), of(Table::Combined));
        let turn = self.commits.wrapping_add(partition).is_multiple_of(every);
        let late = from + to > every.saturating_mul(2).saturating_add(1);
        let dead = self.gone_at.saturating_add(every) >= self.commits && from + combined > 0;
        (turn || late) && (to > 0 || from > 1 || turn && dead)
    }

    pub(crate) fn runs_of(&self, partition: u64) -> impl Iterator<Item = &Run> {
        self.runs.range((partition, 0)..=(partition, u64::MAX)).map(|(_, run)| run)
    }

    /// At most how many distinct blocks the runs of a partition have.
    fn distinct(&self, partition: u64) -> u64 {
        let records = self.runs_of(partition).map(|run| run.records).fold(0, u64::saturating_add);
        records.min(self.options.partition_blocks)
    }

    fn compact(&mut self, partition: u64, pages: &mut dyn PageTxn) -> Result<()> {
        let size = self.options.partition_blocks;
        let blocks = partition * size..(partition + 1) * size;
        let old: Vec<Run> = self.runs_of(partition).cloned().collect();
        let distinct = self.distinct(partition);
        let mut whole = Writer::new(Table::Combined, self.next_id, partition, distinct);
        let mut going_on = Writer::new(Table::From, self.next_id + 1, partition, distinct);
        self.next_id += 2;
        let mut merge = Merge::new(old.iter(), None, &blocks, pages)?;
        while let Some(mut rows) = merge.next(pages)? {
            rows.retain(|row| self.lines.need(row.key.line, row.from, row.to));
            let (open, ended): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(|row| row.to == FOREVER);
            whole.push_chunk(&ended, pages)?;
            going_on.push_chunk(&open, pages)?;
        }
        self.events.push(Event::Cleared { partition });
        for run in &old {
            run.destroy(pages)?;
            self.runs.remove(&(partition, run.index.id));
        }
        for writer in [whole, going_on] {
            if let Some(run) = writer.finish(pages)? {
                self.keep(run);
            }
        }
        self.stats.compactions += 1;
        Ok(())
    }
}
