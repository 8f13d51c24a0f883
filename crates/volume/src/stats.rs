//! What a pool counts.
//!
//! Invariant: every figure is a sum since `format` or `open`, so that the difference of two readings is a rate, and is
//! the same on any machine for the same calls.

use crate::Pool;
use spinney_alloc::SpaceStats;
use spinney_core::{Extent, Flow, Result};
use spinney_pages::StoreStats;

/// Sums since the pool was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PoolStats {
    /// Bytes that callers wrote.
    pub user_bytes_written: u64,
    /// Data blocks written, ragged ends and relocations included.
    pub data_blocks_written: u64,
    /// Data blocks copied because the scheme wished it.
    pub relocated_blocks: u64,
    /// Commits.
    pub commits: u64,
    /// Maximal runs of fresh data blocks, summed over commits: `data_blocks_written / write_runs` is the write run length.
    pub write_runs: u64,
    /// Records of the intent log, each of them a flush without a commit.
    pub log_records: u64,
    /// Blocks that they took.
    pub log_blocks_written: u64,
    /// Records that opening replayed.
    pub log_records_replayed: u64,
}

impl PoolStats {
    /// Add one commit's fresh data.
    pub(crate) fn count_commit(&mut self, mut fresh: Vec<Extent>) {
        fresh.sort_unstable();
        let breaks = fresh.windows(2).filter(|pair| pair[0].end() != pair[1].start).count() as u64;
        self.write_runs += breaks + u64::from(!fresh.is_empty());
        self.data_blocks_written += fresh.iter().map(|run| run.blocks).sum::<u64>();
        self.commits += 1;
    }
}

impl Pool {
    /// Sums since the pool was opened. Data and runs are counted at each commit.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.stats
    }

    /// Where the data blocks are.
    #[must_use]
    pub fn space(&self) -> SpaceStats {
        self.allocator.stats()
    }

    /// Maximal allocatable runs in address order. Errors: what reading the allocator's pages meets.
    pub fn visit_free(&self, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        self.allocator.visit_free(&self.pages, each)
    }

    /// Metadata pages, by kind.
    #[must_use]
    pub fn page_stats(&self) -> StoreStats {
        self.pages.stats()
    }
}
