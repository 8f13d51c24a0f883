//! An experiment as its config states it: what is fixed, what is swept, what is drawn and what is claimed.
//!
//! Invariant: everything that can be known to be wrong before the first case runs is reported here or in `plan`, with
//! its line. Knows how a config is written, not how a case is run.

use crate::claim::{Claim, parse};
use crate::columns::{self, Use};
use crate::config::{
    ConfigError, Library, Node, Origin, Problem, Scalar, Section, Sources, Table, Tree, load,
};
use crate::report::{ReportSpec, read_report};
use std::path::Path;

/// One axis of a sweep.
#[derive(Clone, Debug)]
pub struct Axis {
    /// `allocator`, `scheme`, `device`, `workload`, `seed`, or a dotted path such as `workload.unit_blocks`.
    pub path: String,
    /// Its values, in order.
    pub values: Vec<(Scalar, Origin)>,
    /// Where it stands.
    pub origin: Origin,
}

/// A whole experiment.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name of its results folder: the config's file name, or that of its folder if the file is called `config.toml`.
    pub name: String,
    /// Headline of the report.
    pub title: String,
    /// What it is about.
    pub says: String,
    /// All that is not swept, claimed or drawn.
    pub fixed: Table,
    /// The sweep.
    pub axes: Vec<Axis>,
    /// Whether wall-clock times count: cases then run alone, one after the other.
    pub timed: bool,
    /// Combinations to leave out: every column must have one of its values.
    pub exclude: Vec<Vec<(String, Vec<String>, Origin)>>,
    /// Figures.
    pub reports: Vec<ReportSpec>,
    /// Claims.
    pub claims: Vec<Claim>,
    /// The columns that figures and claims name.
    pub uses: Vec<Use>,
    /// The text behind it.
    pub sources: Sources,
    /// Where parts are found.
    pub library: Library,
}

/// What a config's path calls its experiment.
fn name_of(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let names = whole.ancestors().filter_map(Path::file_stem).map(|stem| stem.to_string_lossy().into_owned());
    names.into_iter().find(|name| name != "config").unwrap_or_else(|| "config".into())
}

/// Sections whose keys are read when a case is made.
pub(crate) const CASE_SECTIONS: [&str; 6] = ["volume", "device", "allocator", "scheme", "workload", "run"];

impl Experiment {
    /// Read an experiment. Errors: everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Experiment, ConfigError> {
        let library = Library::beside(path);
        let (table, sources) = load(path, &library)?;
        Experiment::read(name_of(path), table, sources, library)
    }

    /// Read a results folder's copy of the config at `original`: parts are the folder's own; a trace, which has no copy, is
    /// found where the run found it. Errors: as [`Experiment::load`].
    pub(crate) fn load_copy(copy: &Path, original: &Path) -> Result<Experiment, ConfigError> {
        let mut library = Library::beside(copy);
        library.folders.extend(Library::beside(original).folders);
        let (table, sources) = load(copy, &library)?;
        Experiment::read(name_of(original), table, sources, library)
    }

    /// Read an experiment from its merged table.
    pub fn read(
        name: String,
        table: Table,
        sources: Sources,
        library: Library,
    ) -> Result<Experiment, ConfigError> {
        let mut problems = Vec::new();
        let mut top = Section::new("the top level", table, &mut problems);
        check_version(&mut top);
        let title = top.text("title").unwrap_or_else(|| name.clone());
        let says = top.text("says").unwrap_or_default();
        let mut fixed = Table::new();
        for section in CASE_SECTIONS {
            if let Some((table, origin)) = top.table(section) {
                let node = Node { origin: origin.clone(), tree: Tree::Table(table) };
                fixed.insert(section.into(), (origin, node));
            }
        }
        let timed = take_timed(&mut fixed, top.problems());
        let [sweep, report, claim] = ["sweep", "report", "claim"].map(|key| top.table(key));
        let exclude = top.take("exclude");
        top.finish();
        let axes = sweep.map_or_else(Vec::new, |(table, _)| read_axes(table, &mut problems));
        let exclude = exclude.map_or_else(Vec::new, |node| read_exclude(node, &mut problems));
        let mut uses = Vec::new();
        let reports = named(report, &mut problems, |name, table, origin, problems| {
            columns::of_report(name, &table, &mut uses, problems);
            read_report(name, table, origin, problems)
        });
        let claims = named(claim, &mut problems, |name, table, origin, problems| {
            columns::of_claim(name, &table, &mut uses);
            read_claim(name, table, origin, problems)
        });
        if !problems.is_empty() {
            return Err(ConfigError { problems, sources });
        }
        Ok(Experiment {
            name,
            title,
            says,
            fixed,
            axes,
            timed,
            exclude,
            reports,
            claims,
            uses,
            sources,
            library,
        })
    }
}

fn check_version(top: &mut Section<'_>) {
    let place = top.peek("schema_version");
    match top.integer("schema_version", 0..=u64::MAX) {
        None | Some(1) => {}
        Some(version) => {
            let help = Some("this build reads 1".to_owned());
            top.complain(format!("schema_version {version} is not known"), place, help);
        }
    }
}

impl Experiment {
    /// One seed instead of all that the config names.
    pub fn fix_seed(&mut self, seed: u64) {
        self.axes.retain(|axis| axis.path != "seed");
        let origin = Origin { file: 0, bytes: 0..0 };
        let value = (Scalar::Integer(i128::from(seed)), origin.clone());
        self.axes.push(Axis { path: "seed".into(), values: vec![value], origin });
    }
}

/// `[run] timed` concerns the whole experiment, not a case: it changes no row.
fn take_timed(fixed: &mut Table, problems: &mut Vec<Problem>) -> bool {
    let Some((_, Node { tree: Tree::Table(run), .. })) = fixed.get_mut("run") else { return false };
    match run.remove("timed") {
        None => false,
        Some((_, Node { tree: Tree::Scalar(Scalar::Switch(timed)), .. })) => timed,
        Some((_, node)) => {
            let message = format!("`run.timed` must be true or false, not {}", node.kind());
            problems.push(Problem { message, origin: Some(node.origin), help: None });
            false
        }
    }
}

/// Longest name of a figure or claim.
const NAME_MAX: usize = 64;

/// Read each named table of a section, in the order in which they are written. Names become file names, so they are plain.
fn named<T>(
    section: Option<(Table, Origin)>,
    problems: &mut Vec<Problem>,
    mut read: impl FnMut(&str, Table, Origin, &mut Vec<Problem>) -> Option<T>,
) -> Vec<T> {
    let mut all = Vec::new();
    let mut tables: Vec<_> = section.map_or_else(Table::new, |(table, _)| table).into_iter().collect();
    tables.sort_by_key(|(_, (origin, _))| (origin.file, origin.bytes.start));
    for (name, (origin, node)) in tables {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(plain) {
            let message = format!("`{}` cannot be a file's name", name.escape_debug());
            let help = Some(format!("use at most {NAME_MAX} letters, digits, `-` and `_`"));
            problems.push(Problem { message, origin: Some(origin), help });
            continue;
        }
        match node.tree {
            Tree::Table(table) => all.extend(read(&name, table, origin, problems)),
            _ => {
                let help = Some(format!("write a section such as [report.{name}]"));
                let message = format!("`{name}` must be a table, not {}", node.kind());
                problems.push(Problem { message, origin: Some(origin), help });
            }
        }
    }
    all
}

fn read_axes(table: Table, problems: &mut Vec<Problem>) -> Vec<Axis> {
    let mut axes = Vec::new();
    for (path, origin, node) in flatten("", table) {
        let mut complain = |message: &str, origin: &Origin| {
            problems.push(Problem {
                message: format!("[sweep] `{path}` {message}"),
                origin: Some(origin.clone()),
                help: Some(format!("for example: {path} = [1, 2, 4]")),
            });
        };
        let Tree::List(items) = node.tree else {
            complain("is an axis: write a list of values", &node.origin);
            continue;
        };
        let mut values = Vec::new();
        for item in items {
            match item.tree {
                Tree::Scalar(scalar) => values.push((scalar, item.origin)),
                _ => complain("takes plain values only", &item.origin),
            }
        }
        if values.is_empty() {
            complain("has no values: an empty axis leaves no case to run", &origin);
        }
        axes.push(Axis { path, values, origin });
    }
    // Seeds vary fastest, so that repeats of a configuration stand together.
    axes.sort_by_key(|axis| (axis.path == "seed", axis.origin.file, axis.origin.bytes.start));
    axes
}

/// `[sweep] workload.unit = [..]` and `[sweep.workload] unit = [..]` are the same axis.
fn flatten(prefix: &str, table: Table) -> Vec<(String, Origin, Node)> {
    let mut flat = Vec::new();
    for (key, (origin, node)) in table {
        let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
        match node.tree {
            Tree::Table(table) => flat.extend(flatten(&path, table)),
            _ => flat.push((path, origin, node)),
        }
    }
    flat
}

fn read_exclude(node: Node, problems: &mut Vec<Problem>) -> Vec<Vec<(String, Vec<String>, Origin)>> {
    let mut wrong = |origin: Origin| {
        let message = "[[exclude]] holds columns and their values".to_owned();
        let help = Some("for example: [[exclude]] allocator = \"bitmap\", on lines of their own".to_owned());
        problems.push(Problem { message, origin: Some(origin), help });
    };
    let Tree::List(items) = node.tree else {
        wrong(node.origin);
        return Vec::new();
    };
    let mut all = Vec::new();
    for item in items {
        let Tree::Table(table) = item.tree else {
            wrong(item.origin);
            continue;
        };
        let mut rule = Vec::new();
        for (path, origin, node) in flatten("", table) {
            match node.values() {
                Some(values) => rule.push((path, values, origin)),
                None => wrong(origin),
            }
        }
        all.push(rule);
    }
    all
}

fn read_claim(name: &str, table: Table, origin: Origin, problems: &mut Vec<Problem>) -> Option<Claim> {
    let mut section = Section::new(&format!("claim.{name}"), table, problems);
    let says = section.text("says");
    let paper = section.text("paper").unwrap_or_default();
    let not_comparable = section.text("not_comparable");
    let place = section.peek("expect").or(Some(origin.clone()));
    let expect = section.text("expect").unwrap_or_default();
    if says.is_none() {
        section.complain(
            format!("claim `{name}` says nothing"),
            Some(origin),
            Some("add `says = \"...\"`".into()),
        );
    }
    if not_comparable.is_none()
        && let Err(error) = parse(&expect)
    {
        let help = "for example: expect = \"free_runs(allocator=bitmap) <= 2 * free_runs(allocator=extent)\"";
        section.complain(format!("claim `{name}`: {error}"), place, Some(help.into()));
    }
    section.finish();
    Some(Claim { name: name.into(), says: says?, paper, expect, not_comparable })
}
