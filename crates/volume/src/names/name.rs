//! A name: `volume` or `volume@snapshot`.
//!
//! Invariant: a `Name` is well formed, so it can be stored, printed, typed into a shell and read back as it was. Knows no pool.

use spinney_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// The most bytes of a part.
pub const NAME_BYTES_MAX: usize = 200;

/// The name of a volume (a clone too) or of a snapshot of one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name {
    volume: String,
    snapshot: Option<String>,
}

/// Letters and digits of ASCII, and inside also `_ - . :`; as OpenZFS has it.
fn is_part(part: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
    let first = part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    first && part.len() <= NAME_BYTES_MAX && part.bytes().all(inside)
}

impl Name {
    /// The volume, or the one that the snapshot is of.
    #[must_use]
    pub fn volume(&self) -> &str {
        &self.volume
    }
    /// The snapshot's own part.
    #[must_use]
    pub fn snapshot(&self) -> Option<&str> {
        self.snapshot.as_deref()
    }
    /// The name of a snapshot of this one's volume. Errors: `BadSetting`.
    pub fn at(&self, snapshot: &str) -> Result<Name> {
        format!("{}@{snapshot}", self.volume).parse()
    }
    /// Errors: `BadSetting` if it is a snapshot's.
    pub(crate) fn of_volume(&self) -> Result<&str> {
        match self.snapshot {
            None => Ok(&self.volume),
            Some(_) => Err(Error::BadSetting("name: a volume is asked for here, without an @")),
        }
    }
    /// Volume and snapshot. Errors: `BadSetting` if it is a volume's.
    pub(super) fn of_snapshot(&self) -> Result<(&str, &str)> {
        let snapshot = self.snapshot.as_deref();
        let missing = Error::BadSetting("name: a snapshot is asked for here, as volume@snapshot");
        snapshot.map(|snapshot| (self.volume.as_str(), snapshot)).ok_or(missing)
    }
}

impl FromStr for Name {
    type Err = Error;
    fn from_str(text: &str) -> Result<Name> {
        let (volume, snapshot) = match text.split_once('@') {
            Some((volume, snapshot)) => (volume, Some(snapshot)),
            None => (text, None),
        };
        if is_part(volume) && snapshot.is_none_or(is_part) {
            return Ok(Name { volume: volume.to_owned(), snapshot: snapshot.map(str::to_owned) });
        }
        Err(Error::BadSetting(
            "name: volume or volume@snapshot, each a letter or digit and then letters, digits, _ - . : (at most 200)",
        ))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.snapshot {
            Some(snapshot) => write!(f, "{}@{snapshot}", self.volume),
            None => f.write_str(&self.volume),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_comes_back_as_it_was() {
        for text in ["a", "vm-1.disk:0", "9@2026-11-28_10:00", &"x".repeat(NAME_BYTES_MAX)] {
            assert_eq!(text.parse::<Name>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_a_shell_or_a_pool_would_take_for_something_else_is_no_name() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for text in ["", "@a", "a@", "a@b@c", "a/b", "-a", ".a", "a b", "a%b", "ü", "a@-b", &long] {
            assert!(matches!(text.parse::<Name>(), Err(Error::BadSetting(_))), "{text:?}");
        }
    }
}
