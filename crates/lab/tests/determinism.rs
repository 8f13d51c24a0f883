//! The promise of the lab: the same config gives the same bytes, however it is run.
//!
//! Invariant of the tests: each compares whole files, and each fails if the runs that it compares were one and the same.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_lab::case::Backing;
use spinney_lab::run::{RunOptions, RunSummary, run};
use spinney_lab::{Experiment, plan};
use spinney_registry::Registry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const TABLES: [&str; 3] = ["rows.csv", "histogram.csv", "fullness.csv"];
/// 2 seeds, 3 allocators, 2 schemes, 2 devices.
const CASES: usize = 24;

/// A folder with a config and the project's parts.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        let parts = bench.folder.path().join("device");
        std::fs::create_dir(&parts).unwrap();
        let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/device");
        for name in ["hdd.toml", "ssd-nvme.toml"] {
            std::fs::copy(configs.join(name), parts.join(name)).unwrap();
        }
        std::fs::write(bench.path("tiny.toml"), CONFIG).unwrap();
        bench
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn run(&self, out: &str, change: impl FnOnce(&mut RunOptions)) -> RunSummary {
        let mut options = RunOptions { jobs: 2, out: Some(self.path(out)), ..RunOptions::default() };
        change(&mut options);
        let experiment = Experiment::load(&self.path("tiny.toml")).unwrap_or_else(|error| panic!("{error}"));
        let summary =
            run(&experiment, &Registry::standard(), &options).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((summary.cases, &summary.failed), (CASES, &Vec::new()));
        summary
    }
    fn tables(&self, out: &str) -> Vec<String> {
        TABLES.iter().map(|name| std::fs::read_to_string(self.path(out).join(name)).unwrap()).collect()
    }
    /// Differences in words, so that a failure does not print three tables.
    fn assert_same(&self, one: &str, other: &str) {
        for ((name, one), other) in TABLES.iter().zip(self.tables(one)).zip(self.tables(other)) {
            assert!(one.lines().count() > CASES, "{name} holds next to nothing");
            let differing = one.lines().zip(other.lines()).enumerate().find(|(_, (one, other))| one != other);
            assert_eq!(differing, None, "{name} differs");
            assert_eq!(one.len(), other.len(), "{name} has another length");
        }
    }
}

const CONFIG: &str = r#"
[volume]
size = "8 MiB"
device_size = "24 MiB"

[workload]
name = "overwrite"
fill = 0.6
rounds = 3
round_share = 0.2
snapshot_every = 1
snapshot_unit = "round"
keep = 1
scan = true

[sweep]
device = ["hdd", "ssd-nvme"]
allocator = ["bitmap", "spacemap", "extent"]
scheme = ["refcount", "flat"]
seed = [1, 2]

[report.runs]
y = "free_runs"
facet = "device"

[claim.seeds]
says = "seeds matter"
expect = "free_runs(seed=1) != free_runs(seed=2)"
not_comparable = "only here to be drawn"
"#;

#[test]
fn threads_and_backing_change_no_byte() {
    let bench = Bench::new();
    bench.run("one", |options| options.jobs = 1);
    bench.run("two", |options| options.jobs = 2);
    bench.assert_same("one", "two");
    let files = bench.path("backing");
    bench.run("file", |options| options.backing = Backing::File(files.clone()));
    bench.assert_same("one", "file");
    assert_eq!(std::fs::read_dir(files).unwrap().count(), 0, "backing files are removed");
    for name in ["report.html", "claims.csv", "figures/runs.svg", "figures/runs.png", "provenance.toml"] {
        let [one, two] = ["one", "two"].map(|out| std::fs::read(bench.path(out).join(name)).unwrap());
        assert!(one == two, "{name} differs between one thread and two");
    }
}

#[test]
fn seeds_allocators_and_schemes_differ() {
    let bench = Bench::new();
    bench.run("out", |_| {});
    let rows = &bench.tables("out")[0];
    let column = |name: &str| rows.lines().next().unwrap().split(',').position(|cell| cell == name).unwrap();
    let (case, runs, pages) = (column("case"), column("free_runs"), column("metadata_pages_live"));
    let mut last: std::collections::BTreeMap<&str, (&str, &str)> = Default::default();
    for row in rows.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        last.insert(cells[case], (cells[runs], cells[pages]));
    }
    let distinct: std::collections::BTreeSet<_> = last.values().collect();
    assert_eq!(last.len(), CASES);
    assert!(distinct.len() > 6, "nearly all cases came out alike: {distinct:?}");
}

#[test]
fn a_stopped_run_goes_on_and_ends_with_the_same_bytes() {
    static STOP: AtomicBool = AtomicBool::new(false);
    let bench = Bench::new();
    bench.run("whole", |_| {});
    let cases = bench.path("parts").join("cases");
    let stopped = std::thread::scope(|scope| {
        let cases = &cases;
        scope.spawn(move || {
            // Stop when some cases are done.
            let done = || std::fs::read_dir(cases).map_or(0, |files| files.filter(is_mark).count());
            while done() < 4 {
                std::thread::sleep(Duration::from_millis(1));
            }
            STOP.store(true, Ordering::Relaxed);
        });
        bench.run("parts", |options| {
            options.stop = Some(&STOP);
            options.jobs = 1;
        })
    });
    let done = std::fs::read_dir(&cases).unwrap().filter(is_mark).count();
    assert!(stopped.stopped && stopped.report.is_none());
    assert!((4..CASES).contains(&done), "{done} cases were done when it stopped");
    assert!(!bench.path("parts").join("rows.csv").exists());
    let resumed = bench.run("parts", |_| {});
    assert_eq!(resumed.skipped, done);
    bench.assert_same("whole", "parts");
}

fn is_mark(file: &std::io::Result<std::fs::DirEntry>) -> bool {
    file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().ends_with(".build"))
}

#[test]
fn a_second_run_skips_all_and_force_repeats_all() {
    let bench = Bench::new();
    assert_eq!(bench.run("first", |_| {}).skipped, 0);
    bench.run("again", |_| {});
    let stamp = |out: &str| {
        let mut files: Vec<_> = std::fs::read_dir(bench.path(out).join("cases")).unwrap().collect();
        files.sort_by_key(|file| file.as_ref().unwrap().file_name());
        let modified =
            |file: std::io::Result<std::fs::DirEntry>| file.unwrap().metadata().unwrap().modified().unwrap();
        files.into_iter().map(modified).collect::<Vec<_>>()
    };
    let before = stamp("again");
    assert_eq!(bench.run("again", |_| {}).skipped, CASES);
    assert_eq!(stamp("again"), before, "a case that is done is not touched");
    assert_eq!(bench.run("again", |options| options.force = true).skipped, 0);
    assert!(stamp("again").iter().zip(&before).all(|(now, before)| now > before), "--force runs each case");
    bench.assert_same("first", "again");
}

#[test]
fn rows_that_are_damaged_or_of_another_sweep_are_made_again() {
    let bench = Bench::new();
    bench.run("good", |_| {});
    bench.run("bad", |_| {});
    let cases = plan(&Experiment::load(&bench.path("tiny.toml")).unwrap(), &Registry::standard()).unwrap();
    let file = |number: usize, table: &str| {
        bench.path("bad").join("cases").join(format!("{}.{table}.csv", cases[number].hash))
    };
    std::fs::write(file(0, "rows"), "").unwrap();
    std::fs::write(file(1, "rows"), "case,allocator\n1,2\n").unwrap();
    std::fs::copy(file(3, "rows"), file(2, "rows")).unwrap();
    std::fs::remove_file(file(4, "histogram")).unwrap();
    assert_eq!(bench.run("bad", |_| {}).skipped, CASES - 4);
    bench.assert_same("good", "bad");
}
