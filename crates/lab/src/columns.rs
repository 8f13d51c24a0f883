//! The columns that figures and claims name, checked before anything runs.
//!
//! Invariant: a figure or claim that names a column which no row will have, or a value that no case has, is an error at
//! its line, with the nearest right name.

use crate::case::{METRICS, base_columns};
use crate::claim::parse;
use crate::config::{Node, Origin, Problem, Scalar, Table, Tree};
use crate::plan::Case;
use spinney_registry::nearest;
use spinney_workload::Phase;
use std::collections::{BTreeMap, BTreeSet};

/// How a column is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Its numbers are drawn or compared, so it is a metric.
    Number,
    /// Any column.
    Any,
    /// Rows must have this value in it.
    Equals(String),
}

/// A column named by a figure or claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// `report.x` or `claim.x`.
    pub owner: String,
    /// The column.
    pub column: String,
    /// What for.
    pub role: Role,
    /// Where it is named.
    pub origin: Origin,
}

const AT: [&str; 7] = ["last", "first", "mean", "max", "min", "sum", "median"];
const TABLES: [&str; 3] = ["rows", "histogram", "fullness"];

/// The columns of a `[report.name]`. What is of the wrong type is left to whoever reads the report.
pub(crate) fn of_report(name: &str, table: &Table, uses: &mut Vec<Use>, problems: &mut Vec<Problem>) {
    let owner = format!("report.{name}");
    let mut note = |node: &Node, column: &str, role| {
        let (owner, column, origin) = (owner.clone(), column.to_owned(), node.origin.clone());
        uses.push(Use { owner, column, role, origin });
    };
    for (key, (_, node)) in table {
        match (key.as_str(), &node.tree) {
            ("y", Tree::Scalar(Scalar::Text(column))) => note(node, column, Role::Number),
            ("x" | "facet" | "series", Tree::Scalar(Scalar::Text(column))) => note(node, column, Role::Any),
            ("series", Tree::List(items)) => {
                for item in items {
                    if let Tree::Scalar(Scalar::Text(column)) = &item.tree {
                        note(item, column, Role::Any);
                    }
                }
            }
            ("where", Tree::Table(filters)) => {
                for (column, (_, node)) in filters {
                    match node.values() {
                        Some(values) if values.len() == 1 || column != "phase" => {
                            values.into_iter().for_each(|value| note(node, column, Role::Equals(value)));
                        }
                        _ => {
                            let message = format!(
                                "[{owner}] `where.{column}` must be a plain value, or a list of some (`phase` has one), not {}",
                                node.kind()
                            );
                            let help =
                                Some(format!("a dotted column is written in quotes: \"{column}.name\" = 1"));
                            problems.push(Problem { message, origin: Some(node.origin.clone()), help });
                        }
                    }
                }
            }
            ("at", tree) => problems.extend(one_of(&owner, key, node, tree, &AT)),
            ("table", tree) => problems.extend(one_of(&owner, key, node, tree, &TABLES)),
            _ => {}
        }
    }
}

fn one_of(owner: &str, key: &str, node: &Node, tree: &Tree, known: &[&str]) -> Option<Problem> {
    let Tree::Scalar(Scalar::Text(word)) = tree else { return None };
    if known.contains(&word.as_str()) {
        return None;
    }
    let message = format!("[{owner}] `{key}` cannot be `{word}`");
    Some(Problem {
        message,
        origin: Some(node.origin.clone()),
        help: Some(help(word, known.iter().copied())),
    })
}

/// The columns of a claim's expression, if it parses.
pub(crate) fn of_claim(name: &str, table: &Table, uses: &mut Vec<Use>) {
    let Some((_, node)) = table.get("expect").filter(|_| !table.contains_key("not_comparable")) else {
        return;
    };
    let Tree::Scalar(Scalar::Text(text)) = &node.tree else { return };
    let Ok(expression) = parse(text) else { return };
    let mut note = |column: &str, role| {
        let (owner, column, origin) = (format!("claim.{name}"), column.to_owned(), node.origin.clone());
        uses.push(Use { owner, column, role, origin });
    };
    expression.metrics(&mut |metric| {
        note(&metric.column, Role::Number);
        for (column, value) in &metric.filters {
            note(column, Role::Equals(value.clone()));
        }
    });
}

/// Every use against the columns that rows of these cases will have.
pub(crate) fn check(uses: &[Use], cases: &[Case]) -> Vec<Problem> {
    let base = cases.first().map_or_else(Vec::new, |case| base_columns(&case.labels));
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (column, value) in cases.iter().flat_map(|case| &case.labels) {
        values.entry(column).or_default().insert(value);
    }
    values.insert("phase", [Phase::Fill, Phase::Measure, Phase::Scan].map(Phase::name).into());
    values.remove("seed"); // `--seed` may have replaced those that the config speaks of
    let metric = |name: &str| METRICS.iter().any(|metric| metric.name == name);
    let metrics = || METRICS.iter().map(|metric| metric.name.as_str());
    let bases = || base.iter().map(String::as_str);
    let wrong = |used: &Use| {
        let Use { owner, column, .. } = used;
        let label = base.contains(column);
        match &used.role {
            Role::Number if metric(column) => None,
            Role::Number if label => Some((
                format!("[{owner}] `{column}` is no number"),
                "`spinney list metrics` has the columns that are".into(),
            )),
            Role::Any if metric(column) || label => None,
            Role::Equals(value) if label => {
                let known = values.get(column.as_str()).filter(|known| !known.contains(value.as_str()))?;
                Some((
                    format!("[{owner}] no case has `{column} = {value}`"),
                    help(value, known.iter().copied()),
                ))
            }
            Role::Equals(_) if metric(column) => None,
            Role::Number => {
                Some((no_column(used), near_or(column, metrics(), "`spinney list metrics` has them")))
            }
            Role::Any | Role::Equals(_) => {
                let known = format!("known: {}, and the metrics", base.join(", "));
                Some((no_column(used), near_or(column, bases().chain(metrics()), &known)))
            }
        }
    };
    let mut problems: Vec<Problem> = Vec::new();
    for used in uses {
        if let Some((message, help)) = wrong(used) {
            problems.push(Problem { message, origin: Some(used.origin.clone()), help: Some(help) });
        }
    }
    problems
}

fn no_column(used: &Use) -> String {
    format!("[{}] no column is called `{}`", used.owner, used.column)
}

fn near_or<'a>(wrong: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    match nearest(wrong, known) {
        Some(near) => format!("did you mean `{near}`? ({otherwise})"),
        None => otherwise.to_owned(),
    }
}

fn help<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let all = known.clone().collect::<Vec<_>>().join(", ");
    near_or(wrong, known, &format!("known: {all}"))
}
