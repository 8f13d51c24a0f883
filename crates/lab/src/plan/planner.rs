//! One combination of the sweep, made a case.
//!
//! Invariant: a complaint is made once however many cases share it. Knows where values go, not what they mean.

use super::volume::Sizes;
use super::{CASES_MAX, CHOICES, Case, problem};
use crate::case::build_workload;
use crate::config::{Node, Origin, Problem, Scalar, Section, Sources, Table, Tree};
use crate::experiment::{Axis, CASE_SECTIONS, Experiment};
use spinney_import::FreeState;
use spinney_registry::{PoolSpec, Registry, RegistryError, nearest};
use spinney_volume::{ChecksumKind, PoolOptions};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Plans case after case, and remembers what they share.
pub(super) struct Planner<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) registry: &'a Registry,
    pub(super) sources: Sources,
    pub(super) problems: Vec<Problem>,
    /// Parts that were read.
    pub(super) parts: BTreeMap<PathBuf, Table>,
    /// Hashes of traces.
    pub(super) traces: BTreeMap<PathBuf, String>,
    /// Free space of other disks, by file and seed.
    pub(super) free_spaces: BTreeMap<(String, u64), Arc<FreeState>>,
    /// Workloads that could be made.
    workloads: BTreeSet<String>,
    /// Where the settings of this case's plug-ins stand.
    pub(super) places: BTreeMap<String, Origin>,
    /// Every label of every combination, left out or not.
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// What the sweep said of a case beyond what was put into its sections.
#[derive(Default)]
struct Placed<'a> {
    /// Names of choices.
    names: BTreeMap<&'a str, (String, Origin)>,
    /// Columns of their own.
    labels: Vec<(String, String)>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(experiment: &'a Experiment, registry: &'a Registry) -> Planner<'a> {
        Planner {
            experiment,
            registry,
            sources: experiment.sources.clone(),
            problems: Vec::new(),
            parts: BTreeMap::new(),
            traces: BTreeMap::new(),
            free_spaces: BTreeMap::new(),
            workloads: BTreeSet::new(),
            places: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }

    /// Combinations; none if there are too many, which is complained of.
    pub(super) fn count(&mut self) -> usize {
        let axes = &self.experiment.axes;
        let count = axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
        match count {
            Some(count) if count <= CASES_MAX => count,
            _ => {
                let count = count.map_or_else(|| "too many".to_owned(), |count| count.to_string());
                let message = format!("the sweep has {count} cases; at most {CASES_MAX} are run");
                let origin = axes.iter().max_by_key(|axis| axis.values.len()).map(|axis| axis.origin.clone());
                self.complain(message, origin, Some("shorten an axis, or split the experiment".into()));
                0
            }
        }
    }

    pub(super) fn complain(&mut self, message: String, origin: Option<Origin>, help: Option<String>) {
        self.take([problem(message, origin, help)]);
    }

    pub(super) fn take(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    pub(super) fn refused(&mut self, error: &RegistryError, origin: Option<Origin>) {
        let help = match error {
            RegistryError::Unknown { .. } => error.suggestion().map(|near| format!("did you mean `{near}`?")),
            _ => Some("`spinney list allocators`, `schemes` and `workloads` say what each takes".into()),
        };
        self.complain(error.to_string(), origin, help);
    }

    /// The place of the setting that a message speaks of.
    pub(super) fn blame(&self, message: &str, otherwise: Option<Origin>) -> Option<Origin> {
        let word =
            |key: &str| message.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == key);
        let place = self.places.iter().find(|(key, _)| word(key));
        place.map(|(_, origin)| origin.clone()).or(otherwise)
    }

    /// One case; `None` if it is excluded or wrong.
    pub(super) fn case(&mut self, picks: &[(&Axis, &(Scalar, Origin))]) -> Option<Case> {
        let before = self.problems.len();
        self.places.clear();
        let mut fixed = self.experiment.fixed.clone();
        let Placed { mut names, labels: swept } = self.place_all(&mut fixed, picks);
        let [device, allocator, scheme, workload] =
            CHOICES.map(|choice| self.choose(choice, &mut fixed, names.remove(choice)));
        let mut labels: Vec<(String, String)> =
            [("allocator", &allocator), ("scheme", &scheme), ("device", &device), ("workload", &workload)]
                .map(|(column, chosen)| (column.to_owned(), chosen.label.clone()))
                .into();
        labels.extend(swept);
        let (seed, keep_data, survey) = self.run(&mut fixed);
        labels.push(("seed".to_owned(), seed.to_string()));
        if self.excluded(&labels) {
            self.problems.truncate(before);
            return None;
        }
        let place = allocator.origin.clone();
        let workload_place = workload.origin.clone();
        // All of them before the first `?`, so that all complaints are heard at once.
        let (volume, device) = (self.volume(&mut fixed, seed), self.device(device));
        let (allocator, scheme) = (self.allocator(allocator), self.scheme(scheme));
        let workload = self.workload(workload);
        let Sizes { volume_blocks, device_blocks, options, query_blocks, free_space } = volume?;
        self.allow_hollow(keep_data, &options)?;
        let (device, pool) = (device?, PoolSpec { allocator: allocator?, scheme: scheme? });
        self.allow_in_place(&options, &pool.scheme)?;
        if let Err(error) = self.registry.parts(&pool) {
            let place = self.blame(&error.to_string(), place);
            self.refused(&error, place);
        }
        let (workload, trace, entry) = workload?;
        if self.problems.len() > before {
            return None;
        }
        let (hash, resolved) = (String::new(), BTreeMap::new());
        let mut case = Case {
            hash,
            labels,
            seed,
            volume_blocks,
            device_blocks,
            options,
            keep_data,
            survey,
            query_blocks,
            device,
            pool,
            workload,
            trace,
            free_space,
            resolved,
        };
        self.try_workload(&case, workload_place)?;
        case.resolved = self.resolve(&case, entry)?;
        let text: String = case.resolved.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        case.hash = format!("{:016x}", xxh3_64(text.as_bytes()));
        Some(case)
    }

    /// A workload that refuses its settings must say so now, not when its case runs.
    fn try_workload(&mut self, case: &Case, place: Option<Origin>) -> Option<()> {
        let key = format!("{:?} {:?} {}", case.workload, case.trace, case.volume_blocks);
        if !self.workloads.insert(key) {
            return Some(());
        }
        let Err(error) = build_workload(case) else { return Some(()) };
        let message = error.to_string();
        let place = self.blame(&message, place);
        let help = "`spinney list workloads` says what each setting does";
        self.complain(format!("workload {}: {message}", case.workload.name), place, Some(help.into()));
        None
    }

    /// Put every swept value where it belongs. Names of choices and labels of other axes are given back.
    fn place_all<'b>(&mut self, fixed: &mut Table, picks: &[(&'b Axis, &(Scalar, Origin))]) -> Placed<'b> {
        let mut placed = Placed::default();
        for (axis, (value, origin)) in picks {
            match (axis.path.as_str(), value) {
                (choice, Scalar::Text(name)) if CHOICES.contains(&choice) => {
                    placed.names.insert(choice, (name.clone(), origin.clone()));
                }
                (choice, _) if CHOICES.contains(&choice) => {
                    let message = format!("[sweep] `{choice}` takes names in quotes, not `{value}`");
                    self.complain(message, Some(origin.clone()), None);
                }
                ("seed" | "run.seed", _) => self.place(fixed, "run.seed", value, origin),
                (path, _) => {
                    self.place(fixed, path, value, origin);
                    placed.labels.push((path.to_owned(), value.to_string()));
                }
            }
        }
        placed
    }

    /// Put a swept value at its dotted path.
    fn place(&mut self, fixed: &mut Table, path: &str, value: &Scalar, origin: &Origin) {
        let mut table = fixed;
        let mut parts: Vec<&str> = path.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        if parts.first().is_none_or(|first| !CASE_SECTIONS.contains(first)) {
            return self.unknown_axis(path, origin);
        }
        for part in parts {
            let empty = || (origin.clone(), Node { origin: origin.clone(), tree: Tree::Table(Table::new()) });
            let (_, node) = table.entry(part.to_owned()).or_insert_with(empty);
            match &mut node.tree {
                Tree::Table(inner) => table = inner,
                _ => {
                    let message = format!("[sweep] `{path}` goes through `{part}`, which is a value");
                    let help = Some(format!("make `{part}` a table, or sweep `{part}` itself"));
                    return self.complain(message, Some(origin.clone()), help);
                }
            }
        }
        let node = Node { origin: origin.clone(), tree: Tree::Scalar(value.clone()) };
        table.insert(last.into(), (origin.clone(), node));
    }

    fn unknown_axis(&mut self, path: &str, origin: &Origin) {
        let names = CHOICES.into_iter().chain(["seed"]).chain(CASE_SECTIONS);
        let near = nearest(path.split('.').next().unwrap_or(path), names);
        let known = format!(
            "axes are {}, seed, or a path such as workload.rounds or volume.size",
            CHOICES.join(", ")
        );
        let help = near.map_or(known.clone(), |near| format!("did you mean `{near}`? ({known})"));
        let message = format!("[sweep] `{path}` names nothing that can be swept");
        self.complain(message, Some(origin.clone()), Some(help));
    }

    /// Seed, whether data is kept, and whether rows walk all maps.
    fn run(&mut self, fixed: &mut Table) -> (u64, bool, bool) {
        let mut found = Vec::new();
        let mut section = Section::new("run", take_table(fixed, "run"), &mut found);
        let keep_at = section.peek("keep_data");
        let seed = section.integer("seed", 0..=u64::MAX).unwrap_or(1);
        let keep_data = section.switch("keep_data").unwrap_or(true);
        let survey = section.switch("survey").unwrap_or(true);
        section.finish();
        self.take(found);
        self.places.extend(keep_at.map(|place| ("keep_data".to_owned(), place)));
        (seed, keep_data, survey)
    }

    /// Data that is not kept cannot be verified.
    fn allow_hollow(&mut self, keep_data: bool, options: &PoolOptions) -> Option<()> {
        if keep_data || options.checksums == ChecksumKind::None {
            return Some(());
        }
        let message = "`run.keep_data = false` leaves nothing for data checksums to check".to_owned();
        let help = Some("add `checksums = \"none\"` to [volume], or keep the data".to_owned());
        self.complain(message, self.places.get("keep_data").cloned(), help);
        None
    }

    fn excluded(&mut self, labels: &[(String, String)]) -> bool {
        for (column, value) in labels {
            self.labels.entry(column.clone()).or_default().insert(value.clone());
        }
        let has =
            |column: &str, values: &[String]| labels.iter().any(|(c, v)| c == column && values.contains(v));
        let rules = &self.experiment.exclude;
        rules
            .iter()
            .any(|rule| !rule.is_empty() && rule.iter().all(|(column, values, _)| has(column, values)))
    }

    /// An exclusion that can match nothing is a mistake.
    pub(super) fn check_exclusions(&mut self) {
        let rules = self.experiment.exclude.iter().flatten();
        let each = rules
            .flat_map(|(column, values, origin)| values.iter().map(move |value| (column, value, origin)));
        for (column, value, origin) in each {
            let known: Vec<&str> = match self.labels.get(column) {
                None => self.labels.keys().map(String::as_str).collect(),
                Some(values) if values.contains(value) || column == "seed" => continue,
                Some(values) => values.iter().map(String::as_str).collect(),
            };
            let wrong = if self.labels.contains_key(column) { value } else { column };
            let near = nearest(wrong, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
            let help = format!("{}(known: {})", near.unwrap_or_default(), known.join(", "));
            let message = format!("[[exclude]] `{column} = {value}` matches no case");
            self.complain(message, Some(origin.clone()), Some(help));
        }
    }
}

/// Take a section out of the fixed part.
pub(super) fn take_table(fixed: &mut Table, key: &str) -> Table {
    match fixed.remove(key) {
        Some((_, Node { tree: Tree::Table(table), .. })) => table,
        _ => Table::new(),
    }
}
