//! The command as a user meets it: exit codes, help, JSON, and what is left after it was killed.
//!
//! Invariant of the tests: each runs the built program in a folder of its own and looks only at what a user can see.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const CONFIG: &str = r#"
[volume]
size = "8 MiB"
device_size = "24 MiB"
[workload]
name = "overwrite"
fill = 0.6
rounds = 8
round_share = 0.3
[sweep]
allocator = ["bitmap", "spacemap", "extent"]
scheme = ["refcount", "flat"]
seed = [1, 2, 3, 4]
[report.runs]
y = "free_runs"
[claim.runs]
says = "there is free space"
expect = "free_blocks(at=min, over=min) > 0"
"#;
const CASES: usize = 24;

struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let bench = Bench { folder: tempfile::tempdir().unwrap() };
        fs::write(bench.path("tiny.toml"), CONFIG).unwrap();
        bench
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spinney"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
    /// Run, and give standard output; the exit code must be this.
    fn text(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let [out, err] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{out}\n{err}");
        out
    }
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let text = self.text(arguments, code);
        let value: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let version = &value["output_version"];
        assert!(version["vers_major"].is_u64() && version["command"].is_string(), "{value}");
        value
    }
    fn tables(&self, out: &str) -> [Vec<u8>; 3] {
        ["rows.csv", "histogram.csv", "fullness.csv"].map(|name| fs::read(self.path(out).join(name)).unwrap())
    }
    fn done(&self, out: &str) -> usize {
        let files = fs::read_dir(self.path(out).join("cases"));
        files.map_or(0, |files| files.filter(|file| ends(file, ".build")).count())
    }
    /// Start a run and wait until some of its cases are done.
    fn start(&self, out: &str, more: &[&str]) -> Child {
        let mut command = self.command(&[&["run", "tiny.toml", "--jobs", "1", "--out", out], more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(120);
        while self.done(out) < 2 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was interrupted");
            assert!(Instant::now() < until, "no case was done in two minutes");
            std::thread::sleep(Duration::from_millis(2));
        }
        child
    }
}

fn ends(file: &std::io::Result<fs::DirEntry>, end: &str) -> bool {
    file.as_ref().is_ok_and(|file| file.file_name().to_string_lossy().ends_with(end))
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn every_command_has_help_with_an_example() {
    let bench = Bench::new();
    let commands = [
        &["run"][..],
        &["plan"],
        &["plot"],
        &["list"],
        &["config"],
        &["config", "check"],
        &["trace"],
        &["trace", "info"],
        &["trace", "convert"],
    ];
    for command in commands {
        let help = bench.text(&[command, &["--help"]].concat(), 0);
        assert!(help.contains(&format!("Example: spinney {}", command.join(" "))), "{command:?}: {help}");
    }
    assert!(bench.text(&["--help"], 0).contains("Exit codes"));
}

#[test]
fn what_is_listed_is_also_listed_as_json() {
    let bench = Bench::new();
    for (what, known) in [
        ("allocators", "spacemap"),
        ("schemes", "refcount"),
        ("workloads", "overwrite"),
        ("devices", "hdd"),
        ("checksums", "crc32c"),
        ("metrics", "free_runs"),
    ] {
        let value = bench.json(&["list", what, "--json"], 0);
        let items = value["items"].as_array().unwrap();
        assert!(items.iter().any(|item| item["name"] == known), "{what}: {value}");
        let text = bench.text(&["list", what], 0);
        let last = if what == "metrics" { "unit" } else { "from" };
        assert!(text.lines().next().unwrap().ends_with(last), "{text}");
        for item in items {
            assert!(text.contains(item["name"].as_str().unwrap()), "{item}");
        }
    }
}

#[test]
fn a_list_says_what_a_reader_could_take_for_more_than_it_is() {
    let bench = Bench::new();
    for (what, name, words) in [
        ("checksums", "blake3", "a config cannot set the key"),
        ("metrics", "regions", "recalled, not checked"),
    ] {
        let value = bench.json(&["list", what, "--json"], 0);
        let items = value["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["name"] == name).unwrap();
        assert!(item["summary"].as_str().unwrap().contains(words), "{item}");
    }
}

#[test]
fn a_run_tells_the_same_in_words_and_in_json() {
    let bench = Bench::new();
    let words = bench.run(&["run", "tiny.toml", "--jobs", "2"]);
    let errors = String::from_utf8_lossy(&words.stderr).into_owned();
    assert_eq!(words.status.code(), Some(0), "{errors}");
    assert!(errors.contains("24 cases: 24 run, 0 done before, 0 void"), "{errors}");
    assert!(!errors.contains(['\r', '\x1b']), "no progress bar off a terminal: {errors:?}");
    let text = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(text.contains("reproduced: there is free space"), "{text}");
    assert!(bench.path("results/tiny/report.html").is_file());
    let value = bench.json(&["run", "tiny.toml", "--json"], 0);
    assert_eq!((&value["cases"], &value["skipped"]), (&CASES.into(), &CASES.into()));
    assert_eq!(value["result"]["claims"][0]["verdict"], "reproduced");
}

#[test]
fn a_wrong_config_or_command_line_exits_with_2() {
    let bench = Bench::new();
    fs::write(bench.path("bad.toml"), CONFIG.replace("fill = 0.6", "fil = 0.6")).unwrap();
    for command in [&["run", "bad.toml"][..], &["plan", "bad.toml"], &["config", "check", "bad.toml"]] {
        let output = bench.run(command);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains("bad.toml:7:1") && errors.contains("did you mean `fill`?"), "{errors}");
        assert!(output.stdout.is_empty());
    }
    let value = bench.json(&["config", "check", "bad.toml", "--json"], 2);
    assert_eq!(value["problems"][0]["place"], "bad.toml:7:1");
    bench.text(&["run", "absent.toml"], 2);
    bench.text(&["run"], 2);
    bench.text(&["plot", "."], 2);
    bench.text(&["list", "everything"], 2);
    assert!(!bench.path("results").exists(), "a wrong config leaves nothing behind");
}

#[test]
fn a_void_case_exits_with_1_and_the_others_count() {
    let bench = Bench::new();
    let axis = "[sweep]\nvolume.metadata_size = [\"1 MiB\", \"8 KiB\"]";
    fs::write(bench.path("tiny.toml"), CONFIG.replace("[sweep]", axis)).unwrap();
    let output = bench.run(&["run", "tiny.toml"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("void: ") && errors.contains("24 run, 0 done before, 24 void"), "{errors}");
    let rows = fs::read_to_string(bench.path("results/tiny/rows.csv")).unwrap();
    assert!(rows.contains("1 MiB") && !rows.contains("8 KiB"));
}

#[test]
fn a_plan_counts_without_running() {
    let bench = Bench::new();
    fs::write(bench.path("tiny.toml"), CONFIG.replace("fill = 0.6", "fill = 0.5")).unwrap();
    let text = bench.text(&["plan", "tiny.toml"], 0);
    assert_eq!(text.lines().filter(|line| line.contains("allocator=")).count(), CASES);
    assert!(text.contains("24 cases write and read"), "{text}");
    let value = bench.json(&["plan", "tiny.toml", "--json"], 0);
    assert_eq!(value["cases"].as_array().unwrap().len(), CASES);
    // 0.5 of 8 MiB to fill, and eight rounds of 0.3 of that, in each of 24 cases.
    let written = value["written_bytes"].as_u64().unwrap() as f64;
    let expected = 24.0 * 0.5 * f64::from(8 << 20) * (1.0 + 8.0 * 0.3);
    assert!((written / expected - 1.0).abs() < 0.02, "{written} of {expected}");
    assert_eq!(bench.json(&["config", "check", "tiny.toml", "--json"], 0)["cases"], CASES);
    assert!(!bench.path("results").exists());
}

#[test]
fn a_plot_draws_the_same_report_without_running() {
    let bench = Bench::new();
    bench.text(&["run", "tiny.toml", "--seed", "7", "--out", "out"], 0);
    let files = ["report.html", "figures/runs.svg", "figures/runs.png", "claims.csv"];
    let read = || files.map(|name| fs::read(bench.path("out").join(name)).unwrap());
    let before = read();
    let rows = fs::metadata(bench.path("out/rows.csv")).unwrap().modified().unwrap();
    for name in files {
        fs::remove_file(bench.path("out").join(name)).unwrap();
    }
    bench.text(&["plot", "out"], 0);
    for ((name, before), after) in files.iter().zip(before).zip(read()) {
        assert!(before == after, "{name} differs");
    }
    assert_eq!(fs::metadata(bench.path("out/rows.csv")).unwrap().modified().unwrap(), rows);
    assert_eq!(bench.json(&["plot", "out", "--json"], 0)["claims"][0]["verdict"], "reproduced");
    // With the config gone, the folder's own copy serves.
    fs::remove_file(bench.path("tiny.toml")).unwrap();
    bench.text(&["plot", "out"], 0);
}

#[test]
fn a_plot_is_of_the_config_that_was_run_and_not_of_what_it_became() {
    let bench = Bench::new();
    let part = |text: &str| {
        fs::create_dir_all(bench.path("configs/workload")).unwrap();
        fs::write(bench.path("configs/workload/mine.toml"), format!("[workload]\n{text}\n")).unwrap();
    };
    part("name = \"overwrite\"\nfill = 0.6\nrounds = 3");
    let config = CONFIG.replace(
        "name = \"overwrite\"\nfill = 0.6\nrounds = 8\nround_share = 0.3",
        "base = \"workload/mine\"",
    );
    fs::write(bench.path("tiny.toml"), &config).unwrap();
    bench.text(&["run", "tiny.toml", "--out", "out"], 0);
    let files = ["report.html", "figures/runs.svg", "claims.csv"];
    let read = || files.map(|name| fs::read(bench.path("out").join(name)).unwrap());
    let before = read();
    part("name = \"overwrite\"\nfill = 0.5\nrounds = 9");
    let other = config.replace("free_blocks(at=min, over=min) > 0", "free_blocks(at=min, over=min) < 0");
    fs::write(bench.path("tiny.toml"), format!("title = \"Another question\"\n{other}")).unwrap();
    bench.text(&["plot", "out"], 0);
    for ((name, before), after) in files.iter().zip(before).zip(read()) {
        assert!(before == after, "{name} differs");
    }
}

#[test]
fn a_results_folder_repeats_its_run_without_the_configs() {
    let bench = Bench::new();
    for (part, text) in
        [("device", "kind = \"memory\""), ("workload", "name = \"overwrite\"\nfill = 0.6\nrounds = 2")]
    {
        let folder = bench.path("configs").join(part);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("mine.toml"), format!("[{part}]\n{text}\n")).unwrap();
    }
    let config = "[volume]\nsize = \"8 MiB\"\ndevice_size = \"24 MiB\"\n[workload]\nbase = \"workload/mine\"\n\
                  [sweep]\ndevice = [\"mine\"]\nseed = [1, 2]\n";
    fs::create_dir(bench.path("study")).unwrap();
    fs::write(bench.path("study/config.toml"), config).unwrap();
    bench.text(&["run", "study/config.toml"], 0);
    let before = bench.tables("results/study"); // called by its folder
    fs::rename(bench.path("results/study"), bench.path("alone")).unwrap();
    for gone in ["configs", "study", "results"] {
        fs::remove_dir_all(bench.path(gone)).unwrap();
    }
    bench.text(&["run", "alone/config/config.toml"], 0);
    assert!(before == bench.tables("results/alone"));
}

#[test]
fn an_interrupted_run_exits_with_130_and_goes_on() {
    let bench = Bench::new();
    bench.text(&["run", "tiny.toml", "--out", "whole"], 0);
    let child = bench.start("out", &[]);
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{errors}");
    assert!(errors.contains("the same command goes on"), "{errors}");
    let done = bench.done("out");
    assert!((2..CASES).contains(&done), "{done} cases were done");
    let value = bench.json(&["run", "tiny.toml", "--out", "out", "--json"], 0);
    assert_eq!(value["skipped"], done);
    assert!(bench.tables("whole") == bench.tables("out"));
}

#[test]
fn a_killed_run_goes_on_and_ends_with_the_same_bytes() {
    let bench = Bench::new();
    bench.text(&["run", "tiny.toml", "--out", "whole"], 0);
    for more in [&[][..], &["--backing", "backing"]] {
        let out = format!("out{}", more.len());
        let mut child = bench.start(&out, more);
        child.kill().unwrap();
        child.wait().unwrap();
        let done = bench.done(&out);
        assert!((2..CASES).contains(&done), "{done} cases were done");
        let again = [&["run", "tiny.toml", "--json", "--out", &out], more].concat();
        assert_eq!(bench.json(&again, 0)["skipped"], done);
        assert!(bench.tables("whole") == bench.tables(&out));
    }
    assert_eq!(fs::read_dir(bench.path("backing")).unwrap().count(), 0, "no backing file is left");
}

#[test]
fn a_folder_that_another_run_holds_is_refused() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("out")).unwrap();
    let held = fs::File::create(bench.path("out/.lock")).unwrap();
    held.lock().unwrap();
    let output = bench.run(&["run", "tiny.toml", "--out", "out"]);
    assert_eq!(output.status.code(), Some(75));
    assert!(String::from_utf8_lossy(&output.stderr).contains("choose another folder with --out"));
}

#[test]
fn more_than_the_memory_of_any_machine_is_refused_with_a_remedy() {
    let bench = Bench::new();
    fs::write(bench.path("tiny.toml"), CONFIG.replace("24 MiB", "15 TiB")).unwrap();
    let output = bench.run(&["run", "tiny.toml"]);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(errors.contains("--backing DIR"), "{errors}");
    assert!(bench.text(&["plan", "tiny.toml"], 0).contains("more memory than there is"));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let bench = Bench::new();
    let mut child =
        bench.command(&["list", "metrics"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_trace_is_described_and_converted() {
    let bench = Bench::new();
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/traces/cargo-xfs.csv.zst");
    let trace = trace.to_str().unwrap();
    let value = bench.json(&["trace", "info", trace, "--json"], 0);
    let text = bench.text(&["trace", "info", trace], 0);
    assert!(text.contains(&value["requests"].to_string()), "{text}\n{value}");
    bench.text(&["trace", "convert", trace, "--out", "plain.csv"], 0);
    let again = bench.json(&["trace", "info", "plain.csv", "--json"], 0);
    for field in ["requests", "write", "discard", "end_byte"] {
        assert_eq!(value.get(field), again.get(field), "{field}");
    }
    bench.text(&["trace", "convert", trace, "--out", "plain.csv"], 1);
    bench.text(&["trace", "convert", trace, "--out", "plain.csv", "--force"], 0);
    bench.text(&["trace", "info", "absent.csv"], 1);
    fs::write(bench.path("noise.csv"), [0xff, 0, 7, b'\n', 9]).unwrap();
    bench.text(&["trace", "info", "noise.csv"], 1);
}

#[test]
fn a_device_is_predicted_and_held_against_its_data_sheet() {
    let bench = Bench::new();
    let value = bench.json(&["device", "predict", "ssd-sata", "--json"], 0);
    assert_eq!(value["cells"].as_array().unwrap().len(), 24);
    assert_eq!(value["datasheet"].as_array().unwrap().len(), 6);
    assert!(value["datasheet"][0]["error_permille"].is_i64(), "{value}");
    let text = bench.text(&["device", "predict", "memory"], 0);
    assert!(text.contains("no time"), "{text}");
    bench.text(&["device", "predict", "floppy"], 1);
}

#[test]
fn a_fio_result_is_fitted_to_a_part_that_can_be_predicted() {
    let bench = Bench::new();
    let job = |rw: &str, depth: u64, rate: u64| {
        let side = rw.trim_start_matches("rand");
        format!(
            r#"{{"jobname":"{rw}","job options":{{"rw":"{rw}","bs":"4k","iodepth":"{depth}"}},"{side}":{{"bw_bytes":{rate}}}}}"#
        )
    };
    let mut jobs = Vec::new();
    for rw in ["read", "randread", "write", "randwrite"] {
        jobs.extend([job(rw, 1, 40_000_000), job(rw, 32, 200_000_000)]);
    }
    fs::write(bench.path("fio.json"), format!("{{\"jobs\":[{}]}}", jobs.join(","))).unwrap();
    let fitted = bench.json(&["device", "fit", "fio.json", "--out", "mine.toml", "--json"], 0);
    assert!(fitted["median_error_permille"].as_u64().unwrap() < 50, "{fitted}");
    bench.text(&["device", "fit", "fio.json", "--out", "mine.toml"], 1);
    let predicted = bench.json(&["device", "predict", "mine.toml", "--json"], 0);
    assert_eq!(predicted["datasheet"].as_array().unwrap().len(), 8);
    fs::write(bench.path("fio.json"), "{\"jobs\":[]}").unwrap();
    bench.text(&["device", "fit", "fio.json"], 1);
}

#[test]
fn advise_ranks_every_allocator_and_says_which_to_take() {
    let bench = Bench::new();
    let workload = "[workload]\nname = \"overwrite\"\nunit_blocks = 4\nrounds = 100\nround_share = 0.1\n";
    fs::create_dir_all(bench.path("configs/workload")).unwrap();
    fs::write(bench.path("configs/workload/small.toml"), workload).unwrap();
    let ask = ["advise", "--workload", "small", "--device", "hdd", "--fullness", "60%", "--size", "8 MiB"];
    let answer = bench.json(&[&ask[..], &["--json"]].concat(), 0);
    let listed = bench.json(&["list", "allocators", "--json"], 0);
    let ranking = answer["ranking"].as_array().unwrap();
    assert!(
        ranking.len() >= 3 && listed.to_string().contains(ranking[0]["allocator"].as_str().unwrap()),
        "{answer}"
    );
    assert_eq!(answer["recommended"], ranking[0]["allocator"]);
    assert_eq!(answer["void"], Value::Array(Vec::new()));
    for each in ranking {
        let fullness = each["reasons"]["fullness"].as_f64().unwrap();
        assert!((0.58..1.0).contains(&fullness), "60 % live, and what waits to be reclaimed: {each}");
        assert!(each["write_mb_per_s"]["median"].as_f64().unwrap() > 0.0, "{each}");
    }
    let text = bench.text(&ask, 0);
    assert!(text.contains(&format!("Take {}: ", answer["recommended"].as_str().unwrap())), "{text}");
    fs::write(bench.path("small.csv"), "0,W,0,65536\n5,W,8192,4096\n9,D,0,4096\n11,F,0,0\n20,W,0,4096\n")
        .unwrap();
    let ask =
        ["advise", "--trace", "small.csv", "--device", "ssd-nvme", "--size", "8 MiB", "--out", "t", "--json"];
    assert!(bench.json(&ask, 0)["recommended"].is_string());
    bench.text(&["advise", "--workload", "small", "--device", "hdd", "--fullness", "much"], 2);
    bench.text(&["advise", "--workload", "smal", "--device", "hdd"], 2);
    bench.text(&["advise", "--device", "hdd"], 2);
}
