//! How a command ends.
//!
//! Invariant: the exit codes of CONVENTIONS: a wrong config is 2, everything else that failed 1.

use spinney_lab::ConfigError;
use spinney_lab::run::RunError;
use std::fmt;
use std::process::ExitCode;

/// Interrupted by the user; results are kept.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command failed.
pub(crate) enum Failure {
    /// The config or the command line is wrong.
    Config(ConfigError),
    /// Something else, in words that say what to do.
    Other(String),
}

impl Failure {
    pub(crate) fn code(&self) -> ExitCode {
        match self {
            Failure::Config(_) => ExitCode::from(2),
            Failure::Other(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Config(error) => write!(f, "{error}"),
            Failure::Other(message) => write!(f, "error: {message}"),
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
            error => Failure::Other(error.to_string()),
        }
    }
}

/// JSON with the header that every command's JSON has.
pub(crate) fn versioned(command: &str, mut body: serde_json::Value) -> String {
    let version = serde_json::json!({ "command": command, "vers_major": 1, "vers_minor": 0 });
    if let Some(fields) = body.as_object_mut() {
        fields.insert("output_version".into(), version);
    }
    format!("{body:#}")
}
