//! The project's chores: `cargo xtask test|tidy|sim|bench|fuzz|alone`.
//!
//! Invariant: every chore is one plain cargo command or a check of the tree; none but `fuzz` needs more than Rust.

#![expect(clippy::print_stdout, reason = "a chore talks to its terminal")]

mod alone;
mod arrows;
mod fuzz;
mod no_std;
mod source;
mod tidy;

use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask CHORE

  test [ARGS]   every test of the workspace (ARGS go to `cargo test`)
  tidy          arrows between crates, sizes, headers, registry, forbidden words
  sim [ARGS]    long crash lives in a release build; `cargo xtask sim --help` has its options
  bench [ARGS]  the criterion benches (ARGS go to `cargo bench`, for example `-p spinney-alloc-bitmap`)
  alone         each allocator crate by path in an empty crate: few dependencies, its README's `cargo add` makes the example
                run, the indexes link without the standard library
  kills [N]     N (50) power cuts under ext4, xfs and btrfs each, over FUSE and a loop device; needs root
  fuzz TARGET   libFuzzer on a target of `crates/fuzz`, for `--seconds N` (60); needs a C++ compiler
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
    match args.first().map(String::as_str) {
        Some("test") => cargo(&["test", "--workspace"], &rest),
        Some("tidy") => tidy::run(),
        Some("alone") => alone::run(),
        Some("sim") => {
            cargo(&["run", "--release", "--package", "spinney-sim", "--bin", "spinney-sim", "--"], &rest)
        }
        Some("kills") => kills(rest.first().copied().unwrap_or("50")),
        Some("fuzz") => fuzz::run(&rest),
        Some("bench") => cargo(&["bench"], if rest.is_empty() { &["--workspace"] } else { &rest }),
        _ => {
            eprint!("{HELP}");
            ExitCode::from(2)
        }
    }
}

/// One file system after another, since a dead loop device of one can hold up the others.
fn kills(rounds: &str) -> ExitCode {
    let test = ["test", "--package", "spinney", "--test", "kills", "--", "--nocapture", "--test-threads=1"];
    cargo_with(&test, &[], &[("SPINNEY_KILL_ROUNDS", rounds)])
}

fn cargo(command: &[&str], rest: &[&str]) -> ExitCode {
    cargo_with(command, rest, &[])
}

fn cargo_with(command: &[&str], rest: &[&str], variables: &[(&str, &str)]) -> ExitCode {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    match Command::new(cargo).args(command).args(rest).envs(variables.iter().copied()).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}
