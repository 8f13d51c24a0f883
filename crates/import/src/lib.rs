#![doc = include_str!("../README.md")]
//!
//! Invariant: what is given out is a disk: free runs of whole blocks, rising, apart from each other, inside. Knows no pool, no
//! file and no process.

mod bluestore;
mod btrfs;
mod btrfs_extents;
mod ext;
mod histogram;
mod text;
mod xfs;

use spinney_core::{BLOCK_BYTES, Extent, Pba};
use std::fmt;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// The largest disk, 16 TiB: what the pools of an experiment can be.
pub const DISK_BYTES_MAX: u64 = 1 << 44;
/// The longest text that is worth reading, in bytes: some six million free runs.
pub const TEXT_BYTES_MAX: u64 = 256 << 20;
/// The most runs that a histogram may name.
const RUNS_MAX: u64 = 1 << 24;

/// A disk's free space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeState {
    /// Which text it was read from.
    pub source: &'static str,
    /// Blocks of 4 KiB of the whole disk.
    pub total_blocks: u64,
    /// Free runs, rising, with something between any two; block 0 is the disk's first.
    pub free: Vec<Extent>,
    /// Whether the text had a histogram only: lengths within their classes, order and gaps are then made by seed.
    pub made_up: bool,
}

impl FreeState {
    /// Blocks in the runs.
    #[must_use]
    pub fn free_blocks(&self) -> u64 {
        self.free.iter().map(|run| run.blocks).sum()
    }
}

/// Why a text is no disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportError {
    /// Counted from 1; 0 if it is the text as a whole.
    pub line: u64,
    /// What is wrong, and what to do.
    pub what: String,
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}", self.what),
            line => write!(f, "line {line}: {}", self.what),
        }
    }
}

impl std::error::Error for ImportError {}

/// `Result` with [`ImportError`].
pub type Result<T> = std::result::Result<T, ImportError>;

fn wrong<T>(line: u64, what: impl Into<String>) -> Result<T> {
    Err(ImportError { line, what: what.into() })
}

/// Read a text of any of the known kinds; which one, its own words tell. `seed` matters for histograms only.
/// Errors: the first line that is wrong, or that the text is of no known kind.
pub fn parse(text: &str, seed: u64) -> Result<FreeState> {
    let has = |words: &str| text.contains(words);
    if bluestore::knows(text) {
        return bluestore::parse(text);
    }
    if has("FREE_SPACE_INFO") {
        return btrfs::parse(text);
    }
    if has("BLOCK_GROUP_ITEM") {
        return btrfs_extents::parse(text);
    }
    if has("HISTOGRAM OF FREE EXTENT SIZES") {
        return histogram::e2freefrag(text, seed);
    }
    if has("Free blocks: ") && has("Block size:") {
        return ext::parse(text);
    }
    if has("agno") || has("agcount") {
        return xfs::parse(text, seed);
    }
    wrong(
        0,
        "this is no list of free space that is known here: it may come from dumpe2fs, e2freefrag, xfs_db or xfs_spaceman freesp (after \
         xfs_info), btrfs inspect-internal dump-tree -t 10 or -t 2, or BlueStore's allocator dump",
    )
}

/// A free run in bytes, and the line that named it.
struct Run {
    line: u64,
    start: u64,
    bytes: u64,
}

/// Sort, check and round to blocks.
fn disk(source: &'static str, total_bytes: u64, mut runs: Vec<Run>) -> Result<FreeState> {
    if total_bytes == 0 || total_bytes > DISK_BYTES_MAX {
        return wrong(0, format!("a disk of {total_bytes} bytes: from 4 KiB to 16 TiB can be taken"));
    }
    runs.sort_unstable_by_key(|run| run.start);
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for Run { line, start, bytes } in runs {
        let Some(end) = start.checked_add(bytes).filter(|end| *end <= total_bytes) else {
            return wrong(
                line,
                format!("a free run of {bytes} bytes at {start} passes the disk's end at {total_bytes}"),
            );
        };
        match joined.last_mut() {
            Some((_, before)) if start < *before => {
                return wrong(line, format!("the free run at byte {start} overlaps another"));
            }
            Some((_, before)) if start == *before => *before = end,
            _ => joined.push((start, end)),
        }
    }
    let whole = joined.into_iter().filter_map(|(start, end)| {
        let (first, last) = (start.div_ceil(BLOCK), end / BLOCK);
        (first < last).then(|| Extent { start: Pba(first), blocks: last - first })
    });
    Ok(FreeState { source, total_blocks: total_bytes / BLOCK, free: whole.collect(), made_up: false })
}
