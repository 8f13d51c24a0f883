//! What can be wrong with a name or a setting, with the remedy.
//!
//! Invariant: an unknown name always comes with the names that would have been right.

use std::fmt;

/// Why parts could not be built.
#[derive(Clone, PartialEq, Debug)]
pub enum RegistryError {
    /// No such entry or parameter.
    Unknown {
        /// `allocator`, `groups`, `index`, `form`, `reclaim`, `scheme`, `workload` or `parameter of ...`.
        what: String,
        /// The name given.
        name: String,
        /// All right names.
        known: Vec<String>,
    },
    /// A value of the wrong kind.
    WrongKind {
        /// The parameter.
        parameter: String,
        /// The value given, in words.
        given: String,
        /// What it must be.
        wanted: &'static str,
    },
    /// The entry refused its settings.
    Refused(spinney_core::Error),
    /// A pool's description that this build cannot read.
    Description {
        /// The line, counted from 1.
        line: usize,
    },
}

impl RegistryError {
    /// The known name nearest to the one given, if any is near.
    #[must_use]
    pub fn suggestion(&self) -> Option<&str> {
        let RegistryError::Unknown { name, known, .. } = self else { return None };
        nearest(name, known.iter().map(String::as_str))
    }
}

/// The name nearest to `name`, if any is near enough to be meant.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Unknown { what, name, known } => {
                write!(f, "no {what} is called `{name}`")?;
                if let Some(near) = self.suggestion() {
                    write!(f, "; did you mean `{near}`?")?;
                }
                write!(f, " (known: {})", known.join(", "))
            }
            RegistryError::WrongKind { parameter, given, wanted } => {
                write!(f, "parameter `{parameter}` must be {wanted}, not {given}")
            }
            RegistryError::Refused(error) => write!(f, "{error}"),
            RegistryError::Description { line } => {
                write!(
                    f,
                    "line {line} of the pool's description cannot be read; was it made by a newer release?"
                )
            }
        }
    }
}

impl std::error::Error for RegistryError {}

impl From<spinney_core::Error> for RegistryError {
    fn from(error: spinney_core::Error) -> RegistryError {
        RegistryError::Refused(error)
    }
}
