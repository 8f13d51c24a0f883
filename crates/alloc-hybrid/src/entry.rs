//! What the registry lists: names, parameters with their reasons, constructors.
//!
//! Invariant: constant data; defaults are Ceph's, turned from bytes into blocks of 4 KiB. Knows no algorithm.

use crate::{Avl, AvlTuning, Btree2, Btree2Tuning, CappedIndex, OnMiss, StupidIndex};
use alloc::boxed::Box;
use spinney_alloc::{FreeIndex, IndexEntry};
use spinney_core::{Error, Parameter, Result, Settings};

const WALK_BLOCKS_MAX: Parameter = Parameter::integer(
    "walk_blocks_max",
    4096,
    "How far, in blocks, a walk of `avl` goes from its cursor before best fit serves the request. A longer walk keeps more requests in \
     address order and costs more on a fragmented device. 4,096 blocks are Ceph's 16 MiB; unlike in ZFS, from which the walk was taken, the \
     bound that is reached first ends it.",
);
const WALK_RUNS_MAX: Parameter = Parameter::integer(
    "walk_runs_max",
    100,
    "How many runs a walk of `avl` looks at. Without a bound a request of 64 KiB took 70 to 100 ms on a fragmented device; with too small a \
     one most requests are best fits, which scatter. 100 is Ceph's.",
);
const RUN_BLOCKS_MIN: Parameter = Parameter::integer(
    "run_blocks_min",
    32,
    "While the longest free run is shorter than this, in blocks, `avl` does not walk: best fit saves what is left. 32 blocks are Ceph's 128 KiB.",
);
const FREE_PERCENT_MIN: Parameter = Parameter::integer(
    "free_percent_min",
    4,
    "While less than this share of all blocks is free in the tree, `avl` does not walk. Higher saves long runs earlier and gives up address \
     order earlier. 4 is Ceph's.",
);
const ON_MISS: Parameter = Parameter::word(
    "on_miss",
    "advance",
    "Where the cursor of `avl` goes when a walk finds nothing. `advance`: to where it stopped, so that walks together go over all space. \
     `stay`: nowhere, the fault that the first version with bounds had, kept so that a study can show it: every request walks the same \
     runs in vain.",
);
const WEIGHT_FACTOR: Parameter = Parameter::real(
    "weight_factor",
    2.0,
    "How much a free block in a run above 1 MiB weighs against one in a shorter run, when `btree2` has no run of about the size and chooses \
     whether to cut a longer one or to put the request together from shorter ones. Higher spares short runs and breaks long ones; \
     lower keeps free space whole and cuts objects up. 2 is Ceph's.",
);
const RECENT: Parameter = Parameter::switch(
    "recent",
    true,
    "Whether `btree2` hands out a chunk of exactly the wanted size (up to 15 blocks) that was freed lately, the last one first: no search, \
     and the place that is in a cache, for cutting into what the chunk has merged with. On, as in Ceph, where a lock is spared too.",
);
const TREE: Parameter = Parameter::word(
    "tree",
    "avl",
    "The policy of the capped tree: `avl` is Ceph's `hybrid`, for years its default; `btree2` its `hybrid_btree2`, which leaves \
     free space less fragmented and cuts more objects up.",
);
const CAP_RUNS: Parameter = Parameter::integer(
    "cap_runs",
    838_860,
    "The most runs in the tree; when there are more, the shortest go to the bitmap until a free merges them. More keep lengths known, so that \
     large requests find whole runs, and cost memory; fewer give memory a bound and small requests whatever bits come first. 838,860 are \
     Ceph's 64 MiB at its 80 bytes a run; here a run takes 4 to 13 bytes, so the same memory would hold more.",
);

fn avl(settings: &Settings) -> Result<Avl> {
    let on_miss = match settings.word(&ON_MISS) {
        "advance" => OnMiss::Advance,
        "stay" => OnMiss::Stay,
        _ => return Err(Error::BadSetting("on_miss must be advance or stay")),
    };
    let free_percent_min = settings.integer(&FREE_PERCENT_MIN);
    if free_percent_min > 100 {
        return Err(Error::BadSetting("free_percent_min must be at most 100"));
    }
    Ok(Avl::new(AvlTuning {
        walk_blocks_max: settings.integer(&WALK_BLOCKS_MAX),
        walk_runs_max: settings.integer(&WALK_RUNS_MAX),
        run_blocks_min: settings.integer(&RUN_BLOCKS_MIN),
        free_percent_min,
        on_miss,
    }))
}

fn btree2(settings: &Settings) -> Result<Btree2> {
    let weight_factor = settings.real(&WEIGHT_FACTOR);
    if !(0.0..=1e6).contains(&weight_factor) {
        return Err(Error::BadSetting("weight_factor must be from 0 to 1000000"));
    }
    Ok(Btree2::new(Btree2Tuning { weight_factor, recent: settings.switch(&RECENT) }))
}

fn hybrid(settings: &Settings) -> Result<Box<dyn FreeIndex>> {
    let cap_runs = settings.integer(&CAP_RUNS);
    match settings.word(&TREE) {
        "avl" => Ok(Box::new(CappedIndex::new(avl(settings)?, cap_runs))),
        "btree2" => Ok(Box::new(CappedIndex::new(btree2(settings)?, cap_runs))),
        _ => Err(Error::BadSetting("tree must be avl or btree2")),
    }
}

/// Offset and size trees.
pub const AVL: IndexEntry = IndexEntry {
    name: "bluestore-avl",
    summary: "first fit from a cursor for each alignment, bounded twice; best fit when space is short",
    paper: "Ceph BlueStore, avl allocator (2020), after ZFS's dynamic fit; from its sources",
    parameters: &[WALK_BLOCKS_MAX, WALK_RUNS_MAX, RUN_BLOCKS_MIN, FREE_PERCENT_MIN, ON_MISS],
    build: |settings| Ok(Box::new(CappedIndex::new(avl(settings)?, u64::MAX))),
};

/// Offset tree and size buckets.
pub const BTREE2: IndexEntry = IndexEntry {
    name: "bluestore-btree2",
    summary: "runs in 14 buckets by size; long runs are broken only while most free space is in them",
    paper: "Ceph BlueStore, btree2 allocator (2024), from its sources",
    parameters: &[WEIGHT_FACTOR, RECENT],
    build: |settings| Ok(Box::new(CappedIndex::new(btree2(settings)?, u64::MAX))),
};

/// Bins with hints.
pub const STUPID: IndexEntry = IndexEntry {
    name: "bluestore-stupid",
    summary: "ten bins by the power of two in a length, each searched from a hint, upward and then downward",
    paper: "Ceph BlueStore, stupid allocator (2015), from its sources",
    parameters: &[],
    build: |_| Ok(Box::new(StupidIndex::default())),
};

/// A capped tree and a bitmap.
pub const HYBRID: IndexEntry = IndexEntry {
    name: "bluestore-hybrid",
    summary: "a tree of at most so many runs, whose shortest spill over into a bitmap",
    paper: "Ceph BlueStore, hybrid allocators (2020, 2024), from their sources",
    parameters: &[
        TREE,
        CAP_RUNS,
        WALK_BLOCKS_MAX,
        WALK_RUNS_MAX,
        RUN_BLOCKS_MIN,
        FREE_PERCENT_MIN,
        ON_MISS,
        WEIGHT_FACTOR,
        RECENT,
    ],
    build: hybrid,
};
