//! What can go wrong with a workload: a setting, a file, or a line of it; each message says what to do.
//!
//! Invariant: text that came from a file is escaped and cut before it is shown, so that a trace cannot speak to the
//! terminal. Knows nothing of volumes: what an operation does there is the runner's error.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// `Result` with [`WorkloadError`].
pub type Result<T, E = WorkloadError> = std::result::Result<T, E>;

/// What can go wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkloadError {
    /// A setting has a value that the workload cannot take.
    BadSetting {
        /// The parameter.
        name: &'static str,
        /// The value given.
        value: String,
        /// What it must be.
        rule: &'static str,
    },
    /// The system refused.
    Io {
        /// Which file.
        path: PathBuf,
        /// `open`, `create`, `read` or `write`.
        operation: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The file is in no format that is read here.
    UnknownFormat {
        /// Which file.
        path: PathBuf,
        /// What it looks like, and what to do.
        what: String,
    },
    /// The compressed stream is damaged, cut off, or made to exhaust memory or time.
    Compression {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// More bad lines than the error budget allows; the one that broke it is described.
    BadLine {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
        /// Bad lines so far, this one included.
        bad_lines: u64,
    },
    /// A request passes the end of the volume, and the policy is `error`.
    Outside {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Bytes.
        offset: u64,
        /// Bytes.
        length: u64,
        /// The end that it passes, in bytes.
        volume_bytes: u64,
    },
}

impl WorkloadError {
    /// A setting that cannot be taken.
    pub fn bad_setting(name: &'static str, value: impl fmt::Display, rule: &'static str) -> WorkloadError {
        WorkloadError::BadSetting { name, value: escaped(&value.to_string()), rule }
    }
    /// The system refused.
    #[must_use]
    pub fn io(path: &Path, operation: &'static str, source: io::Error) -> WorkloadError {
        WorkloadError::Io { path: path.to_path_buf(), operation, source }
    }
}

/// Text from outside as it may be shown: control characters escaped, cut at 60 characters.
#[must_use]
pub fn escaped(text: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    let mut shown: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push_str("...");
    }
    shown
}

impl fmt::Display for WorkloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WorkloadError::BadSetting { name, value, rule } => {
                write!(f, "bad setting: {name} = {value}; it must be {rule}")
            }
            WorkloadError::Io { path, operation, source } => {
                write!(f, "cannot {operation} {}: {source}", shown(path))
            }
            WorkloadError::UnknownFormat { path, what } => write!(f, "{}: {what}", shown(path)),
            WorkloadError::Compression { path, what } => {
                write!(f, "{}: {what}; get the file again, or decompress it with a trusted tool", shown(path))
            }
            WorkloadError::BadLine { path, line, what, bad_lines } => write!(
                f,
                "{}:{line}: {what}; {bad_lines} bad so far, and at most one line in a thousand may be: repair or \
                 remove the line",
                shown(path)
            ),
            WorkloadError::Outside { path, line, offset, length, volume_bytes } => write!(
                f,
                "{}:{line}: request {offset}+{length} passes the volume's end at {volume_bytes}; use a larger \
                 volume, or set outside = \"wrap\" or \"clip\"",
                shown(path)
            ),
        }
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string().chars().flat_map(char::escape_debug).collect()
}

impl std::error::Error for WorkloadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WorkloadError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
