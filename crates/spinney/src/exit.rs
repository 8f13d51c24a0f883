//! How a command ends.
//!
//! Invariant: one code a reason, as the README lists them: a wrong config is 2, want of space 5, what has no code of its own 1.

use spinney_lab::ConfigError;
use spinney_lab::run::RunError;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// A check found damage.
pub(crate) const DAMAGED: u8 = 3;
/// Memory, a disk or a pool is too small.
pub(crate) const OUT_OF_SPACE: u8 = 5;
/// Interrupted by the user; results are kept.
pub(crate) const INTERRUPTED: u8 = 130;

/// Another run holds what this one needs.
const TRY_AGAIN: u8 = 75;

/// Why a command failed.
pub(crate) enum Failure {
    /// The config or the command line is wrong.
    Config(ConfigError),
    /// An option's value is wrong.
    Usage(String),
    /// Another run is at it.
    Busy(String),
    /// Memory or a disk is too small.
    OutOfSpace(String),
    /// What was read is not what was written.
    Damaged(String),
    /// What a server said of a command that it carried out.
    Told { code: u8, words: String },
    /// Nobody reads what is printed any more (`spinney list metrics | head -1`): not a failure worth a word.
    Deaf,
    /// Something else, in words that say what to do.
    Other(String),
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        ExitCode::from(self.number())
    }
    pub(crate) fn number(&self) -> u8 {
        match self {
            Failure::Config(_) | Failure::Usage(_) => 2,
            Failure::Busy(_) => TRY_AGAIN,
            Failure::OutOfSpace(_) => OUT_OF_SPACE,
            Failure::Damaged(_) => DAMAGED,
            Failure::Told { code, .. } => *code,
            Failure::Deaf => 0,
            Failure::Other(_) => 1,
        }
    }
}

impl Failure {
    /// In a word, for a list that goes on.
    pub(crate) fn state(&self) -> &'static str {
        match self {
            Failure::Busy(_) => "in use",
            Failure::Damaged(_) => "damaged",
            _ => "not readable",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(error) => write!(f, "{error}"),
            Failure::Usage(message)
            | Failure::Busy(message)
            | Failure::OutOfSpace(message)
            | Failure::Damaged(message)
            | Failure::Other(message) => {
                write!(f, "error: {message}")
            }
            Failure::Told { words, .. } => f.write_str(words),
            Failure::Deaf => Ok(()),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Failure {
        Failure::Config(error)
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        match error {
            RunError::Config(error) => Failure::Config(error),
            busy @ RunError::Busy(_) => Failure::Busy(busy.to_string()),
            full if full.is_out_of_space() => Failure::OutOfSpace(full.to_string()),
            error => Failure::Other(error.to_string()),
        }
    }
}

/// JSON with the header that every command's JSON has.
pub(crate) fn versioned(command: &str, body: &serde_json::Value) -> String {
    let mut body = body.clone();
    let version = serde_json::json!({ "command": command, "vers_major": 1, "vers_minor": 0 });
    if let Some(fields) = body.as_object_mut() {
        fields.insert("output_version".into(), version);
    }
    format!("{body:#}")
}

/// Print a line of the result. Errors: `Deaf` if the reader has gone, else that it cannot be printed.
pub(crate) fn say(text: impl fmt::Display) -> Result<(), Failure> {
    say_to(&mut io::stdout(), format_args!("{text}\n"))
}

/// The same to somewhere else, and without the line's end.
pub(crate) fn say_to(out: &mut dyn Write, text: impl fmt::Display) -> Result<(), Failure> {
    write!(out, "{text}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::Deaf,
        _ => Failure::Other(format!("cannot print: {error}")),
    })
}

/// A line for a person, beside the result; what was asked for goes on if nobody can read it any more.
pub(crate) fn log(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
