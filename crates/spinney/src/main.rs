//! The command: `spinney run|plan|plot|advise|list|config|trace|device|pool|vol|serve|iostat|man|completions`.
//!
//! Invariant: results go to standard output, everything else to standard error; exit codes are those of the README.
//! Knows how to talk to a terminal and no allocator or scheme.

mod advise;
mod args;
mod config;
mod control;
mod device;
mod exit;
mod iostat;
mod known;
mod list;
mod manager;
mod manual;
mod members;
mod metrics;
mod plan;
mod pool;
mod record;
mod run;
mod serve;
mod sides;
mod table;
mod trace;
mod vol;

use args::{Cli, Command};
use clap::Parser;
use std::io::{self, Write};
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
        Command::Pool { command } => pool::pool(&command),
        Command::Vol { command } => vol::vol(&command),
        Command::Serve(args) => serve::serve(&args),
        Command::Iostat(args) => iostat::iostat(&args),
        Command::Device(args) => device::device(&args),
        Command::Man { folder } => manual::man(&folder),
        Command::Completions { shell } => manual::completions(shell),
    };
    match done {
        Ok(code) => code,
        Err(failure) => {
            if !matches!(failure, exit::Failure::Deaf) {
                let _ = writeln!(io::stderr(), "{failure}"); // nobody may be there to read it
            }
            failure.code()
        }
    }
}
