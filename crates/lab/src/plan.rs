//! From an experiment to its cases: one for each combination of the sweep, each wholly resolved.
//!
//! Invariant: a case's hash covers everything that can change its rows (and the version of spinney), so equal hash means
//! equal rows; nothing about threads, folders or backing is in it.

use crate::config::{ConfigError, Node, Origin, Problem, Scalar, Section, Table, Tree, load};
use crate::experiment::{Axis, Experiment};
use spinney_core::{BLOCK_BYTES, Fallback, Parameter, Setting, Settings};
use spinney_device::DeviceParameters;
use spinney_registry::{AllocatorSpec, Choice, PoolSpec, Registry, RegistryError, check_kind, resolved};
use spinney_volume::{ChecksumKind, PoolOptions};
use spinney_workload::WorkloadEntry;
use std::collections::BTreeMap;
use std::path::PathBuf;
use xxhash_rust::xxh3::xxh3_64;

/// The most cases that a sweep may have without being asked twice.
pub const CASES_MAX: usize = 10_000;
/// Version of the rows: a change of any metric's meaning raises it, so old rows are not taken for new ones.
pub const ROWS_VERSION: u32 = 1;
/// Axes whose values name a part or a registered entry.
const CHOICES: [&str; 4] = ["device", "allocator", "scheme", "workload"];

/// One case, ready to run.
#[derive(Clone, Debug)]
pub struct Case {
    /// 16 hexadecimal digits over version and configuration.
    pub hash: String,
    /// Column and value of what tells the cases apart: always allocator, scheme, device, workload and seed.
    pub labels: Vec<(String, String)>,
    /// Seed of the workload.
    pub seed: u64,
    /// Size of the volume.
    pub volume_blocks: u64,
    /// Size of the device.
    pub device_blocks: u64,
    /// The pool's tunables.
    pub options: PoolOptions,
    /// The device model.
    pub device: DeviceParameters,
    /// Allocator and scheme.
    pub pool: PoolSpec,
    /// The workload, and the file that it reads, if any.
    pub workload: Choice,
    /// Where the workload finds its trace.
    pub trace: Option<PathBuf>,
    /// Everything that the hash covers, a line each.
    pub resolved: BTreeMap<String, String>,
}

impl Case {
    /// `allocator=bitmap scheme=flat ...`
    #[must_use]
    pub fn name(&self) -> String {
        self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }
}

/// Every case of an experiment, in the order of its rows. Errors: all problems of all cases, each once.
pub fn plan(experiment: &Experiment, registry: &Registry) -> Result<Vec<Case>, ConfigError> {
    let fail = |problems: Vec<Problem>| ConfigError { problems, sources: experiment.sources.clone() };
    let count = experiment.axes.iter().try_fold(1usize, |count, axis| count.checked_mul(axis.values.len()));
    let count = count.unwrap_or(usize::MAX);
    if count > CASES_MAX {
        let message = format!("the sweep has {count} cases; at most {CASES_MAX} are run");
        let origin = experiment.axes.last().map(|axis| axis.origin.clone());
        return Err(fail(vec![Problem {
            message,
            origin,
            help: Some("shorten an axis, or split the experiment".into()),
        }]));
    }
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    let mut sources = experiment.sources.clone();
    for number in 0..count {
        let picks = pick(&experiment.axes, number);
        let mut planner = Planner { experiment, registry, sources: &mut sources, problems: &mut problems };
        cases.extend(planner.case(&picks));
    }
    let mut seen = Vec::new();
    problems.retain(|problem| {
        !seen.contains(problem) && {
            seen.push(problem.clone());
            true
        }
    });
    if problems.is_empty() { Ok(cases) } else { Err(ConfigError { problems, sources }) }
}

/// The values of combination `number`, the last axis turning fastest.
fn pick(axes: &[Axis], number: usize) -> Vec<(&Axis, &(Scalar, Origin))> {
    let mut rest = number;
    let mut picks: Vec<_> = axes
        .iter()
        .rev()
        .map(|axis| {
            let value = &axis.values[rest % axis.values.len()];
            rest /= axis.values.len();
            (axis, value)
        })
        .collect();
    picks.reverse();
    picks
}

struct Planner<'a> {
    experiment: &'a Experiment,
    registry: &'a Registry,
    sources: &'a mut crate::config::Sources,
    problems: &'a mut Vec<Problem>,
}

/// What one section came to.
struct Chosen {
    label: String,
    table: Table,
    origin: Option<Origin>,
}

impl Planner<'_> {
    fn complain(&mut self, message: String, origin: Option<Origin>, help: Option<String>) {
        self.problems.push(Problem { message, origin, help });
    }

    fn refused(&mut self, error: &RegistryError, origin: Option<Origin>) {
        let help = error.suggestion().map(|near| format!("did you mean `{near}`?"));
        self.complain(error.to_string(), origin, help);
    }

    /// One case; `None` if it is excluded or wrong.
    fn case(&mut self, picks: &[(&Axis, &(Scalar, Origin))]) -> Option<Case> {
        let before = self.problems.len();
        let mut fixed = self.experiment.fixed.clone();
        let mut names: BTreeMap<&str, (String, Origin)> = BTreeMap::new();
        let mut extra = Vec::new();
        for (axis, (value, origin)) in picks {
            match (axis.path.as_str(), value) {
                (choice, Scalar::Text(name)) if CHOICES.contains(&choice) => {
                    names.insert(choice, (name.clone(), origin.clone()));
                }
                ("seed", _) => self.place(&mut fixed, "run.seed", value, origin),
                (path, _) => {
                    self.place(&mut fixed, path, value, origin);
                    extra.push((path.to_owned(), value.to_string()));
                }
            }
        }
        let [device, allocator, scheme, workload] =
            CHOICES.map(|choice| self.choose(choice, &mut fixed, names.remove(choice)));
        let mut labels = vec![
            ("allocator".to_owned(), allocator.label.clone()),
            ("scheme".to_owned(), scheme.label.clone()),
            ("device".to_owned(), device.label.clone()),
            ("workload".to_owned(), workload.label.clone()),
        ];
        labels.extend(extra);
        let run = self.run(&mut fixed);
        labels.push(("seed".to_owned(), run.to_string()));
        if self.excluded(&labels) {
            self.problems.truncate(before);
            return None;
        }
        let (volume_blocks, device_blocks, options) = self.volume(&mut fixed)?;
        let device_parameters = self.device(device)?;
        let pool = PoolSpec { allocator: self.allocator(allocator)?, scheme: self.scheme(scheme)? };
        if let Err(error) = self.registry.parts(&pool) {
            self.refused(&error, None);
        }
        let (workload, trace, entry) = self.workload(workload)?;
        if self.problems.len() > before {
            return None;
        }
        let mut case = Case {
            hash: String::new(),
            labels,
            seed: run,
            volume_blocks,
            device_blocks,
            options,
            device: device_parameters,
            pool,
            workload,
            trace,
            resolved: BTreeMap::new(),
        };
        case.resolved = self.resolve(&case, entry);
        let text: String = case.resolved.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        case.hash = format!("{:016x}", xxh3_64(text.as_bytes()));
        Some(case)
    }

    fn excluded(&self, labels: &[(String, String)]) -> bool {
        let matches = |pairs: &Vec<(String, String)>| {
            !pairs.is_empty() && pairs.iter().all(|pair| labels.contains(pair))
        };
        self.experiment.exclude.iter().any(matches)
    }

    /// Put a swept value at its dotted path.
    fn place(&mut self, fixed: &mut Table, path: &str, value: &Scalar, origin: &Origin) {
        let mut table = fixed;
        let mut parts: Vec<&str> = path.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        if parts.first().is_none_or(|first| !crate::experiment::CASE_SECTIONS.contains(first)) {
            let known = format!(
                "axes are {}, seed, or a path such as workload.rounds or volume.size",
                CHOICES.join(", ")
            );
            return self.complain(
                format!("[sweep] `{path}` names nothing that can be swept"),
                Some(origin.clone()),
                Some(known),
            );
        }
        for part in parts {
            let empty = || (origin.clone(), Node { origin: origin.clone(), tree: Tree::Table(Table::new()) });
            let (_, node) = table.entry(part.to_owned()).or_insert_with(empty);
            match &mut node.tree {
                Tree::Table(inner) => table = inner,
                _ => {
                    return self.complain(
                        format!("[sweep] `{path}` goes through a value"),
                        Some(origin.clone()),
                        None,
                    );
                }
            }
        }
        table.insert(
            last.into(),
            (origin.clone(), Node { origin: origin.clone(), tree: Tree::Scalar(value.clone()) }),
        );
    }

    /// The section of a choice: the part of that name below what the config says itself. A swept name wins over
    /// `[volume] choice = name`, which wins over the section's own `name`.
    fn choose(&mut self, choice: &str, fixed: &mut Table, swept: Option<(String, Origin)>) -> Chosen {
        let mut volume_name = None;
        if let Some((_, node)) = fixed.get_mut("volume")
            && let Tree::Table(volume) = &mut node.tree
            && let Some((_, node)) = volume.remove(choice)
        {
            match node.tree {
                Tree::Scalar(Scalar::Text(name)) => volume_name = Some((name, node.origin)),
                _ => self.complain(format!("`volume.{choice}` is a name in quotes"), Some(node.origin), None),
            }
        }
        let own = fixed.remove(choice);
        let origin = own.as_ref().map(|(origin, _)| origin.clone());
        let mut table = match own {
            Some((_, Node { tree: Tree::Table(table), .. })) => table,
            _ => Table::new(),
        };
        let Some((name, at)) = swept.or(volume_name) else {
            let label = match table.get("name").or(table.get("kind")) {
                Some((_, Node { tree: Tree::Scalar(name), .. })) => name.to_string(),
                _ => String::new(),
            };
            return Chosen { label, table, origin };
        };
        let label = name.rsplit('/').next().unwrap_or(&name).to_owned();
        let mut below = self.part(choice, &name, &at);
        crate::config::overlay(&mut below, std::mem::take(&mut table));
        Chosen { label, table: below, origin: Some(at) }
    }

    /// The part `choice/name`, or a bare registered name.
    fn part(&mut self, choice: &str, name: &str, at: &Origin) -> Table {
        let file = if name.contains('/') { format!("{name}.toml") } else { format!("{choice}/{name}.toml") };
        let Ok(path) = self.experiment.library.find(&file) else {
            if name.contains('/') || choice == "device" {
                let help = Some(format!("a {choice} is a file such as configs/{choice}/NAME.toml"));
                self.complain(format!("no {choice} part `{file}` was found"), Some(at.clone()), help);
            }
            let node = Node { origin: at.clone(), tree: Tree::Scalar(Scalar::Text(name.into())) };
            return Table::from([("name".to_owned(), (at.clone(), node))]);
        };
        match load(&path, &self.experiment.library) {
            Ok((mut table, sources)) => {
                let shift = self.sources.0.len();
                self.sources.0.extend(sources.0);
                match table.remove(choice) {
                    Some((_, mut node)) => {
                        crate::config::shift_origins(&mut node, shift);
                        if let Tree::Table(table) = node.tree { table } else { Table::new() }
                    }
                    None => {
                        self.complain(
                            format!("{} has no [{choice}] section", path.display()),
                            Some(at.clone()),
                            None,
                        );
                        Table::new()
                    }
                }
            }
            Err(error) => {
                for problem in error.problems {
                    self.complain(
                        format!("in part {}: {}", path.display(), problem.message),
                        Some(at.clone()),
                        problem.help,
                    );
                }
                Table::new()
            }
        }
    }

    fn run(&mut self, fixed: &mut Table) -> u64 {
        let table = take_table(fixed, "run");
        let mut section = Section::new("run", table, self.problems);
        let seed = section.integer("seed", 0..=u64::MAX).unwrap_or(1);
        section.finish();
        seed
    }

    fn volume(&mut self, fixed: &mut Table) -> Option<(u64, u64, PoolOptions)> {
        let origin = fixed.get("volume").map(|(origin, _)| origin.clone());
        let table = take_table(fixed, "volume");
        let block = BLOCK_BYTES as u64;
        let mut section = Section::new("volume", table, self.problems);
        let default = PoolOptions::default();
        let (size, device) = (section.bytes("size"), section.bytes("device_size"));
        let options = PoolOptions {
            metadata_blocks: section.bytes("metadata_size").map(|bytes| bytes.div_ceil(block)),
            cache_pages: section
                .bytes("cache_size")
                .map_or(default.cache_pages, |bytes| (bytes / block).max(4) as usize),
            commit_blocks: section
                .bytes("commit_size")
                .map_or(default.commit_blocks, |bytes| bytes.div_ceil(block)),
            tend_budget: section.integer("tend_budget", 1..=1 << 40).unwrap_or(default.tend_budget),
            checksums: match section.text("checksums").as_deref() {
                None | Some("xxh3") => ChecksumKind::Xxh3,
                Some("none") => ChecksumKind::None,
                Some(other) => {
                    section.complain(
                        format!("no checksum is called `{other}`"),
                        None,
                        Some("known: xxh3, none".into()),
                    );
                    ChecksumKind::Xxh3
                }
            },
            in_place: section.switch("in_place").unwrap_or(false),
        };
        if size.is_none() && section.peek("size").is_none() {
            section.complain(
                "[volume] needs a size".into(),
                origin.clone(),
                Some("add `size = \"1 GiB\"`".into()),
            );
        }
        section.finish();
        let volume_blocks = size?.div_ceil(block);
        let device_blocks = device.map_or(volume_blocks + volume_blocks / 2 + 256, |bytes| bytes / block);
        if device_blocks < 300 || device_blocks > 1 << 48 {
            let message = format!("a device of {device_blocks} blocks cannot be made");
            self.complain(message, origin, Some("give `device_size` from 2 MiB to 1 EiB".into()));
            return None;
        }
        Some((volume_blocks, device_blocks, options))
    }

    fn device(&mut self, chosen: Chosen) -> Option<DeviceParameters> {
        let mut table = chosen.table;
        if table.is_empty() {
            let origin = Origin { file: 0, bytes: 0..0 };
            let node = Node { origin: origin.clone(), tree: Tree::Scalar(Scalar::Text("memory".into())) };
            table.insert("kind".into(), (origin, node));
        }
        let value = crate::config::to_toml(&table);
        match serde::Deserialize::deserialize(value) {
            Ok(parameters) => Some(parameters),
            Err(error) => {
                let error: toml::de::Error = error;
                self.complain(format!("[device]: {}", error.message()), chosen.origin, None);
                None
            }
        }
    }

    fn scheme(&mut self, chosen: Chosen) -> Option<Choice> {
        let table = chosen.table;
        self.choice("scheme", table, chosen.origin, "refcount")
    }

    /// `name` and settings of one entry.
    fn choice(
        &mut self,
        what: &str,
        mut table: Table,
        origin: Option<Origin>,
        default: &str,
    ) -> Option<Choice> {
        let name = match table.remove("name") {
            None => default.to_owned(),
            Some((_, Node { tree: Tree::Scalar(Scalar::Text(name)), .. })) => name,
            Some((_, node)) => {
                self.complain(format!("`{what}.name` is text in quotes"), Some(node.origin), None);
                return None;
            }
        };
        let parameters = self.parameters(what, &name);
        let Some(parameters) = parameters else {
            let known = self.known(what);
            let error = RegistryError::Unknown { what: what.into(), name, known };
            self.refused(&error, origin);
            return None;
        };
        let settings = self.settings(&format!("{what} {name}"), table, parameters);
        Some(Choice { name, settings })
    }

    fn known(&self, what: &str) -> Vec<String> {
        let names: Vec<&str> = match what {
            "index" => self.registry.indexes.iter().map(|entry| entry.name).collect(),
            "form" => self.registry.forms.iter().map(|entry| entry.name).collect(),
            "reclaim" => self.registry.reclaims.iter().map(|entry| entry.name).collect(),
            "scheme" => self.registry.schemes.iter().map(|entry| entry.name).collect(),
            "workload" => spinney_workload::ENTRIES.iter().map(|entry| entry.name).collect(),
            _ => self.registry.allocators.iter().map(|entry| entry.name).collect(),
        };
        names.into_iter().map(String::from).collect()
    }

    fn parameters(&self, what: &str, name: &str) -> Option<&'static [Parameter]> {
        match what {
            "index" => {
                self.registry.indexes.iter().find(|entry| entry.name == name).map(|entry| entry.parameters)
            }
            "form" => {
                self.registry.forms.iter().find(|entry| entry.name == name).map(|entry| entry.parameters)
            }
            "reclaim" => {
                self.registry.reclaims.iter().find(|entry| entry.name == name).map(|entry| entry.parameters)
            }
            "scheme" => {
                self.registry.schemes.iter().find(|entry| entry.name == name).map(|entry| entry.parameters)
            }
            "workload" => spinney_workload::ENTRIES
                .iter()
                .find(|entry| entry.name == name)
                .map(|entry| entry.parameters),
            _ => {
                self.registry.allocators.iter().find(|entry| entry.name == name).map(|entry| entry.parameters)
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
                    settings.0.insert(key, value);
                }
                Err(error) => self.refused(&error, Some(node.origin)),
            }
        }
        settings
    }

    fn allocator(&mut self, chosen: Chosen) -> Option<AllocatorSpec> {
        let Chosen { mut table, origin, .. } = chosen;
        let name = match table.remove("name") {
            Some((_, Node { tree: Tree::Scalar(Scalar::Text(name)), .. })) => Some(name),
            _ => None,
        };
        let preset = match &name {
            Some(name) => match self.registry.allocator(name) {
                Ok(AllocatorSpec::Whole(_)) => {
                    let place = Node {
                        origin: Origin { file: 0, bytes: 0..0 },
                        tree: Tree::Scalar(Scalar::Text(name.clone())),
                    };
                    table.insert("name".into(), (place.origin.clone(), place));
                    return self.choice("allocator", table, origin, name).map(AllocatorSpec::Whole);
                }
                Ok(AllocatorSpec::Composed { index, form, reclaim }) => {
                    [Some(index), Some(form), Some(reclaim)]
                }
                Err(error) => {
                    self.refused(&error, origin);
                    return None;
                }
            },
            None => [None, None, None],
        };
        let defaults = ["twin", "extent-tree", "at-commit"];
        let mut parts = Vec::new();
        for ((what, preset), default) in ["index", "form", "reclaim"].into_iter().zip(preset).zip(defaults) {
            let base = preset.map_or(default.to_owned(), |choice| choice.name);
            let part = match table.remove(what) {
                None => Table::new(),
                Some((_, Node { tree: Tree::Table(table), .. })) => table,
                Some((key, node)) => Table::from([("name".to_owned(), (key, node))]),
            };
            parts.push(self.choice(what, part, origin.clone(), &base));
        }
        for (key, (origin, _)) in table {
            let help = Some(
                "known: name, index, form, reclaim (each a name, or a table with name and settings)"
                    .to_owned(),
            );
            self.complain(format!("unknown key `{key}` in [allocator]"), Some(origin), help);
        }
        let mut parts = parts.into_iter();
        let mut next = || parts.next().flatten();
        Some(AllocatorSpec::Composed { index: next()?, form: next()?, reclaim: next()? })
    }

    fn workload(&mut self, chosen: Chosen) -> Option<(Choice, Option<PathBuf>, &'static WorkloadEntry)> {
        let origin = chosen.origin.clone();
        let choice = self.choice("workload", chosen.table, chosen.origin, "overwrite")?;
        let entry = spinney_workload::ENTRIES.iter().find(|entry| entry.name == choice.name)?;
        let trace = match entry.parameters.iter().find(|parameter| parameter.name == "file") {
            None => None,
            Some(file) => match self.experiment.library.find(choice.settings.word(file)) {
                Ok(path) => Some(path),
                Err(message) => {
                    let help = "traces lie below the config's folder or configs/, for example `traces/git-ext4.csv.zst`";
                    self.complain(message, origin, Some(help.to_owned()));
                    return None;
                }
            },
        };
        Some((choice, trace, entry))
    }

    /// Everything that the rows depend on, with defaults written out.
    fn resolve(&self, case: &Case, entry: &WorkloadEntry) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        let mut put = |key: String, value: String| {
            all.insert(key, value);
        };
        put("spinney".into(), env!("CARGO_PKG_VERSION").into());
        put("rows_version".into(), ROWS_VERSION.to_string());
        put("run.seed".into(), case.seed.to_string());
        put("volume.blocks".into(), case.volume_blocks.to_string());
        put("volume.device_blocks".into(), case.device_blocks.to_string());
        put("volume.options".into(), format!("{:?}", case.options));
        put("device".into(), format!("{:?}", case.device));
        put("workload".into(), case.workload.name.clone());
        for (key, value) in resolved(entry.parameters, &case.workload.settings).0 {
            put(format!("workload.{key}"), value.to_string());
        }
        if let Some(path) = &case.trace {
            put(
                "workload.trace_hash".into(),
                std::fs::read(path)
                    .map_or_else(|_| "unreadable".into(), |bytes| format!("{:016x}", xxh3_64(&bytes))),
            );
        }
        let parts = match &case.pool.allocator {
            AllocatorSpec::Composed { index, form, reclaim } => {
                vec![("index", index), ("form", form), ("reclaim", reclaim)]
            }
            AllocatorSpec::Whole(whole) => vec![("allocator", whole)],
        };
        for (what, choice) in parts.into_iter().chain([("scheme", &case.pool.scheme)]) {
            put(what.into(), choice.name.clone());
            let parameters = self.parameters(what, &choice.name).unwrap_or_default();
            for (key, value) in resolved(parameters, &choice.settings).0 {
                put(format!("{what}.{key}"), value.to_string());
            }
        }
        all
    }
}

fn take_table(fixed: &mut Table, key: &str) -> Table {
    match fixed.remove(key) {
        Some((_, Node { tree: Tree::Table(table), .. })) => table,
        _ => Table::new(),
    }
}

/// A node as the setting that a parameter wants.
fn setting(parameter: &Parameter, node: &Node) -> Result<Setting, RegistryError> {
    let wrong = || RegistryError::WrongKind {
        parameter: parameter.name.into(),
        given: node.kind().into(),
        wanted: "a plain value",
    };
    let Tree::Scalar(scalar) = &node.tree else { return Err(wrong()) };
    let value = match scalar {
        Scalar::Integer(value) => match u64::try_from(*value) {
            Ok(value) => Setting::Integer(value),
            Err(_) => Setting::Word(value.to_string()),
        },
        Scalar::Real(value) => Setting::Real(*value),
        Scalar::Switch(value) => Setting::Switch(*value),
        Scalar::Text(text) => match (&parameter.default, crate::config::parse_bytes(text)) {
            (Fallback::Integer(_), Ok(bytes)) if parameter.name.ends_with("_bytes") => {
                Setting::Integer(bytes)
            }
            (Fallback::Integer(_), Ok(bytes)) if parameter.name.ends_with("_blocks") => {
                Setting::Integer(bytes / BLOCK_BYTES as u64)
            }
            _ => Setting::Word(text.clone()),
        },
    };
    check_kind(parameter, &value).map(|()| value)
}
