//! Which parts a pool is made of, as data, and as the text that its superblock carries.
//!
//! Invariant: `parse(text(spec)) == spec`. One line a part or setting, so that a person can read it in a dump.

use crate::RegistryError;
use spinney_core::{Setting, Settings};

/// An entry by name, with settings.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Choice {
    /// The entry's name.
    pub name: String,
    /// What differs from its defaults.
    pub settings: Settings,
}

impl Choice {
    /// An entry with its defaults.
    #[must_use]
    pub fn named(name: &str) -> Choice {
        Choice { name: name.into(), settings: Settings::new() }
    }
}

/// An allocator: four parts, or one that is whole.
#[derive(Clone, PartialEq, Debug)]
pub enum AllocatorSpec {
    /// Groups, index, form and reclaim policy.
    Composed {
        /// Which group of blocks; [`ONE_GROUP`] if the index has no groups.
        groups: Choice,
        /// Which blocks.
        index: Choice,
        /// How free space is kept.
        form: Choice,
        /// When freed blocks come back.
        reclaim: Choice,
    },
    /// An allocator that is not composed.
    Whole(Choice),
}

/// The choice of groups that is none. A description does not name it, as those from before there were groups do not.
pub const ONE_GROUP: &str = "one";

/// The plug-ins of a pool.
#[derive(Clone, PartialEq, Debug)]
pub struct PoolSpec {
    /// Free space.
    pub allocator: AllocatorSpec,
    /// Sharing.
    pub scheme: Choice,
}

impl PoolSpec {
    /// Every part by name, but for the choice of groups that is none.
    #[must_use]
    pub fn choices(&self) -> Vec<(&'static str, &Choice)> {
        let mut choices = match &self.allocator {
            AllocatorSpec::Composed { groups, index, form, reclaim } => {
                vec![("groups", groups), ("index", index), ("form", form), ("reclaim", reclaim)]
            }
            AllocatorSpec::Whole(whole) => vec![("allocator", whole)],
        };
        choices.push(("scheme", &self.scheme));
        choices.retain(|(part, choice)| *part != "groups" || choice.name != ONE_GROUP);
        choices
    }

    /// The text that a superblock carries.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (part, choice) in self.choices() {
            text.push_str(&format!("{part} {}\n", choice.name));
            for (name, value) in &choice.settings.0 {
                text.push_str(&format!("{part}.{name} {}\n", tagged(value)));
            }
        }
        text
    }

    /// Read the text back. Errors: `Description` with the line.
    pub fn parse(text: &str) -> Result<PoolSpec, RegistryError> {
        let mut parts: Vec<(String, Choice)> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let wrong = RegistryError::Description { line: number + 1 };
            // Such a character would not come back as it was, and must not reach a terminal.
            if line.contains(char::is_control) {
                return Err(wrong);
            }
            let (key, value) = line.split_once(' ').ok_or(wrong.clone())?;
            match (key.split_once('.'), parts.last_mut()) {
                (None, _) => parts.push((key.into(), Choice::named(value))),
                (Some((part, name)), Some((last, choice))) if part == last => {
                    let value = untagged(value).ok_or(wrong)?;
                    choice.settings.0.insert(name.into(), value);
                }
                _ => return Err(wrong),
            }
        }
        let end = RegistryError::Description { line: parts.len() };
        let mut take = |part: &str| {
            let at = parts.iter().position(|(name, _)| name == part)?;
            Some(parts.remove(at).1)
        };
        let whole = take("allocator");
        let allocator = match whole {
            Some(whole) => AllocatorSpec::Whole(whole),
            None => AllocatorSpec::Composed {
                groups: take("groups").unwrap_or_else(|| Choice::named(ONE_GROUP)),
                index: take("index").ok_or(end.clone())?,
                form: take("form").ok_or(end.clone())?,
                reclaim: take("reclaim").ok_or(end.clone())?,
            },
        };
        let scheme = take("scheme").ok_or(end)?;
        Ok(PoolSpec { allocator, scheme })
    }
}

/// A value with the kind in front, so that `1` and `"1"` stay apart.
fn tagged(value: &Setting) -> String {
    match value {
        Setting::Integer(value) => format!("i{value}"),
        Setting::Real(value) => format!("r{value:?}"),
        Setting::Switch(value) => format!("b{value}"),
        Setting::Word(value) => format!("w{value}"),
    }
}

fn untagged(text: &str) -> Option<Setting> {
    let (kind, value) = text.split_at_checked(1)?;
    match kind {
        "i" => value.parse().ok().map(Setting::Integer),
        "r" => value.parse().ok().map(Setting::Real),
        "b" => value.parse().ok().map(Setting::Switch),
        "w" => Some(Setting::Word(value.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_spec_reads_back_as_the_spec() {
        let settings = Settings::new().with("a", Setting::Integer(7)).with("b", Setting::Real(0.5));
        let settings = settings.with("c", Setting::Switch(true)).with("d", Setting::Word("x y".into()));
        let index = Choice { name: "bitmap".into(), settings };
        for groups in ["one", "rotor"] {
            let [groups, form, reclaim] = [groups, "pages", "at-commit"].map(Choice::named);
            let index = index.clone();
            let allocator = AllocatorSpec::Composed { groups, index, form, reclaim };
            let spec = PoolSpec { allocator, scheme: Choice::named("refcount") };
            assert_eq!(PoolSpec::parse(&spec.text()), Ok(spec));
        }
    }

    #[test]
    fn a_description_from_before_there_were_groups_has_none() {
        let text = "index bitmap\nform pages\nreclaim at-commit\nscheme refcount\n";
        let spec = PoolSpec::parse(text).expect("it parsed then");
        let AllocatorSpec::Composed { groups, .. } = &spec.allocator else { panic!("{spec:?}") };
        assert_eq!(groups, &Choice::named(ONE_GROUP));
        assert_eq!(spec.text(), text, "and is written as it was");
    }

    #[test]
    fn control_characters_are_refused() {
        for name in ["bit\rmap", "bitmap\u{1b}[2J", "bitmap\0"] {
            let error =
                PoolSpec::parse(&format!("form activemap\nindex {name}\nreclaim at-commit\nscheme flat\n"));
            assert_eq!(error, Err(RegistryError::Description { line: 2 }));
        }
        let last = PoolSpec::parse("index a\nform b\nreclaim c\nscheme d\r");
        assert_eq!(last, Err(RegistryError::Description { line: 4 }));
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        let error = PoolSpec::parse("index bitmap\nindex.a ?7\n");
        assert_eq!(error, Err(RegistryError::Description { line: 2 }));
    }
}
