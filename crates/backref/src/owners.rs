//! Queries: which live versions refer to some blocks, and where.
//!
//! Invariant: each owner of each block once, by block, version and place. A version that was deleted is no owner, whatever runs still
//! have of it.
//!
//! Source: Backlog (FAST 2010): filters, join, structural inheritance, masking.

use crate::BackReferences;
use crate::lines::Lines;
use crate::merge::Merge;
use crate::row::{FOREVER, Row};
use spinney_core::{DevId, Error, Extent, Lba, PageRead, Pba, Result};

/// A block that a live version maps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Owner {
    /// The physical block.
    pub on: Pba,
    /// The version.
    pub dev: DevId,
    /// The logical block.
    pub at: Lba,
}

/// What a query looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueryCost {
    /// Filters asked: runs of the range's partitions, unless the range is longer than a chunk.
    pub filters_asked: u64,
    /// Of these, those that said yes though the run had nothing of the range.
    pub filters_wrong: u64,
    /// Of those asked, those whose run had nothing of the range.
    pub filters_without: u64,
    /// Runs read.
    pub runs_read: u64,
    /// Pages of runs read.
    pub pages_read: u64,
}

/// Longer ranges do not ask filters: one of so many blocks is likely in any run.
const ASKED_BLOCKS_MAX: u64 = 64;

impl BackReferences {
    /// Every owner of the blocks, by block. Errors: `OutOfRange` outside the data; `Corrupt`, after what precedes the damage.
    pub fn owners(&self, on: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Owner)) -> Result<QueryCost> {
        if !self.universe.contains(on) {
            return Err(Error::OutOfRange {
                start: on.start.0,
                length: on.blocks,
                limit: self.universe.end().0,
            });
        }
        let blocks = on.start.0..on.end().0;
        let size = self.options.partition_blocks;
        let partitions = blocks.start / size..=(blocks.end - 1) / size;
        let asks = on.blocks <= ASKED_BLOCKS_MAX;
        let (mut chosen, mut cost) = (Vec::new(), QueryCost::default());
        for (_, run) in self.runs.range((*partitions.start(), 0)..=(*partitions.end(), u64::MAX)) {
            cost.filters_asked += u64::from(asks);
            if !asks || blocks.clone().any(|block| run.filter.may_have(block)) {
                chosen.push(run);
            }
        }
        cost.filters_without = cost.filters_asked - if asks { chosen.len() as u64 } else { 0 };
        cost.runs_read = chosen.len() as u64;
        let mut merge = Merge::new(chosen.into_iter(), Some(&self.writes), &blocks, pages)?;
        while let Some(rows) = merge.next(pages)? {
            for of_block in rows.chunk_by(|a, b| a.key.block == b.key.block) {
                show(of_block, &self.lines, each);
            }
        }
        for cursor in &merge.cursors {
            cost.pages_read += cursor.pages_read;
            let wrong = u64::from(asks && !cursor.hit);
            cost.filters_wrong += wrong;
            cost.filters_without += wrong;
        }
        Ok(cost)
    }
}

/// The live versions that the references of one block come to.
fn show(rows: &[Row], lines: &Lines, each: &mut dyn FnMut(Owner)) {
    let mut owners = Vec::new();
    // Sorted by line, place and beginning.
    let told = |line, at| {
        let place = |row: &Row| (row.key.line, row.key.at, row.from);
        rows.binary_search_by_key(&(line, at, 0), place).is_ok()
    };
    let mut left: Vec<(u64, u64, u64, u64)> =
        rows.iter().map(|row| (row.key.line, row.key.at, row.from, row.to)).collect();
    while let Some((number, at, from, to)) = left.pop() {
        let Some(line) = lines.get(number) else { continue };
        let snapshots = line.snapshots.range(from..to).flat_map(|(_, devs)| devs).copied();
        let head = (line.head && to == FOREVER).then_some(DevId(number));
        owners.extend(snapshots.chain(head).map(|dev| Owner {
            on: Pba(rows[0].key.block),
            dev,
            at: Lba(at),
        }));
        let heirs = line.branches.range(from..to).flat_map(|(_, heirs)| heirs);
        left.extend(heirs.filter(|heir| !told(**heir, at)).map(|heir| (*heir, at, 0, FOREVER)));
    }
    owners.sort_unstable();
    owners.into_iter().for_each(each);
}
