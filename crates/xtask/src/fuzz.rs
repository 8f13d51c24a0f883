//! `cargo xtask fuzz TARGET [--seconds N]`: libFuzzer on stable Rust.
//!
//! Invariant: stable flags only, and for this build alone: in a target folder of its own, so that no other build changes. New
//! inputs go below that folder; what is worth keeping is copied to the tree by hand.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// Coverage as libFuzzer reads it: a counter and a place for each edge, and the operands of comparisons.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";
const PACKAGE: &str = "spinney-fuzz";
const BINARY: &str = "spinney-libfuzzer";

pub(crate) fn run(args: &[&str]) -> ExitCode {
    let seconds = match args {
        [_] => Ok(60),
        [_, "--seconds", seconds] => seconds.parse::<u64>().map_err(|_| ()),
        _ => Err(()),
    };
    let (Some(target), Ok(seconds)) = (args.first(), seconds) else {
        eprintln!("cargo xtask fuzz TARGET [--seconds N]; targets are the folders of crates/fuzz/corpus");
        return ExitCode::from(2);
    };
    match build().and_then(|binary| fuzz(&binary, target, seconds)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The folder of the fuzzer's build and of what it finds.
fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("fuzz")
}

/// With a target triple the flags are not for build scripts and macros, which must not be instrumented.
fn build() -> Result<PathBuf, String> {
    let version = Command::new("rustc").arg("-vV").output().map_err(|error| format!("rustc: {error}"))?;
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc names no host")?;
    let arguments =
        ["build", "--release", "-p", PACKAGE, "--features", "libfuzzer", "--bin", BINARY, "--target", host];
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    let status = cargo.args(arguments).arg("--target-dir").arg(folder()).env("RUSTFLAGS", FLAGS).status();
    match status {
        Ok(status) if status.success() => Ok(folder().join(host).join("release").join(BINARY)),
        Ok(_) => Err("the fuzzer was not built".into()),
        Err(error) => Err(format!("cannot start cargo: {error}")),
    }
}

fn fuzz(binary: &PathBuf, target: &str, seconds: u64) -> Result<bool, String> {
    let [found, artifacts] = ["found", "artifacts"].map(|part| folder().join(part).join(target));
    for folder in [&found, &artifacts] {
        std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let status = Command::new(binary)
        .env("SPINNEY_FUZZ_TARGET", target)
        .args([format!("-max_total_time={seconds}"), format!("-artifact_prefix={}/", artifacts.display())])
        .args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1"])
        .arg(found)
        .arg(format!("crates/fuzz/corpus/{target}"))
        .status();
    status.map(|status| status.success()).map_err(|error| format!("cannot start {BINARY}: {error}"))
}
