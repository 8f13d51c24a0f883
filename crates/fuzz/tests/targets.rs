//! Each target over its corpus and over mutants of it, in memory that does not follow any number in them.
//!
//! Invariant: the same inputs in every run. A failure says the target, and the mutant's number or the file.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use cap::Cap;
use spinney_fuzz::{TARGETS, corpus, mutate::Mutator, target};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// All targets of this process together.
const BYTES_MAX: usize = 256 << 20;

#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, BYTES_MAX);

/// Run the corpus of a target, then so many mutants of it.
fn try_out(name: &str, mutants: usize) {
    let target = target(name).unwrap();
    let kept = corpus::load(&target).unwrap();
    assert!(!kept.is_empty(), "{name} has no corpus: `cargo run -p spinney-fuzz --bin spinney-corpus seed`");
    let attempt = |what: &dyn std::fmt::Display, input: &[u8]| {
        let done = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
        assert!(done.is_ok(), "{name}: {what} fails: {input:?}");
    };
    for (file, input) in &kept {
        attempt(file, input);
    }
    let inputs: Vec<Vec<u8>> = kept.into_iter().map(|(_, input)| input).collect();
    let mut mutator = Mutator::new(&inputs, 1);
    for number in 0..mutants {
        attempt(&format!("mutant {number}"), &mutator.mutant());
    }
}

macro_rules! targets {
    ($($(#[$when:meta])? $test:ident, $name:literal, $mutants:literal;)*) => {
        $($(#[$when])? #[test] fn $test() { try_out($name, $mutants); })*

        #[test]
        fn every_target_is_tried_out() {
            let tried = [$($(#[$when])? $name),*];
            assert_eq!(TARGETS.iter().map(|target| target.name).collect::<Vec<_>>(), tried);
        }
    };
}

targets! {
    #[cfg(feature = "lab")] config, "config", 10000;
    trace, "trace", 15000;
    free_space, "free-space", 15000;
    fio, "fio", 15000;
    device_part, "device-part", 10000;
    pool_spec, "pool-spec", 15000;
    superblock, "superblock", 15000;
    page_map, "page-map", 5000;
    activemap, "activemap", 5000;
    counted_bitmap, "counted-bitmap", 5000;
    counted_bitmap_block, "counted-bitmap-block", 5000;
    spacemap, "spacemap", 10000;
    metaslab, "metaslab", 3000;
    metaslab_log, "metaslab-log", 3000;
    extent_tree, "extent-tree", 5000;
    free_space_tree, "free-space-tree", 5000;
    lmdb, "lmdb", 5000;
    batched_log, "batched-log", 5000;
    threshold_log, "threshold-log", 5000;
    ordered_map_fixed, "ordered-map-fixed", 10000;
    ordered_map_variable, "ordered-map-variable", 10000;
    radix_array, "radix-array", 10000;
    page_log, "page-log", 15000;
    snap_flat, "snap-flat", 10000;
    snap_refcount, "snap-refcount", 15000;
    snap_refcount_log, "snap-refcount-log", 5000;
    snap_refcount_ranges, "snap-refcount-ranges", 5000;
    snap_deadlist, "snap-deadlist", 10000;
    snap_time, "snap-time", 5000;
    snap_snapmap, "snap-snapmap", 5000;
    snap_chain, "snap-chain", 5000;
    snap_caw, "snap-caw", 5000;
    snap_caw_gct, "snap-caw-gct", 5000;
    snap_betree, "snap-betree", 5000;
    snap_keyver, "snap-keyver", 5000;
    snap_eager, "snap-eager", 5000;
    segments, "segments", 1500;
    snap_gct_e, "snap-gct-e", 15000;
    snap_gct, "snap-gct", 10000;
    snap_gct_c, "snap-gct-c", 10000;
    backref, "backref", 2000;
    nbd_handshake, "nbd-handshake", 10000;
    nbd_transmission, "nbd-transmission", 3000;
    intent_log, "intent-log", 3000;
    image, "image", 10000;
}

/// What is kept on pages, by the registry's names, and its target where that has another one.
const OTHER_NAMES: [(&str, &str); 2] = [("zfs-regions", "metaslab"), ("zfs", "metaslab-log")];

#[test]
fn every_form_allocator_and_scheme_of_the_registry_has_a_target() {
    let registry = spinney_registry::Registry::standard();
    let forms = registry.forms.iter().map(|entry| entry.name.to_owned());
    let allocators = registry.allocators.iter().map(|entry| {
        let other = OTHER_NAMES.iter().find(|(name, _)| *name == entry.name);
        other.map_or(entry.name, |(_, target)| target).to_owned()
    });
    let schemes = registry.schemes.iter().map(|entry| format!("snap-{}", entry.name));
    let without: Vec<String> =
        forms.chain(allocators).chain(schemes).filter(|name| target(name).is_none()).collect();
    assert!(without.is_empty(), "no target in crates/fuzz for what is on pages of {without:?}");
}
