#![doc = include_str!("../README.md")]
//!
//! Invariant: a target is a plain function of its bytes: the same bytes do the same, on any machine, with or without a
//! fuzzer. It panics exactly if what it tries has a fault.

mod backref;
mod bytes;
#[cfg(feature = "lab")]
mod config;
pub mod corpus;
mod form;
mod free_space;
pub mod image;
mod intent_log;
pub mod mutate;
mod nbd;
mod ordered_map;
mod page_log;
mod patch;
mod radix_array;
mod scheme;
mod seal;
mod segments;
mod sheet;
mod store;
mod superblock;
mod text;

/// Something that reads bytes from outside.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// Try some bytes.
    pub run: fn(&[u8]),
    /// Inputs to begin with: the sound ones, and what changes them a little.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "lab")]
    Target { name: "config", run: config::run, seeds: config::seeds },
    Target { name: "trace", run: text::trace, seeds: text::traces },
    Target { name: "free-space", run: free_space::run, seeds: free_space::seeds },
    Target { name: "fio", run: text::fio, seeds: text::fios },
    Target { name: "device-part", run: text::device_part, seeds: text::device_parts },
    Target { name: "pool-spec", run: text::pool_spec, seeds: text::pool_specs },
    Target { name: "superblock", run: superblock::run, seeds: patch::seeds },
    Target { name: "page-map", run: store::run, seeds: patch::seeds },
    Target { name: "activemap", run: form::activemap, seeds: patch::seeds },
    Target { name: "counted-bitmap", run: form::counted_bitmap, seeds: patch::seeds },
    Target { name: "counted-bitmap-block", run: form::counted_bitmap_block, seeds: patch::seeds },
    Target { name: "spacemap", run: form::spacemap, seeds: patch::seeds },
    Target { name: "metaslab", run: form::metaslab, seeds: patch::seeds },
    Target { name: "metaslab-log", run: form::metaslab_log, seeds: patch::seeds },
    Target { name: "extent-tree", run: form::extent_tree, seeds: patch::seeds },
    Target { name: "free-space-tree", run: form::free_space_tree, seeds: patch::seeds },
    Target { name: "lmdb", run: form::lmdb, seeds: patch::seeds },
    Target { name: "batched-log", run: form::batched_log, seeds: patch::seeds },
    Target { name: "threshold-log", run: form::threshold_log, seeds: patch::seeds },
    Target { name: "ordered-map-fixed", run: ordered_map::fixed, seeds: patch::seeds },
    Target { name: "ordered-map-variable", run: ordered_map::variable, seeds: patch::seeds },
    Target { name: "radix-array", run: radix_array::run, seeds: patch::seeds },
    Target { name: "page-log", run: page_log::run, seeds: patch::seeds },
    Target { name: "snap-flat", run: scheme::flat, seeds: patch::seeds },
    Target { name: "snap-refcount", run: scheme::refcount, seeds: patch::seeds },
    Target { name: "snap-refcount-log", run: scheme::refcount_log, seeds: patch::seeds },
    Target { name: "snap-refcount-ranges", run: scheme::refcount_ranges, seeds: patch::seeds },
    Target { name: "snap-deadlist", run: scheme::deadlist, seeds: patch::seeds },
    Target { name: "snap-time", run: scheme::time, seeds: patch::seeds },
    Target { name: "snap-snapmap", run: scheme::snapmap, seeds: patch::seeds },
    Target { name: "snap-chain", run: scheme::chain, seeds: patch::seeds },
    Target { name: "snap-caw", run: scheme::caw, seeds: patch::seeds },
    Target { name: "snap-caw-gct", run: scheme::caw_gct, seeds: patch::seeds },
    Target { name: "snap-betree", run: scheme::betree, seeds: patch::seeds },
    Target { name: "snap-keyver", run: scheme::keyver, seeds: patch::seeds },
    Target { name: "snap-eager", run: scheme::eager, seeds: patch::seeds },
    Target { name: "segments", run: segments::run, seeds: patch::seeds },
    Target { name: "snap-gct-e", run: scheme::gct_e, seeds: patch::seeds },
    Target { name: "snap-gct", run: scheme::gct, seeds: patch::seeds },
    Target { name: "snap-gct-c", run: scheme::gct_c, seeds: patch::seeds },
    Target { name: "backref", run: backref::run, seeds: patch::seeds },
    Target { name: "nbd-handshake", run: nbd::handshake, seeds: nbd::handshakes },
    Target { name: "nbd-transmission", run: nbd::transmission, seeds: nbd::transmissions },
    Target { name: "intent-log", run: intent_log::run, seeds: patch::seeds },
    Target { name: "image", run: image::run, seeds: image::seeds },
];

/// The target of that name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().copied().find(|target| target.name == name)
}
