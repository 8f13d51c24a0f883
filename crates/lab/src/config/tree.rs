//! A parsed config: tables, lists and scalars, each with the place that it came from.
//!
//! Invariant: every node keeps the file and bytes of its text, so any later complaint can point at it. Knows no keys.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

/// The files that a config was read from, and their text.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub Vec<(PathBuf, String)>);

/// Where a node was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Index into [`Sources`].
    pub file: usize,
    /// Bytes of that file.
    pub bytes: Range<usize>,
}

/// A leaf.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A whole number.
    Integer(i128),
    /// A real number.
    Real(f64),
    /// true or false.
    Switch(bool),
    /// Text.
    Text(String),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Integer(value) => write!(f, "{value}"),
            Scalar::Real(value) => write!(f, "{value}"),
            Scalar::Switch(value) => write!(f, "{value}"),
            Scalar::Text(value) => f.write_str(value),
        }
    }
}

/// A table's entries; the origin is that of the key.
pub type Table = BTreeMap<String, (Origin, Node)>;

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    /// A leaf.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A table.
    Table(Table),
}

/// A tree and where it was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where.
    pub origin: Origin,
    /// What.
    pub tree: Tree,
}

impl Node {
    /// In words, for an error.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.tree {
            Tree::Scalar(Scalar::Integer(_)) => "a whole number",
            Tree::Scalar(Scalar::Real(_)) => "a number",
            Tree::Scalar(Scalar::Switch(_)) => "true or false",
            Tree::Scalar(Scalar::Text(_)) => "text",
            Tree::List(_) => "a list",
            Tree::Table(_) => "a table",
        }
    }

    /// A plain value, or a list of some, as text; `None` if it is anything else, an empty list included.
    #[must_use]
    pub fn values(&self) -> Option<Vec<String>> {
        let text = |node: &Node| match &node.tree {
            Tree::Scalar(scalar) => Some(scalar.to_string()),
            _ => None,
        };
        match &self.tree {
            Tree::List(items) if !items.is_empty() => items.iter().map(text).collect(),
            _ => Some(vec![text(self)?]),
        }
    }

    /// Lay `over` on top: tables merge key by key, anything else is replaced.
    pub fn overlay(&mut self, over: Node) {
        match (&mut self.tree, over.tree) {
            (Tree::Table(under), Tree::Table(over)) => overlay(under, over),
            (tree, over_tree) => {
                *tree = over_tree;
                self.origin = over.origin;
            }
        }
    }
}

/// Lay one table over another.
pub fn overlay(under: &mut Table, over: Table) {
    for (key, (origin, node)) in over {
        match under.get_mut(&key) {
            Some((_, below)) => below.overlay(node),
            None => {
                under.insert(key, (origin, node));
            }
        }
    }
}

/// Convert a parsed document. Dates are refused by the caller's type checks: they become text.
pub(crate) fn convert(file: usize, table: &DeTable<'_>) -> Table {
    let entry = |key: &Spanned<std::borrow::Cow<'_, str>>, value: &Spanned<DeValue<'_>>| {
        let origin = Origin { file, bytes: key.span() };
        (key.get_ref().to_string(), (origin, node(file, value)))
    };
    table.iter().map(|(key, value)| entry(key, value)).collect()
}

fn node(file: usize, value: &Spanned<DeValue<'_>>) -> Node {
    let list = |items: &DeArray<'_>| Tree::List(items.iter().map(|item| node(file, item)).collect());
    let tree = match value.get_ref() {
        DeValue::String(text) => Tree::Scalar(Scalar::Text(text.to_string())),
        DeValue::Integer(number) => match i128::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Tree::Scalar(Scalar::Integer(number)),
            Err(_) => Tree::Scalar(Scalar::Text(number.to_string())),
        },
        DeValue::Float(number) => Tree::Scalar(match number.as_str().parse() {
            Ok(number) => Scalar::Real(number),
            Err(_) => Scalar::Text(number.to_string()),
        }),
        DeValue::Boolean(switch) => Tree::Scalar(Scalar::Switch(*switch)),
        DeValue::Datetime(date) => Tree::Scalar(Scalar::Text(date.to_string())),
        DeValue::Array(items) => list(items),
        DeValue::Table(table) => Tree::Table(convert(file, table)),
    };
    Node { origin: Origin { file, bytes: value.span() }, tree }
}

/// Move a node's origins to where its file stands in a longer list of sources.
pub fn shift_origins(node: &mut Node, shift: usize) {
    node.origin.file += shift;
    match &mut node.tree {
        Tree::Scalar(_) => {}
        Tree::List(items) => items.iter_mut().for_each(|item| shift_origins(item, shift)),
        Tree::Table(table) => table.values_mut().for_each(|(key, node)| {
            key.file += shift;
            shift_origins(node, shift);
        }),
    }
}

/// The same as a TOML value, for types that read themselves.
#[must_use]
pub fn to_toml(table: &Table) -> toml::Table {
    fn value(node: &Node) -> toml::Value {
        match &node.tree {
            Tree::Scalar(Scalar::Integer(value)) => match i64::try_from(*value) {
                Ok(value) => toml::Value::Integer(value),
                Err(_) => toml::Value::String(value.to_string()),
            },
            Tree::Scalar(Scalar::Real(value)) => toml::Value::Float(*value),
            Tree::Scalar(Scalar::Switch(value)) => toml::Value::Boolean(*value),
            Tree::Scalar(Scalar::Text(value)) => toml::Value::String(value.clone()),
            Tree::List(items) => toml::Value::Array(items.iter().map(value).collect()),
            Tree::Table(table) => toml::Value::Table(to_toml(table)),
        }
    }
    table.iter().map(|(key, (_, node))| (key.clone(), value(node))).collect()
}
