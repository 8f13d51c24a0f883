//! Every column of the rows is filled by something, and says what it is.
//!
//! Invariant of the test: one small experiment with snapshots, discards of shared blocks and a scan fills them all.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_lab::Experiment;
use spinney_lab::case::METRICS;
use spinney_lab::config::{Library, load_text};
use spinney_lab::results::Results;
use spinney_lab::run::{RunOptions, run};
use spinney_lab::table::Table;
use spinney_registry::Registry;
use std::path::Path;
use tempfile::TempDir;

const CONFIG: &str = r#"
[volume]
size = "24 MiB"
device_size = "28 MiB"
cache_size = "16 KiB"
[workload]
name = "overwrite"
fill = 0.9
unit_blocks = 150
rounds = 6
round_share = 0.4
snapshot_every = 1
snapshot_unit = "round"
keep = 1
scan = true
[device]
kind = "hdd"
"#;

/// The rows of [`CONFIG`] with a sweep, and the folder that they are in.
fn rows(sweep: &str) -> (Table, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let hdd = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/device/hdd.toml");
    let device = std::fs::read_to_string(hdd).unwrap();
    let config = CONFIG.replace("[device]\nkind = \"hdd\"\n", &device) + sweep;
    let library = Library { folders: vec![folder.path().to_owned()] };
    let (table, sources) =
        load_text(Path::new("x.toml"), config, &library).unwrap_or_else(|error| panic!("{error}"));
    let experiment = Experiment::read("metrics".into(), table, sources, library).unwrap();
    let out = folder.path().join("out");
    let options = RunOptions { jobs: 2, out: Some(out.clone()), ..RunOptions::default() };
    let summary = run(&experiment, &Registry::standard(), &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(summary.failed, Vec::new());
    (Results::open(&out).unwrap().tables().unwrap().rows, folder)
}

#[test]
fn every_metric_has_numbers_a_unit_and_words() {
    let (rows, _folder) = rows(
        "[sweep]\nallocator = [\"bitmap\", \"spacemap\", \"extent\"]\nvolume.back_references = [false, true]\n",
    );
    for metric in METRICS.iter() {
        let at = rows.column(&metric.name).unwrap();
        assert!(
            rows.rows.iter().any(|row| Table::number(row, at).is_some()),
            "{} is never filled",
            metric.name
        );
        assert!(!metric.says.is_empty() && !metric.unit.is_empty(), "{} says nothing", metric.name);
    }
}

#[test]
fn columns_that_measure_one_thing_agree() {
    let (rows, _folder) = rows("[sweep]\nallocator = [\"bitmap\", \"spacemap\", \"extent\"]\n");
    let of = |row: &[String], name: &str| Table::number(row, rows.column(name).unwrap()).unwrap_or(f64::NAN);
    for row in rows.rows.iter().filter(|row| of(row, "interval_user_bytes") > 0.0) {
        let of = |name: &str| of(row, name);
        assert_eq!(
            of("interval_allocated_blocks") * 4096.0,
            of("interval_user_bytes"),
            "units are whole blocks"
        );
        let pieces = of("interval_pieces") / of("interval_requests");
        assert!((of("pieces_per_request") / pieces - 1.0).abs() < 1e-5);
        let split = of("split_requests") * of("interval_requests");
        let more = if split > 0.5 { split * (of("pieces_per_split_request") - 1.0) } else { 0.0 };
        assert!((of("interval_pieces") - of("interval_requests") - more).abs() < 0.5, "{split} {more}");
        assert!(of("effort_per_allocation_p50") <= of("effort_per_allocation_p99"));
        assert!(of("effort_per_allocation_p99") <= of("effort_per_allocation_max"));
        assert!(of("free_run_min_blocks") <= of("free_run_mean_blocks"));
        assert!(of("regions_fragmented") <= of("regions"));
        assert!(of("load_space_pages") >= 1.0 && of("load_space_pages") < of("load_pages"));
        assert!(of("unusable_16k") <= of("unusable_64k") && of("unusable_64k") <= of("unusable_4m"));
    }
}

#[test]
fn what_overwriting_frees_shows_as_reclaim_lag_between_the_commits() {
    // No snapshot holds the old blocks, and each round overwrites 40 % of the 6,144 blocks with a commit at its end.
    let (rows, _folder) = rows(
        "[sweep]\nallocator = [\"bitmap\", \"spacemap\", \"extent\"]\nscheme = [\"refcount\", \"flat\"]\nworkload.snapshot_every = [0]\n",
    );
    let phase = rows.column("phase").unwrap();
    let [most, left, allocated] = ["deferred_blocks_max", "deferred_blocks", "interval_allocated_blocks"]
        .map(|name| rows.column(name).unwrap());
    let mut measured = 0;
    for row in rows.rows.iter().filter(|row| row[phase] == "measure") {
        let [most, left, allocated] = [most, left, allocated].map(|at| Table::number(row, at).unwrap());
        assert!(
            most > 0.5 * allocated && most <= allocated && most >= left,
            "{most} of {allocated}: {row:?}"
        );
        measured += 1;
    }
    assert_eq!(measured, 6 * 6);
}
