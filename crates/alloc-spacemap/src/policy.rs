//! The policies of [`crate::RangeIndex`], their numbers, and the row of the registry.
//!
//! Invariant: defaults are OpenZFS's, turned from bytes into blocks of 4 KiB, but for the floor by size. Chooses nothing itself.

use crate::RangeIndex;
use alloc::boxed::Box;
use spinney_alloc::IndexEntry;
use spinney_core::{Error, Parameter, Result, Settings};

/// Which block of the free space is handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Policy {
    /// `df`: next fit after a cursor for each alignment, with a bounded walk; best fit when space is short.
    #[default]
    Dynamic,
    /// `ff`: the lowest address (ZFS of 2006).
    First,
    /// `cf`: carve the longest run from its start.
    Cursor,
    /// `wf`: the longest run, always.
    Worst,
    /// `ndf`: go on exactly at the cursor, else a run sixteen times the size.
    NewDynamic,
}

/// The numbers of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tuning {
    /// The policy.
    pub policy: Policy,
    /// See [`WALK_BLOCKS_MAX`].
    pub walk_blocks_max: u64,
    /// See [`WALK_RUNS_MIN`].
    pub walk_runs_min: u64,
    /// See [`RUN_BLOCKS_MIN`].
    pub run_blocks_min: u64,
    /// See [`FREE_PERCENT_MIN`].
    pub free_percent_min: u64,
    /// See [`CLUMP_SHIFT`].
    pub clump_shift: u32,
    /// See [`SIZED_BLOCKS_MIN`].
    pub sized_blocks_min: u64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        tuning(&Settings::new()).expect("defaults are lawful")
    }
}

/// The policy's name.
pub const POLICY: Parameter = Parameter::word(
    "policy",
    "df",
    "`df` keeps writes of one kind together while space is plentiful and saves large runs once it is not; `ff` packs \
     the front of the device and breaks whatever run comes first; `cf` writes the longest streams and breaks the largest runs; `wf` \
     breaks the largest for each request and writes no stream (a bad policy, to compare with); `ndf` clumps requests of a size. The default is ZFS's.",
);
/// How far a walk of `df` goes.
pub const WALK_BLOCKS_MAX: Parameter = Parameter::integer(
    "walk_blocks_max",
    4096,
    "How far, in blocks, `df` walks from its cursor before it settles for best fit. A longer walk keeps more requests \
     in address order and costs more on a fragmented device: bounding it cut iterations from over 100,000 to a few \
     hundred on an aged pool. 4,096 blocks are ZFS's 16 MiB.",
);
/// How many runs a walk of `df` looks at in any case.
pub const WALK_RUNS_MIN: Parameter = Parameter::integer(
    "walk_runs_min",
    100,
    "How many runs `df` looks at even beyond `walk_blocks_max`, so that sparse free space is not given up at once. \
     Higher trades time for address order. 100 is ZFS's.",
);
/// Below this, `df` is best fit.
pub const RUN_BLOCKS_MIN: Parameter = Parameter::integer(
    "run_blocks_min",
    32,
    "While the longest free run is shorter than this, in blocks, `df` does not walk: space is badly fragmented and best \
     fit saves what is left. 32 blocks are ZFS's 128 KiB, its largest ordinary record.",
);
/// Below this, `df` is best fit.
pub const FREE_PERCENT_MIN: Parameter = Parameter::integer(
    "free_percent_min",
    4,
    "While less than this share of all blocks is free, `df` does not walk. Higher saves large runs earlier and gives up \
     sequential writes earlier. 4 is ZFS's, which counts it for each metaslab.",
);
/// The clump of `ndf`.
pub const CLUMP_SHIFT: Parameter = Parameter::integer(
    "clump_shift",
    4,
    "`ndf` looks for a run of the size, rounded up to a power of two, times two to this power. Larger clumps keep more \
     requests of a size together and need larger runs. 4, sixteen times, is ZFS's.",
);

/// The floor of the order by size.
pub const SIZED_BLOCKS_MIN: Parameter = Parameter::integer(
    "sized_blocks_min",
    1,
    "Free runs of fewer blocks are left out of the order by size: less to keep for each change, but best fit then serves a \
     smaller request from a run of at least so many blocks while there is one, which breaks what a smaller run would have \
     spared. 4 blocks are ZFS's 16 KiB. The default, 1, keeps all: here an entry is so cheap that 2, 4 and 8 saved nothing \
     that could be measured.",
);

/// The row of the registry.
pub const INDEX: IndexEntry = IndexEntry {
    name: "range",
    summary: "free extents by address and by size; dynamic fit, first fit, cursor fit, worst fit or new dynamic fit",
    paper: "ZFS (2003), metaslab allocator; OpenZFS range trees and block policies",
    parameters: &[
        POLICY,
        WALK_BLOCKS_MAX,
        WALK_RUNS_MIN,
        RUN_BLOCKS_MIN,
        FREE_PERCENT_MIN,
        CLUMP_SHIFT,
        SIZED_BLOCKS_MIN,
    ],
    build: |settings| Ok(Box::new(RangeIndex::new(tuning(settings)?))),
};

pub(crate) fn tuning(settings: &Settings) -> Result<Tuning> {
    let policy = match settings.word(&POLICY) {
        "df" => Policy::Dynamic,
        "ff" => Policy::First,
        "cf" => Policy::Cursor,
        "wf" => Policy::Worst,
        "ndf" => Policy::NewDynamic,
        _ => return Err(Error::BadSetting("policy must be df, ff, cf, wf or ndf")),
    };
    let (free_percent_min, clump_shift) =
        (settings.integer(&FREE_PERCENT_MIN), settings.integer(&CLUMP_SHIFT));
    if free_percent_min > 100 {
        return Err(Error::BadSetting("free_percent_min must be at most 100"));
    }
    if clump_shift > 30 {
        return Err(Error::BadSetting("clump_shift must be at most 30"));
    }
    Ok(Tuning {
        policy,
        walk_blocks_max: settings.integer(&WALK_BLOCKS_MAX),
        walk_runs_min: settings.integer(&WALK_RUNS_MIN),
        run_blocks_min: settings.integer(&RUN_BLOCKS_MIN),
        free_percent_min,
        clump_shift: clump_shift as u32,
        sized_blocks_min: settings.integer(&SIZED_BLOCKS_MIN),
    })
}
