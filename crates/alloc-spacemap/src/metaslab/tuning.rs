//! The numbers of [`super::Metaslabs`], and its rows of the registry.
//!
//! Invariant: defaults are OpenZFS's, turned from bytes into blocks and from seconds into epochs. Chooses nothing itself.

use super::Metaslabs;
use crate::form::{CONDENSE_PAGES, CONDENSE_PERCENT, Condense, condense};
use crate::policy::{self, Tuning};
use alloc::boxed::Box;
use spinney_alloc::gang::Children;
use spinney_alloc::reclaim::{AtCommit, EPOCHS, HOLD, SLOP_BLOCKS_MIN, SLOP_SHIFT};
use spinney_alloc::{AllocatorEntry, Reclaim};
use spinney_core::{Error, Parameter, Result, Setting, Settings};

/// The most blocks of a region: its runs are counted in 32 bits.
const REGION_BLOCKS_MAX: u64 = 1 << 31;
/// The most regions of a universe.
const REGIONS_MAX: u64 = 1 << 17;
const BLOCK_SHIFT: u32 = 12;

/// How regions are ordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// By their longest runs.
    Segment,
    /// By free space, discounted for fragmentation.
    Space,
}

/// All that can be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MetaslabTuning {
    /// See [`REGION_BLOCKS`].
    pub region_blocks: u64,
    /// See [`WEIGHT`].
    pub weight: Weight,
    /// See [`TRIES_MAX`].
    pub tries_max: u64,
    /// See [`GANG`].
    pub gang: Option<Children>,
    /// See [`KEEP_WHOLE`].
    pub keep_whole: bool,
    /// See [`SIZE_CACHE`].
    pub size_cache: bool,
    /// See [`PRELOAD_REGIONS`].
    pub preload_regions: u64,
    /// See [`UNLOAD_EPOCHS`].
    pub unload_epochs: u64,
    /// See [`MEMORY_MIB_MAX`], in bytes.
    pub memory_bytes_max: u64,
    /// See [`LOG`].
    pub log: bool,
    /// See [`LOG_PAGES_MAX`].
    pub log_pages_max: u64,
    /// When a region's map is rewritten.
    pub condense: Condense,
    /// How a region chooses.
    pub index: Tuning,
}

impl MetaslabTuning {
    /// Blocks of each region of a universe of `blocks` blocks. By ZFS's rule: regions of 512 MiB, larger and smaller so that there are
    /// between some 16 and 200, none smaller than 16 MiB or larger than 16 GiB unless they were more than 131,072.
    #[must_use]
    pub fn region_blocks_of(&self, blocks: u64) -> u64 {
        let rule = || {
            let bytes = u128::from(blocks) << BLOCK_SHIFT;
            let high = |bytes: u128| u128::BITS - bytes.leading_zeros();
            let shift = match bytes >> 29 {
                0..16 => high(bytes / 16),
                16..=200 => 29,
                _ => high(bytes / 200),
            };
            1 << (shift.clamp(24, 34) - BLOCK_SHIFT)
        };
        let mut region = if self.region_blocks > 0 { self.region_blocks } else { rule() };
        while blocks.div_ceil(region) > REGIONS_MAX {
            region *= 2;
        }
        region
    }
    /// Pages that the log may have, for so many regions.
    pub(super) fn log_pages(&self, regions: u64) -> u64 {
        if self.log_pages_max > 0 { self.log_pages_max } else { (4 * regions).clamp(4, 8192) }
    }
    /// From checked settings. Errors: `BadSetting`.
    pub fn new(settings: &Settings, log: &Parameter) -> Result<MetaslabTuning> {
        let weight = match settings.word(&WEIGHT) {
            "segment" => Weight::Segment,
            "space" => Weight::Space,
            _ => return Err(Error::BadSetting("weight must be segment or space")),
        };
        let gang = match settings.word(&GANG) {
            "ranges" => Some(Children::Ranges),
            "fixed" => Some(Children::Fixed),
            "none" => None,
            _ => return Err(Error::BadSetting("gang must be ranges, fixed or none")),
        };
        let region_blocks = settings.integer(&REGION_BLOCKS);
        if region_blocks > REGION_BLOCKS_MAX {
            return Err(Error::BadSetting("region_blocks must be at most 2147483648"));
        }
        Ok(MetaslabTuning {
            region_blocks,
            weight,
            tries_max: settings.integer(&TRIES_MAX).max(1),
            gang,
            keep_whole: settings.switch(&KEEP_WHOLE),
            size_cache: settings.switch(&SIZE_CACHE),
            preload_regions: settings.integer(&PRELOAD_REGIONS),
            unload_epochs: settings.integer(&UNLOAD_EPOCHS),
            memory_bytes_max: settings.integer(&MEMORY_MIB_MAX).saturating_mul(1 << 20),
            log: settings.switch(log),
            log_pages_max: settings.integer(&LOG_PAGES_MAX),
            condense: condense(settings)?,
            index: policy::tuning(settings)?,
        })
    }
}

/// The size of a region.
pub const REGION_BLOCKS: Parameter = Parameter::integer(
    "region_blocks",
    0,
    "Blocks of a region; 0 takes ZFS's rule (some 200 regions, between 16 MiB and 16 GiB each). Smaller regions load faster and \
     keep less in memory, but more of them are touched by scattered frees, and runs end at their borders. The last is shorter.",
);
/// How regions are ordered.
pub const WEIGHT: Parameter = Parameter::word(
    "weight",
    "segment",
    "`segment` tries the region with the longest runs first, `space` the one with most free space, discounted for \
     fragmentation. The first finds a run for large requests with fewer loads, the second spreads small ones. `segment` is ZFS's.",
);
/// How many regions are looked at.
pub const TRIES_MAX: Parameter = Parameter::integer(
    "tries_max",
    100,
    "Regions that are looked at for a run of the full size before shorter ones are taken. More finds longer runs on a full pool \
     and takes longer to fail; a request that no shorter run would serve always looks at all. 100 is ZFS's.",
);
/// The fall-back for a request that no run holds.
pub const GANG: Parameter = Parameter::word(
    "gang",
    "ranges",
    "How a request is put together that no run of the regions tried holds. `ranges`: from at most three pieces, each between its share \
     and all that is missing, so that a piece is looked for in other regions before a small one is taken from the next best; `fixed`: \
     each is its share, ZFS's way until 2025, which makes three where two would do; `none`: whatever the best region has, however many \
     pieces. What finds no share is a gang itself. No header is written: a volume maps pieces by itself.",
);
/// The 15/16 rule.
pub const KEEP_WHOLE: Parameter = Parameter::switch(
    "keep_whole",
    true,
    "Stay with a region while its longest run has more than 15/16 of its free blocks. Without it a region is left when its longest \
     run falls below a quarter of what it was, which leaves new regions with room in one piece behind. On since ZFS of 2025.",
);
/// The cache of the longest run.
pub const SIZE_CACHE: Parameter = Parameter::switch(
    "size_cache",
    true,
    "Remember the longest run of a region that was unloaded, so that it is not loaded for a request that it cannot serve. Without \
     it the histogram is asked, whose buckets promise up to twice what is there. On in ZFS, for an hour; here until a free comes in.",
);
/// What is loaded ahead.
pub const PRELOAD_REGIONS: Parameter = Parameter::integer(
    "preload_regions",
    10,
    "After each commit so many of the best regions are loaded if memory allows, so that an allocation need not wait for a map to \
     be read. More takes memory and reads, none makes the first allocation from a region slow. 10 is ZFS's.",
);
/// When a region is unloaded.
pub const UNLOAD_EPOCHS: Parameter = Parameter::integer(
    "unload_epochs",
    32,
    "A region that nobody chose for so many epochs is unloaded. More takes memory, fewer read maps again and again. 32 is ZFS's, \
     which waits ten minutes besides; there is no clock here.",
);
/// What loaded regions may take.
pub const MEMORY_MIB_MAX: Parameter = Parameter::integer(
    "memory_mib_max",
    256,
    "Memory of loaded regions: before another is loaded beyond it, those not used for longest are unloaded (never the one that is \
     needed). Less saves memory and reads maps more often, above all for scattered frees. 256 MiB holds 32 of the largest regions \
     at their worst and all of a pool of 512 GiB in any usual state.",
);
/// Whether there is a pool-wide log.
pub const LOG: Parameter = Parameter::switch(
    "log",
    false,
    "Write the changes of all regions into one log a commit, and into the maps of a few regions only. A commit then costs the same \
     however many regions it touched; opening reads the log, and its changes stay in memory.",
);
/// The same, for the row that has it.
const LOG_ON: Parameter = Parameter { default: spinney_core::Fallback::Switch(true), ..LOG };
/// How long the log may be.
pub const LOG_PAGES_MAX: Parameter = Parameter::integer(
    "log_pages_max",
    0,
    "Pages of the log beyond which regions are flushed faster; 0 takes four for each region, at most 8,192. A longer log lets a \
     region gather more changes before its map is written, and takes longer to open. ZFS's factor is four, of larger blocks.",
);
/// Deferred frees.
pub const HOLD_EPOCHS: Parameter = Parameter::integer("hold_epochs", 0, EPOCHS.reason);
const HOLD_EPOCHS_TWO: Parameter = Parameter::integer("hold_epochs", 2, EPOCHS.reason);

macro_rules! parameters {
    ($log:expr, $hold:expr) => {
        &[
            REGION_BLOCKS,
            WEIGHT,
            TRIES_MAX,
            GANG,
            KEEP_WHOLE,
            SIZE_CACHE,
            PRELOAD_REGIONS,
            UNLOAD_EPOCHS,
            MEMORY_MIB_MAX,
            $log,
            LOG_PAGES_MAX,
            $hold,
            SLOP_SHIFT,
            SLOP_BLOCKS_MIN,
            CONDENSE_PERCENT,
            CONDENSE_PAGES,
            policy::POLICY,
            policy::WALK_BLOCKS_MAX,
            policy::WALK_RUNS_MIN,
            policy::RUN_BLOCKS_MIN,
            policy::FREE_PERCENT_MIN,
            policy::CLUMP_SHIFT,
        ]
    };
}

/// The row of the registry.
pub const METASLAB: AllocatorEntry = AllocatorEntry {
    name: "zfs-regions",
    summary: "regions by weight, loaded when they are needed, each with a condensed log of its own",
    paper: "ZFS (2003); OpenZFS metaslabs and space maps",
    parameters: parameters!(LOG, HOLD_EPOCHS),
    build: |settings| build(settings, &LOG, &HOLD_EPOCHS),
};
/// The same as ZFS has it since 2019.
pub const ZFS: AllocatorEntry = AllocatorEntry {
    name: "zfs",
    summary: "regions by weight, one log for the changes of all of them, freed blocks held for two commits more",
    paper: "ZFS (2003); OpenZFS metaslabs, log space maps (2019), deferred frees",
    parameters: parameters!(LOG_ON, HOLD_EPOCHS_TWO),
    build: |settings| build(settings, &LOG_ON, &HOLD_EPOCHS_TWO),
};

fn build(
    settings: &Settings,
    log: &Parameter,
    hold: &Parameter,
) -> Result<Box<dyn spinney_alloc::Allocator>> {
    let epochs = settings.integer(hold);
    let reclaim: Box<dyn Reclaim> = match epochs {
        0 => Box::new(AtCommit),
        _ => (HOLD.build)(&settings.clone().with(EPOCHS.name, Setting::Integer(epochs)))?,
    };
    Ok(Box::new(Metaslabs::new(MetaslabTuning::new(settings, log)?, reclaim)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the notes, section 1a.3.
    #[test]
    fn regions_are_as_many_as_zfs_has_them() {
        let tuning = MetaslabTuning::new(&Settings::new(), &LOG).expect("defaults are lawful");
        let count = |gib: u64| {
            let blocks = gib << (30 - BLOCK_SHIFT);
            blocks.div_ceil(tuning.region_blocks_of(blocks))
        };
        assert_eq!([4, 8, 64, 1 << 10, 4 << 10, 16 << 10].map(count), [8, 16, 128, 128, 256, 1024]);
        assert_eq!(count(4 << 20), 131_072, "the cap");
    }
}
