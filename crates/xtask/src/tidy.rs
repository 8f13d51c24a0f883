//! The rules of the house that a machine can check.
//!
//! Invariant: exceptions stand in `tidy.toml` with a reason and a limit, and the limit is a ratchet: an exception that
//! is no longer needed, or could be smaller, is itself an error.

use crate::{arrows, source};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What may stand at the top of the project.
const TOP_LEVEL: &[&str] = &[
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".config",
    ".deny.toml",
    ".gitignore",
    ".rustfmt.toml",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "configs",
    "crates",
    "experiments",
    "results",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    lines: usize,
    reason: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Exceptions {
    #[serde(default)]
    file: BTreeMap<String, Exception>,
    #[serde(default)]
    function: BTreeMap<String, Exception>,
}

pub(crate) fn run() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let mut wrong = arrows::check();
    match tracked(root) {
        Some(files) => {
            wrong.extend(top_level(&files));
            wrong.extend(sources(root, &files));
            wrong.extend(registry(root, &files));
            wrong.extend(readmes(root, &files));
        }
        None => wrong.push("`git ls-files` gave no answer".into()),
    }
    for line in &wrong {
        eprintln!("tidy: {line}");
    }
    println!("tidy: {} complaints", wrong.len());
    if wrong.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tracked(root: &Path) -> Option<Vec<PathBuf>> {
    let output = Command::new("git").arg("-C").arg(root).args(["ls-files"]).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let files: Vec<PathBuf> =
        list.lines().map(PathBuf::from).filter(|file| root.join(file).is_file()).collect();
    (!files.is_empty()).then_some(files)
}

fn top_level(files: &[PathBuf]) -> Vec<String> {
    let names: BTreeSet<_> = files.iter().filter_map(|file| file.iter().next()?.to_str()).collect();
    let stray = names.into_iter().filter(|name| !TOP_LEVEL.contains(name));
    stray
        .map(|name| {
            format!("{name} does not belong at the top level (crates/xtask/src/tidy.rs has the list)")
        })
        .collect()
}

fn sources(root: &Path, files: &[PathBuf]) -> Vec<String> {
    let read = |path: &Path| std::fs::read_to_string(root.join(path)).unwrap_or_default();
    let exceptions = match toml::from_str::<Exceptions>(&read(Path::new("crates/xtask/tidy.toml"))) {
        Ok(exceptions) => exceptions,
        Err(error) => return vec![format!("crates/xtask/tidy.toml: {error}")],
    };
    let (mut wrong, mut large) = (Vec::new(), Large::default());
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "rs")) {
        let (name, text) = (file.display().to_string(), read(file));
        let aside = [
            "/tests/",
            "/benches/",
            "/examples/",
            "/tests.rs",
            "_tests.rs",
            "crates/testkit/",
            "crates/sim/",
        ];
        let shipped = !aside.iter().any(|part| name.contains(part));
        let unsafe_allowed =
            ["crates/device/", "crates/export/", "crates/peers/"].iter().any(|part| name.starts_with(part));
        for (line, message) in source::check(&text, shipped, unsafe_allowed) {
            wrong.push(format!("{name}:{line}: {message}"));
        }
        large.files.insert(name.clone(), text.lines().count());
        for (_, function, lines) in source::long_functions(&text) {
            large.functions.insert(format!("{name}::{function}"), lines);
        }
    }
    large.files.retain(|_, lines| *lines > source::FILE_LINES_MAX);
    wrong.extend(ratchet("file", &large.files, &exceptions.file));
    wrong.extend(ratchet("function", &large.functions, &exceptions.function));
    wrong
}

#[derive(Default)]
struct Large {
    files: BTreeMap<String, usize>,
    functions: BTreeMap<String, usize>,
}

fn ratchet(
    kind: &str,
    found: &BTreeMap<String, usize>,
    allowed: &BTreeMap<String, Exception>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, lines) in found {
        match allowed.get(name) {
            None => wrong.push(format!(
                "{kind} {name} has {lines} lines: split it, or give a reason in crates/xtask/tidy.toml"
            )),
            Some(exception) if exception.lines != *lines => {
                wrong.push(format!("{kind} {name} has {lines} lines, crates/xtask/tidy.toml says {}: make them agree, downwards", exception.lines));
            }
            Some(exception) if exception.reason.len() < 20 => {
                wrong.push(format!("{kind} {name}: the reason is too short to be one"))
            }
            Some(_) => {}
        }
    }
    let stale = allowed.keys().filter(|name| !found.contains_key(*name));
    wrong.extend(stale.map(|name| {
        format!("{kind} {name} needs no exception any more: remove it from crates/xtask/tidy.toml")
    }));
    wrong
}

/// Every entry that a plug-in crate declares has a row in the registry's table.
fn registry(root: &Path, files: &[PathBuf]) -> Vec<String> {
    let table = std::fs::read_to_string(root.join("crates/registry/src/table.rs")).unwrap_or_default();
    let mut wrong = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let Some(krate) = name.strip_prefix("crates/").and_then(|rest| rest.split('/').next()) else {
            continue;
        };
        if !(krate.starts_with("alloc-") || krate.starts_with("snap-"))
            || file.extension().is_none_or(|end| end != "rs")
        {
            continue;
        }
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("pub const ")) {
            let Some((entry, kind)) = line.split_once(':') else { continue };
            let row = format!("spinney_{}::{entry}", krate.replace('-', "_"));
            if kind.contains("Entry =") && !table.contains(&row) {
                wrong.push(format!(
                    "{name} declares {entry}, but crates/registry/src/table.rs has no row `{row}`"
                ));
            }
        }
    }
    wrong
}

/// Every crate says what it is.
fn readmes(root: &Path, files: &[PathBuf]) -> Vec<String> {
    let crates: BTreeSet<_> = files
        .iter()
        .filter(|file| file.starts_with("crates"))
        .filter_map(|file| file.iter().nth(1))
        .collect();
    let missing =
        crates.into_iter().filter(|name| !root.join("crates").join(name).join("README.md").is_file());
    missing.map(|name| format!("crates/{} has no README.md", name.display())).collect()
}
