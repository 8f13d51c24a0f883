//! The command: `spinney run|plan|plot|advise|list|config|trace|device`.
//!
//! Invariant: results go to standard output, everything else to standard error; exit codes are those of the README.
//! Knows how to talk to a terminal and nothing of allocators, schemes or pools.

mod advise;
mod args;
mod config;
mod device;
mod exit;
mod list;
mod plan;
mod run;
mod trace;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Plan(args) => plan::plan(&args),
        Command::Plot(args) => run::plot(&args),
        Command::Advise(args) => advise::advise(&args),
        Command::List(args) => list::list(&args),
        Command::Config(args) => config::config(&args),
        Command::Trace(args) => trace::trace(&args),
        Command::Device(args) => device::device(&args),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            if !matches!(failure, exit::Failure::Deaf) {
                eprintln!("{failure}");
            }
            failure.code()
        }
    }
}
