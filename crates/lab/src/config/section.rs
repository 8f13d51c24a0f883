//! Strict reading of one table: each key is asked for by name and type; what nobody asked for is a complaint.
//!
//! Invariant: `finish` reports every key that was not read, with the nearest name that was asked for.

use super::{Node, Origin, Problem, Scalar, Table, Tree, parse_bytes};
use spinney_registry::nearest;
use std::collections::BTreeSet;

/// A table being read. Complaints gather in `problems`, and the reading goes on.
pub struct Section<'a> {
    name: String,
    table: Table,
    asked: BTreeSet<String>,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Section<'a> {
    /// Read `table`, called `name` in complaints.
    pub fn new(name: &str, table: Table, problems: &'a mut Vec<Problem>) -> Section<'a> {
        Section { name: name.into(), table, asked: BTreeSet::new(), problems }
    }

    /// Complain about a place.
    pub fn complain(&mut self, message: String, origin: Option<Origin>, help: Option<String>) {
        self.problems.push(Problem { message, origin, help });
    }

    /// The complaints so far, to add to.
    pub fn problems(&mut self) -> &mut Vec<Problem> {
        self.problems
    }

    /// Where a key's value stands.
    #[must_use]
    pub fn peek(&self, key: &str) -> Option<Origin> {
        self.table.get(key).map(|(_, node)| node.origin.clone())
    }

    /// Take a key of any type.
    pub fn take(&mut self, key: &str) -> Option<Node> {
        self.asked.insert(key.into());
        self.table.remove(key).map(|(_, node)| node)
    }

    fn typed<T>(&mut self, key: &str, wanted: &str, read: impl FnOnce(&Scalar) -> Option<T>) -> Option<T> {
        let node = self.take(key)?;
        let value = match &node.tree {
            Tree::Scalar(scalar) => read(scalar),
            _ => None,
        };
        if value.is_none() {
            let message = format!("`{}.{key}` must be {wanted}, not {}", self.name, shown(&node));
            self.complain(message, Some(node.origin), None);
        }
        value
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        self.typed(key, &wanted, |scalar| match scalar {
            Scalar::Integer(value) => u64::try_from(*value).ok().filter(|value| range.contains(value)),
            _ => None,
        })
    }

    /// A number.
    pub fn real(&mut self, key: &str) -> Option<f64> {
        self.typed(key, "a number", |scalar| match scalar {
            Scalar::Integer(value) => Some(*value as f64),
            Scalar::Real(value) if value.is_finite() => Some(*value),
            _ => None,
        })
    }

    /// A switch.
    pub fn switch(&mut self, key: &str) -> Option<bool> {
        self.typed(key, "true or false", |scalar| match scalar {
            Scalar::Switch(value) => Some(*value),
            _ => None,
        })
    }

    /// Text.
    pub fn text(&mut self, key: &str) -> Option<String> {
        self.typed(key, "text in quotes", |scalar| match scalar {
            Scalar::Text(value) => Some(value.clone()),
            _ => None,
        })
    }

    /// A size: a number of bytes, or text such as `4 GiB`.
    pub fn bytes(&mut self, key: &str) -> Option<u64> {
        self.typed(key, "a size such as \"4 GiB\", at least 1 byte", |scalar| match scalar {
            Scalar::Integer(value) => u64::try_from(*value).ok().filter(|value| (1..1 << 63).contains(value)),
            Scalar::Text(text) => parse_bytes(text).ok().filter(|value| *value > 0),
            _ => None,
        })
    }

    /// A list of texts, or one text.
    pub fn texts(&mut self, key: &str) -> Vec<(String, Origin)> {
        let Some(node) = self.take(key) else { return Vec::new() };
        let mut texts = Vec::new();
        let items = match node.tree {
            Tree::List(items) => items,
            _ => vec![node],
        };
        for item in items {
            match item.tree {
                Tree::Scalar(Scalar::Text(text)) => texts.push((text, item.origin)),
                _ => self.complain(
                    format!("`{}.{key}` holds names in quotes", self.name),
                    Some(item.origin),
                    None,
                ),
            }
        }
        texts
    }

    /// A table.
    pub fn table(&mut self, key: &str) -> Option<(Table, Origin)> {
        let node = self.take(key)?;
        match node.tree {
            Tree::Table(table) => Some((table, node.origin)),
            _ => {
                let message = format!("`{}.{key}` must be a table, not {}", self.name, shown(&node));
                self.complain(message, Some(node.origin), None);
                None
            }
        }
    }

    /// All that is left, as it stands (for tables whose keys are free).
    pub fn rest(&mut self) -> Table {
        std::mem::take(&mut self.table)
    }

    /// Complain about keys that nobody asked for.
    pub fn finish(self) {
        for (key, (origin, _)) in &self.table {
            let message = format!("unknown key `{key}` in [{}]", self.name);
            let near = nearest(key, self.asked.iter().map(String::as_str));
            let known = self.asked.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            let help = match near {
                Some(near) => format!("did you mean `{near}`? (known: {known})"),
                None => format!("known keys: {known}"),
            };
            self.problems.push(Problem { message, origin: Some(origin.clone()), help: Some(help) });
        }
    }
}

fn shown(node: &Node) -> String {
    match &node.tree {
        Tree::Scalar(scalar) => format!("`{scalar}`"),
        _ => node.kind().into(),
    }
}
