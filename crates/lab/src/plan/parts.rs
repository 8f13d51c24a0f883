//! Entries by name, with settings: allocator parts, schemes and workloads.
//!
//! Invariant: a setting reaches an entry only after its name and kind were checked against the entry's parameters.

use super::choose::Chosen;
use super::planner::Planner;
use crate::config::{Node, Origin, Scalar, Table, Tree, parse_bytes};
use spinney_core::{BLOCK_BYTES, Fallback, Parameter, Setting, Settings};
use spinney_registry::{AllocatorSpec, Choice, ONE_GROUP, Registry, RegistryError, check_kind};
use spinney_workload::WorkloadEntry;
use std::path::PathBuf;

impl Planner<'_> {
    pub(super) fn scheme(&mut self, chosen: Chosen) -> Option<Choice> {
        self.choice("scheme", chosen.table, chosen.origin, "refcount")
    }

    /// `name` and settings of one entry.
    fn choice(
        &mut self,
        what: &str,
        mut table: Table,
        origin: Option<Origin>,
        default: &str,
    ) -> Option<Choice> {
        let name = self.name(what, &mut table)?.unwrap_or_else(|| default.to_owned());
        let Some(parameters) = parameters(self.registry, what, &name) else {
            let known = entries(self.registry, what).into_iter().map(|(name, _)| name.to_owned()).collect();
            self.refused(&RegistryError::Unknown { what: what.into(), name, known }, origin);
            return None;
        };
        let settings = self.settings(&format!("{what} {name}"), table, parameters);
        Some(Choice { name, settings })
    }

    /// The name that a table gives, `Some(None)` if it gives none.
    fn name(&mut self, what: &str, table: &mut Table) -> Option<Option<String>> {
        match table.remove("name") {
            None => Some(None),
            Some((_, Node { tree: Tree::Scalar(Scalar::Text(name)), .. })) => Some(Some(name)),
            Some((_, node)) => {
                let message = format!("`{what}.name` is text in quotes, not {}", node.kind());
                self.complain(message, Some(node.origin), None);
                None
            }
        }
    }

    /// Settings of declared parameters; sizes in words are taken for parameters that end in `_bytes` or `_blocks`.
    fn settings(&mut self, what: &str, table: Table, parameters: &'static [Parameter]) -> Settings {
        let mut settings = Settings::new();
        for (key, (origin, node)) in table {
            let Some(parameter) = parameters.iter().find(|parameter| parameter.name == key) else {
                let known = parameters.iter().map(|parameter| parameter.name.to_owned()).collect();
                let error = RegistryError::Unknown { what: format!("parameter of {what}"), name: key, known };
                self.refused(&error, Some(origin));
                continue;
            };
            match setting(parameter, &node) {
                Ok(value) => {
                    self.places.insert(key.clone(), node.origin);
                    settings.0.insert(key, value);
                }
                Err(error) => self.refused(&error, Some(node.origin)),
            }
        }
        settings
    }

    pub(super) fn allocator(&mut self, chosen: Chosen) -> Option<AllocatorSpec> {
        let Chosen { mut table, origin, .. } = chosen;
        let mut bases = [ONE_GROUP, "twin", "extent-tree", "at-commit"].map(String::from);
        if let Some(name) = self.name("allocator", &mut table)? {
            match self.registry.allocator(&name) {
                Ok(AllocatorSpec::Whole(_)) => {
                    drop_own_policy(&mut table);
                    return self.choice("allocator", table, origin, &name).map(AllocatorSpec::Whole);
                }
                Ok(AllocatorSpec::Composed { groups, index, form, reclaim }) => {
                    bases = [groups.name, index.name, form.name, reclaim.name];
                }
                Err(error) => {
                    self.refused(&error, origin);
                    return None;
                }
            }
        }
        let [groups, index, form, reclaim] = [0, 1, 2, 3].map(|at| {
            let what = ["groups", "index", "form", "reclaim"][at];
            let part = match table.remove(what) {
                None => Table::new(),
                Some((_, Node { tree: Tree::Table(table), .. })) => table,
                Some((key, node)) => Table::from([("name".to_owned(), (key, node))]),
            };
            let place = part.get("name").map(|(_, node)| node.origin.clone()).or(origin.clone());
            self.choice(what, part, place, &bases[at])
        });
        for (key, (origin, _)) in table {
            let help =
                "known: name, groups, index, form, reclaim (each a name, or a table with name and settings)";
            self.complain(format!("unknown key `{key}` in [allocator]"), Some(origin), Some(help.into()));
        }
        Some(AllocatorSpec::Composed { groups: groups?, index: index?, form: form?, reclaim: reclaim? })
    }

    pub(super) fn workload(
        &mut self,
        chosen: Chosen,
    ) -> Option<(Choice, Option<PathBuf>, &'static WorkloadEntry)> {
        let origin = chosen.origin.clone();
        let choice = self.choice("workload", chosen.table, chosen.origin, "overwrite")?;
        let entry = spinney_workload::ENTRIES.iter().find(|entry| entry.name == choice.name)?;
        let Some(file) = entry.parameters.iter().find(|parameter| parameter.name == "file") else {
            return Some((choice, None, entry));
        };
        match self.experiment.library.find(choice.settings.word(file)) {
            Ok(path) => Some((choice, Some(path), entry)),
            Err(message) => {
                let place = self.places.get("file").cloned().or(origin);
                let help =
                    "traces lie below the config's folder or configs/, for example `traces/git-ext4.csv.zst`";
                self.complain(message, place, Some(help.to_owned()));
                None
            }
        }
    }
}

/// `reclaim = "own"`: how a whole allocator stands on an axis of reclaim policies. It says nothing that the allocator has not.
fn drop_own_policy(table: &mut Table) {
    let own = |node: &Node| matches!(&node.tree, Tree::Scalar(Scalar::Text(word)) if word == "own");
    if table.get("reclaim").is_some_and(|(_, node)| own(node)) {
        table.remove("reclaim");
    }
}

/// Name and parameters of every entry of a kind.
fn entries(registry: &Registry, what: &str) -> Vec<(&'static str, &'static [Parameter])> {
    macro_rules! rows {
        ($entries:expr) => {
            $entries.iter().map(|entry| (entry.name, entry.parameters)).collect()
        };
    }
    match what {
        "groups" => rows!(registry.groups),
        "index" => rows!(registry.indexes),
        "form" => rows!(registry.forms),
        "reclaim" => rows!(registry.reclaims),
        "scheme" => rows!(registry.schemes),
        "workload" => rows!(spinney_workload::ENTRIES),
        _ => rows!(registry.allocators),
    }
}

/// What an entry can be set to.
pub(super) fn parameters(registry: &Registry, what: &str, name: &str) -> Option<&'static [Parameter]> {
    entries(registry, what).into_iter().find(|(known, _)| *known == name).map(|(_, parameters)| parameters)
}

/// A node as the setting that a parameter wants.
fn setting(parameter: &Parameter, node: &Node) -> Result<Setting, RegistryError> {
    let wrong = |given: String, wanted: &'static str| RegistryError::WrongKind {
        parameter: parameter.name.into(),
        given,
        wanted,
    };
    let Tree::Scalar(scalar) = &node.tree else { return Err(wrong(node.kind().into(), "a plain value")) };
    let value = match scalar {
        Scalar::Integer(value) => match u64::try_from(*value) {
            Ok(value) => Setting::Integer(value),
            Err(_) => return Err(wrong(format!("`{value}`"), "a whole number from 0 to 2^64 - 1")),
        },
        Scalar::Real(value) if !value.is_finite() => {
            return Err(wrong(format!("`{value}`"), "a finite number"));
        }
        Scalar::Real(value) => Setting::Real(*value),
        Scalar::Switch(value) => Setting::Switch(*value),
        Scalar::Text(text) => match (&parameter.default, parse_bytes(text)) {
            (Fallback::Integer(_), Ok(bytes)) if parameter.name.ends_with("_bytes") => {
                Setting::Integer(bytes)
            }
            (Fallback::Integer(_), Ok(bytes)) if parameter.name.ends_with("_blocks") => {
                if !bytes.is_multiple_of(BLOCK_BYTES as u64) {
                    return Err(wrong(format!("`{text}`"), "a multiple of 4 KiB"));
                }
                Setting::Integer(bytes / BLOCK_BYTES as u64)
            }
            _ => Setting::Word(text.clone()),
        },
    };
    check_kind(parameter, &value)?;
    match (parameter.name, &value) {
        ("rounds", Setting::Integer(rounds)) if *rounds > ROUNDS_MAX => {
            Err(wrong(format!("`{rounds}`"), "at most 100000: each round is a row"))
        }
        _ => Ok(value),
    }
}

/// More rounds give more rows than a table or a figure can use.
const ROUNDS_MAX: u64 = 100_000;
