//! `spinney man` and `spinney completions`: both come from the same tree of commands as `--help`.
//!
//! Invariant: nothing is said here that the commands do not say of themselves.

use crate::args::Cli;
use crate::exit::{Failure, say_to};
use clap::CommandFactory;
use clap_complete::Shell;
use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;

/// A page for the command and each of its parts, as `spinney-vol-snapshot.1`.
pub(crate) fn man(out: &Path) -> Result<ExitCode, Failure> {
    let failed = |error: io::Error| Failure::Other(format!("{}: {error}", out.display()));
    fs::create_dir_all(out).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), out).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// To standard output, for the shell to read.
pub(crate) fn completions(shell: Shell) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "spinney", &mut script);
    say_to(&mut io::stdout(), String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
