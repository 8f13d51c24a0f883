//! What can be chosen when a pool is formatted or opened.
//!
//! Invariant: only `metadata_blocks`, `placement`, `back_references`, `log_blocks` and the two of checksums change what is on disk; all but the key are read back from the
//! superblock.

use crate::Layout;
use crate::kind::{ChecksumKey, ChecksumKind};
use spinney_backref::BackrefOptions;
use spinney_core::Result;

/// Blocks of a metadata area that nobody chose a size for, at least.
const AREA_BLOCKS_MIN: u64 = 192;

/// Where metadata pages live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Placement {
    /// In an area of their own, of fixed size: the allocator under test manages data and nothing else.
    #[default]
    Area,
    /// In a small area at first, which grows by runs from the allocator and gives them back: a pool does not end for want of pages while it
    /// has free blocks, and metadata breaks up free space as it does in systems without a fixed area.
    Segments,
}

/// Tunables of a pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PoolOptions {
    /// Size of the metadata area, in blocks; `None` is 1/32 of the device, at least 192. Every page that a commit
    /// changes needs a second place until the commit is durable, so the area bounds how much one commit may change;
    /// larger costs data space. 1/32 holds the maps and checksums of a full pool (0.4 %) with some ten full copies. With
    /// [`Placement::Segments`] it is the size at the start, and `None` is 192.
    pub metadata_blocks: Option<u64>,
    /// Where metadata lives. Chosen when formatting; opening reads it back.
    pub placement: Placement,
    /// Pages of metadata kept in memory: more saves reads, each costs 4 KiB. The default (16,384, 64 MiB) holds the
    /// maps of 32 GiB of data.
    pub cache_pages: usize,
    /// A commit is made after so many data blocks were written: rarer commits write each changed page once for more
    /// data, but lose more in a power cut if nobody flushes. The default (16,384, 64 MiB) was
    /// chosen by judgement; no sweep has been run yet.
    pub commit_blocks: u64,
    /// The most blocks of one write that are admitted, and asked of the allocator, at once. An allocator that sees a whole write can
    /// give it a whole run where it would give eight tight holes to eight parts; but a piece is admitted whole, so its bound of
    /// pages grows with it, and pools short of metadata fall back to halves more often. The default (256, 1 MiB) is what most
    /// devices take in a request; `experiments/bluestore-aging` shows what 8 MiB changes.
    pub piece_blocks: u64,
    /// Units of background work (slots visited) done in each commit: more gives space back sooner, and makes the
    /// commit longer. It ends early where it has to wait for pages that are not in memory: after one wait for each 512 units. The default
    /// (4,096) is eight full index nodes, so eight waits; `experiments/thousand-deletes` shows what a writer notices of it.
    pub tend_budget: u64,
    /// Data blocks that a commit copies because the scheme wishes it (copy-on-abundant-write), give or take one copy; 0 is none. More
    /// bring scattered versions into order sooner, and make the commit longer. The default (16,384) is the most that a commit writes
    /// by the default of `commit_blocks`, so copies at most double it.
    pub copy_budget: u64,
    /// Checksum of data blocks. Chosen when formatting; opening reads it back.
    pub checksums: ChecksumKind,
    /// The key of [`ChecksumKind::Blake3`], the same when opening as when formatting; the other kinds have none.
    pub checksum_key: ChecksumKey,
    /// Keep back references, so that [`Pool::owners`](crate::Pool::owners) can say who maps a block: some 1/63 of a page written for each block
    /// that is overwritten at random, and up to 1 % of the data. `None`, the default, is none. Whether is chosen when
    /// formatting, and opening reads it back; how often their runs are merged may differ each time (`None`: as by default).
    pub back_references: Option<BackrefOptions>,
    /// Blocks of the intent log, at most 16,384; 0 is none. With one, a flush of what was written and discarded is one write of a record and
    /// one flush of the device, and not a commit with two (`VOLUME_TABLES=flushes` of the bench measures both on a file). A record takes
    /// a block or more (a block holds 101 writes of one block), and when the log is full a flush commits: larger means rarer commits, takes space
    /// from the data, and is read whole by each opening. The default, 0, keeps each flush a commit, which is what the experiments study; 1,024
    /// (4 MiB: a thousand flushes to a commit) is what `spinney pool create` takes. Chosen when formatting; opening reads it back.
    pub log_blocks: u64,
    /// Overwrite in place what a version owns alone, if the scheme offers it. Gives up data checksums (a torn block
    /// could not be told from a damaged one), so it is taken only with `ChecksumKind::None`. What a version did not own
    /// alone in the last durable epoch as well is written anew: a cut would bring the other owner back.
    pub in_place: bool,
    /// Read each superblock back once it was flushed, and fail the flush if the device does not have it: without that, a device that
    /// drops this one write unseen takes a whole commit with it. Costs one read of a block a commit: a rotation of a disk.
    pub verify_superblock: bool,
    /// Open although a superblock slot cannot be read (`Io`, try again first) or is damaged as no cut leaves it (`Corrupt`): with the
    /// other slot, which may be one commit older. What that commit let go of may since be overwritten; with checksums it then
    /// reads as `Corrupt`, with `ChecksumKind::None` as wrong bytes. All records of the intent log on the lost commit go with it, and those on
    /// the older one from the first that they lie over (or that is damaged or unreadable) on. Off: such a slot is an error, so that no commit is lost unasked.
    pub accept_unreadable_slot: bool,
    /// Open although a record of the intent log is damaged that a flush had covered (`Corrupt`), or a block of the log or of the last record's
    /// data cannot be read (`Io`, try again first): with the records before it. Off: that is an error.
    pub accept_damaged_log: bool,
}

impl Default for PoolOptions {
    fn default() -> PoolOptions {
        PoolOptions {
            metadata_blocks: None,
            placement: Placement::Area,
            cache_pages: 16_384,
            commit_blocks: 16_384,
            piece_blocks: 256,
            tend_budget: 4_096,
            copy_budget: 16_384,
            checksums: ChecksumKind::Xxh3,
            checksum_key: ChecksumKey::PUBLIC,
            back_references: None,
            log_blocks: 0,
            in_place: false,
            verify_superblock: true,
            accept_unreadable_slot: false,
            accept_damaged_log: false,
        }
    }
}

impl PoolOptions {
    /// The layout of a device of `device_blocks`, formatted with these options. Errors: as [`Layout::new`].
    pub fn layout(&self, device_blocks: u64) -> Result<Layout> {
        let share = if self.placement == Placement::Area { device_blocks / 32 } else { 0 };
        let metadata_blocks = self.metadata_blocks.unwrap_or(share.max(AREA_BLOCKS_MIN));
        Layout::new(device_blocks, metadata_blocks, self.log_blocks)
    }
    /// What the superblock keeps of the key; 0 for a kind that has none.
    pub(crate) fn key_check(&self) -> u64 {
        if self.checksums == ChecksumKind::Blake3 { self.checksum_key.check() } else { 0 }
    }
    /// Whether an `Overwrite` step may be carried out as such.
    pub(crate) fn overwrites(&self) -> bool {
        self.in_place && self.checksums == ChecksumKind::None
    }
}
