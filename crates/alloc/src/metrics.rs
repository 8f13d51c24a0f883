//! Free-space metrics: what the field computes from a list of free runs, each by its own exact formula.
//!
//! Sources: OpenZFS (2.4.99), Ceph BlueStore (octopus and 2025), fsperf. Two formulas were redefined, so the version
//! is part of the name. Invariant: only the multiset of run lengths counts, never addresses; with no free space every
//! fragmentation is 0. Knows no allocator: it takes runs from anywhere.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use spinney_core::{BLOCK_BYTES, Extent};

/// Which table of weights ZFS's fragmentation uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZfsTable {
    /// Until February 2025: runs of 16 MiB count as unfragmented.
    Before2025,
    /// Since February 2025: runs of 512 MiB do.
    Since2025,
}

/// Weights by bucket, from 512 bytes up; beyond the end 0.
const ZFS_2025: [u64; 20] = [100, 99, 97, 93, 88, 83, 77, 71, 64, 57, 50, 43, 36, 29, 23, 17, 12, 7, 3, 1];
const ZFS_OLD: [u64; 15] = [100, 100, 98, 95, 90, 80, 70, 60, 50, 40, 30, 20, 15, 10, 5];
const BLOCK: u64 = BLOCK_BYTES as u64;

/// The free runs of an allocator, by length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreeSpace {
    /// Length in blocks, how often.
    lengths: BTreeMap<u64, u64>,
    runs: u64,
    blocks: u64,
}

/// A bucket of a histogram: runs of `blocks_min..2 * blocks_min` blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// A power of two.
    pub blocks_min: u64,
    /// Runs in the bucket.
    pub runs: u64,
    /// Blocks in those runs.
    pub blocks: u64,
}

impl FreeSpace {
    /// From maximal free runs in any order.
    #[must_use]
    pub fn gather(runs: impl IntoIterator<Item = Extent>) -> FreeSpace {
        let mut space = FreeSpace::default();
        for run in runs {
            *space.lengths.entry(run.blocks).or_default() += 1;
            space.runs += 1;
            space.blocks += run.blocks;
        }
        space
    }

    /// How many runs.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.runs
    }

    /// How many blocks.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The longest run, 0 if there is none.
    #[must_use]
    pub fn largest_run_blocks(&self) -> u64 {
        self.lengths.last_key_value().map_or(0, |(blocks, _)| *blocks)
    }

    /// Mean length, 0 if there is none.
    #[must_use]
    pub fn mean_run_blocks(&self) -> f64 {
        if self.runs == 0 { 0.0 } else { self.blocks as f64 / self.runs as f64 }
    }

    /// Runs by power of two of their length, empty buckets left out.
    #[must_use]
    pub fn histogram(&self) -> Vec<Bucket> {
        let mut buckets: Vec<Bucket> = Vec::new();
        for (length, count) in &self.lengths {
            let blocks_min = 1 << length.ilog2();
            if buckets.last().is_none_or(|last| last.blocks_min != blocks_min) {
                buckets.push(Bucket { blocks_min, runs: 0, blocks: 0 });
            }
            if let Some(bucket) = buckets.last_mut() {
                bucket.runs += count;
                bucket.blocks += count * length;
            }
        }
        buckets
    }

    /// ZFS: mean weight of the runs, each weighed by its bucket's *floor* size, rounded down; 0 to 100.
    #[must_use]
    pub fn zfs_fragmentation(&self, table: ZfsTable) -> u32 {
        zfs_fragmentation(self.histogram().iter().map(|bucket| (bucket.blocks_min, bucket.runs)), table)
    }

    /// BlueStore's avl and btree rating: `(k - 1) / (n - 1)` for k runs of n units; 1 is every unit alone.
    #[must_use]
    pub fn bluestore_rating(&self) -> f64 {
        if self.blocks <= 1 { 0.0 } else { (self.runs - 1) as f64 / (self.blocks - 1) as f64 }
    }

    /// BlueStore's score as of octopus: a run of 2^j bytes is worth 1.1^j a byte; worst is all single bytes. Grows with
    /// the size of the free space.
    #[must_use]
    pub fn bluestore_score_old(&self) -> f64 {
        let weights = weights(|_| 1.1);
        let free = self.blocks * BLOCK;
        self.score(&weights, free as f64)
    }

    /// BlueStore's score as of 2025: worth rises by 1.2 a doubling up to 1 MiB, ever less up to 128 MiB, then no more;
    /// worst is all single units.
    #[must_use]
    pub fn bluestore_score_new(&self) -> f64 {
        let weights = weights(|to| match to {
            0..=20 => 1.2,
            21..=26 => 1.2 - 0.2 * f64::from(to - 20) / 7.0,
            _ => 1.0,
        });
        self.score(&weights, self.blocks as f64 * worth(BLOCK, &weights))
    }

    fn score(&self, weights: &[f64; 65], worst: f64) -> f64 {
        if self.blocks == 0 {
            return 0.0;
        }
        let ideal = worth(self.blocks * BLOCK, weights);
        let found: f64 =
            self.lengths.iter().map(|(blocks, runs)| *runs as f64 * worth(blocks * BLOCK, weights)).sum();
        if ideal > worst { ((ideal - found) / (ideal - worst)).max(0.0) } else { 0.0 }
    }

    /// fsperf: `100 (1 - longest run / free blocks)`.
    #[must_use]
    pub fn largest_run_fragmentation(&self) -> f64 {
        if self.blocks == 0 {
            0.0
        } else {
            100.0 * (1.0 - self.largest_run_blocks() as f64 / self.blocks as f64)
        }
    }

    /// Share of free space that requests of `blocks` blocks in one run cannot use.
    #[must_use]
    pub fn unusable_for(&self, blocks: u64) -> f64 {
        if self.blocks == 0 || blocks == 0 {
            return 0.0;
        }
        let usable: u64 = self.lengths.iter().map(|(length, runs)| length / blocks * blocks * runs).sum();
        1.0 - usable as f64 / self.blocks as f64
    }

    /// Share of free space that lies in runs of more than `blocks` blocks (0 if nothing is free).
    #[must_use]
    pub fn in_runs_over(&self, blocks: u64) -> f64 {
        let long: u64 = self
            .lengths
            .iter()
            .filter(|(length, _)| **length > blocks)
            .map(|(length, runs)| length * runs)
            .sum();
        long as f64 / self.blocks.max(1) as f64
    }
}

/// ZFS's fragmentation from a histogram: smallest length of a bucket (a power of two, in blocks) and how many runs it has.
#[must_use]
pub fn zfs_fragmentation(buckets: impl Iterator<Item = (u64, u64)>, table: ZfsTable) -> u32 {
    let weights: &[u64] = match table {
        ZfsTable::Before2025 => &ZFS_OLD,
        ZfsTable::Since2025 => &ZFS_2025,
    };
    let (mut weighed, mut total) = (0u128, 0u128);
    for (blocks_min, runs) in buckets {
        let size = u128::from(runs) * u128::from(blocks_min);
        let place = (blocks_min * BLOCK).ilog2() - 9;
        weighed += size * u128::from(weights.get(place as usize).copied().unwrap_or(0));
        total += size;
    }
    weighed.checked_div(total).unwrap_or(0) as u32
}

/// Worth a byte of runs of 2^j bytes, from the factor of each doubling *to* 2^j.
fn weights(factor: impl Fn(u32) -> f64) -> [f64; 65] {
    let mut weights = [1.0; 65];
    for to in 1..65 {
        weights[to] = weights[to - 1] * factor(to as u32);
    }
    weights
}

/// Worth of a run, linear between powers of two.
fn worth(bytes: u64, weights: &[f64; 65]) -> f64 {
    let power = bytes.ilog2() as usize;
    let low = (1u64 << power) as f64;
    let beyond = bytes as f64 / low - 1.0;
    low * weights[power] * (1.0 - beyond) + 2.0 * low * weights[power + 1] * beyond
}

/// Smith and Seltzer's layout score: of the blocks of a file, how many follow their predecessor on the device.
/// `extents` are the file's runs in logical order; `None` for fewer than two blocks.
#[must_use]
pub fn layout_score(extents: impl IntoIterator<Item = Extent>) -> Option<f64> {
    layout_score_of_all([extents])
}

/// The same over many files: the sum of the numerators by the sum of the denominators, so that a large file weighs more.
/// `None` if no file has two blocks.
#[must_use]
pub fn layout_score_of_all<F: IntoIterator<Item = Extent>>(
    files: impl IntoIterator<Item = F>,
) -> Option<f64> {
    let (follows, of) = files
        .into_iter()
        .map(layout_counts)
        .fold((0, 0), |(follows, of), (more, more_of)| (follows + more, of + more_of));
    (of > 0).then(|| follows as f64 / of as f64)
}

/// Blocks that follow their predecessor, and blocks that could.
fn layout_counts(extents: impl IntoIterator<Item = Extent>) -> (u64, u64) {
    let (mut blocks, mut breaks, mut end) = (0u64, 0u64, None);
    for run in extents {
        breaks += u64::from(end.is_some_and(|end| end != run.start));
        blocks += run.blocks;
        end = Some(run.end());
    }
    let of = blocks.saturating_sub(1);
    (of - breaks, of)
}

/// Write run length: mean maximal run of the blocks written by one commit, in any order; `None` for none.
#[must_use]
pub fn write_run_blocks(mut written: Vec<Extent>) -> Option<f64> {
    written.sort_unstable();
    let blocks: u64 = written.iter().map(|run| run.blocks).sum();
    let runs = written.windows(2).filter(|pair| pair[0].end() != pair[1].start).count() + 1;
    (blocks > 0).then(|| blocks as f64 / runs as f64)
}

#[cfg(test)]
mod tests;
