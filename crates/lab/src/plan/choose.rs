//! Which device, allocator, scheme and workload a case has: by name, by part, or spelled out.
//!
//! Invariant: a swept name wins over `[volume] choice = name`, which wins over the section's own `name`; what a section
//! says itself lies over the part that was named.

use super::planner::Planner;
use crate::config::{Node, Origin, Scalar, Table, Tree, load, overlay, shift_origins};
use std::path::Path;

/// What one section came to.
pub(super) struct Chosen {
    pub(super) label: String,
    pub(super) table: Table,
    pub(super) origin: Option<Origin>,
}

impl Planner<'_> {
    pub(super) fn choose(
        &mut self,
        choice: &str,
        fixed: &mut Table,
        swept: Option<(String, Origin)>,
    ) -> Chosen {
        let named = self.named_by_volume(choice, fixed);
        let own = fixed.remove(choice);
        let origin = own.as_ref().map(|(origin, _)| origin.clone());
        let mut table = match own {
            Some((_, Node { tree: Tree::Table(table), .. })) => table,
            _ => Table::new(),
        };
        let Some((name, at)) = swept.or(named) else {
            return Chosen { label: label(choice, &table), table, origin };
        };
        let label = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let mut below = self.part(choice, &name, &at);
        table.remove(if choice == "device" { "kind" } else { "name" });
        overlay(&mut below, table);
        Chosen { label, table: below, origin: Some(at) }
    }

    /// `[volume] allocator = "bitmap"`.
    fn named_by_volume(&mut self, choice: &str, fixed: &mut Table) -> Option<(String, Origin)> {
        let (_, node) = fixed.get_mut("volume")?;
        let Tree::Table(volume) = &mut node.tree else { return None };
        let (_, node) = volume.remove(choice)?;
        match node.tree {
            Tree::Scalar(Scalar::Text(name)) => Some((name, node.origin)),
            _ => {
                self.complain(format!("`volume.{choice}` is a name in quotes"), Some(node.origin), None);
                None
            }
        }
    }

    /// The part `choice/name`, or a bare registered name.
    fn part(&mut self, choice: &str, name: &str, at: &Origin) -> Table {
        let file = if name.contains('/') { format!("{name}.toml") } else { format!("{choice}/{name}.toml") };
        match self.experiment.library.find(&file) {
            Ok(path) => self.read_part(choice, &path, at),
            Err(message) => {
                if name.contains('/') || choice == "device" {
                    let help = format!("a {choice} is a file such as configs/{choice}/NAME.toml");
                    self.complain(message, Some(at.clone()), Some(help));
                }
                let node = Node { origin: at.clone(), tree: Tree::Scalar(Scalar::Text(name.into())) };
                Table::from([("name".to_owned(), (at.clone(), node))])
            }
        }
    }

    fn read_part(&mut self, choice: &str, path: &Path, at: &Origin) -> Table {
        if let Some(known) = self.parts.get(path) {
            return known.clone();
        }
        let shift = self.sources.0.len();
        let table = match load(path, &self.experiment.library) {
            Ok((table, sources)) => {
                self.sources.0.extend(sources.0);
                let mut node = Node { origin: at.clone(), tree: Tree::Table(table) };
                shift_origins(&mut node, shift);
                self.only_section(choice, path, node, at)
            }
            Err(error) => {
                self.sources.0.extend(error.sources.0);
                let shifted = |origin: Origin| Origin { file: origin.file + shift, ..origin };
                self.take(error.problems.into_iter().map(|mut problem| {
                    problem.origin = problem.origin.map_or(Some(at.clone()), |origin| Some(shifted(origin)));
                    problem
                }));
                Table::new()
            }
        };
        self.parts.insert(path.to_owned(), table.clone());
        table
    }

    /// A part states its own section and nothing else.
    fn only_section(&mut self, choice: &str, path: &Path, node: Node, at: &Origin) -> Table {
        let Tree::Table(mut table) = node.tree else { return Table::new() };
        let section = table.remove(choice);
        for (key, (origin, _)) in table {
            let message = format!("a {choice} part has the section [{choice}] only, not `{key}`");
            self.complain(message, Some(origin), Some("move it to the experiment".into()));
        }
        match section {
            Some((_, Node { tree: Tree::Table(table), .. })) => table,
            _ => {
                let message = format!("{} has no [{choice}] section", path.display());
                self.complain(message, Some(at.clone()), Some(format!("name another {choice}")));
                Table::new()
            }
        }
    }
}

/// What a case calls a choice that no part names.
fn label(choice: &str, table: &Table) -> String {
    let word = |key: &str| match &table.get(key)?.1.tree {
        Tree::Scalar(scalar) => Some(scalar.to_string()),
        Tree::Table(inner) => inner.get("name").map(|(_, node)| match &node.tree {
            Tree::Scalar(scalar) => scalar.to_string(),
            _ => node.kind().into(),
        }),
        Tree::List(_) => None,
    };
    if let Some(name) = word("name").or_else(|| word("kind")) {
        return name;
    }
    let parts: Vec<String> = ["index", "form", "reclaim"].into_iter().filter_map(word).collect();
    match (parts.is_empty(), choice) {
        (false, _) => parts.join("+"),
        (true, "allocator") => "extent".into(),
        (true, "scheme") => "refcount".into(),
        (true, "device") => "memory".into(),
        (true, _) => "overwrite".into(),
    }
}
