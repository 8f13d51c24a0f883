//! What it takes to compare an allocator and a scheme of one's own: an entry, and a row for each in the registry.
//!
//! Invariant of the test: nothing but the test kit's `newcomers` knows the newcomers, and nothing here builds a pool by hand.

use spinney_lab::Experiment;
use spinney_lab::case::Backing;
use spinney_lab::config::{Library, load_text};
use spinney_lab::results::Results;
use spinney_lab::run::{RunOptions, run};
use spinney_registry::{Entry, Registry};
use spinney_sim::{Life, Pair};
use spinney_testkit::newcomers::{ALLOCATOR, SCHEME};
use std::path::Path;
use std::sync::Arc;

/// One row each.
fn registry() -> Registry {
    Registry::standard().with(Entry::Allocator(ALLOCATOR)).with(Entry::Scheme(SCHEME))
}

const CONFIG: &str = r#"
[volume]
size = "8 MiB"
device_size = "24 MiB"
[workload]
name = "overwrite"
fill = 0.5
rounds = 2
snapshot_every = 1
snapshot_unit = "round"
keep = 2
[sweep]
allocator = ["bitmap", "spacemap", "extent", "beginner"]
scheme = ["refcount", "flat", "list"]
[claim.content]
says = "the newcomer holds what the others hold"
expect = "owned_blocks(scheme=list, at=mean) == owned_blocks(scheme=flat, at=mean)"
[claim.own]
says = "the newcomer has no pages but those of its list"
expect = "pages_written_tree(scheme=list, at=max, over=max) == 0 and pages_written_share(scheme=list, at=max, over=max) == 0 and pages_written_catalogue(scheme=list, at=mean) > pages_written_catalogue(scheme=flat, at=mean) and pages_written_tree(scheme=flat, at=mean) > 0"
"#;

#[test]
fn a_fourth_allocator_and_a_third_scheme_take_part_in_a_whole_experiment() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library { folders: vec![folder.path().to_owned()] };
    let (table, sources) = load_text(Path::new("x.toml"), CONFIG.to_owned(), &library).unwrap();
    let experiment = Experiment::read("outsider".into(), table, sources, library).unwrap();
    let options = RunOptions {
        jobs: 2,
        out: Some(folder.path().join("out")),
        backing: Backing::Memory,
        ..RunOptions::default()
    };
    let summary = run(&experiment, &registry(), &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((summary.cases, summary.failed), (12, Vec::new()));
    let report = summary.report.expect("all cases are done");
    assert_eq!(report.claims.len(), 2);
    for (_, verdict, why) in &report.claims {
        assert_eq!(verdict.words(), "reproduced", "{why}");
    }
    let rows = Results::open(&folder.path().join("out")).unwrap().tables().unwrap().rows;
    let at = |name: &str| rows.column(name).unwrap();
    let (allocator, memory) = (at("allocator"), at("index_memory_bytes"));
    let of = |name: &str| {
        let rows = rows.rows.iter().filter(move |row| row[allocator] == name);
        rows.map(|row| row[memory].clone()).collect::<Vec<_>>()
    };
    assert!(
        !of("beginner").is_empty() && of("beginner") != of("extent"),
        "the newcomer's own index must have run"
    );
}

#[test]
fn the_newcomers_live_through_power_cuts() {
    let registry = Arc::new(registry());
    let mut cuts = 0;
    for (allocator, scheme) in [("beginner", "list"), ("beginner", "refcount"), ("extent", "list")] {
        let pair = Pair::new(&registry, allocator, scheme);
        for seed in 0..10 {
            let stats =
                Life::of_seed(&pair, seed, 40).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
            cuts += stats.cuts;
        }
    }
    assert!(cuts > 30, "only {cuts} power cuts: the lives show nothing");
}

#[test]
fn names_that_the_registry_was_not_given_stay_unknown() {
    let error = Registry::standard().allocator("beginner").unwrap_err();
    assert!(error.to_string().contains("no allocator is called `beginner`"), "{error}");
}
