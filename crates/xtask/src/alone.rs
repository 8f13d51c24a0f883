//! `cargo xtask alone`: each allocator crate as a stranger takes it, by path in an empty crate.
//!
//! Invariant: a crate has few dependencies, and the first example of its README builds and runs with the crates that the README adds
//! by `cargo add`, and these are no more than it names. Offline, in a target folder of its own.

use crate::no_std;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

/// Direct dependencies of a crate with its default features, and crates of others in the whole tree below it.
const DIRECT_MAX: usize = 3;
const FOREIGN_MAX: usize = 1;

pub(crate) fn run() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let names = match crates(root) {
        Ok(names) => names,
        Err(what) => {
            eprintln!("{what}");
            return ExitCode::FAILURE;
        }
    };
    let outcomes: Vec<_> = names.into_iter().map(|name| (alone(root, &name), name)).collect();
    for (outcome, name) in &outcomes {
        match outcome {
            Ok(line) => println!("{name}: {line}"),
            Err(what) => eprintln!("{name}: {what}"),
        }
    }
    let names: Vec<&String> = outcomes.iter().map(|(_, name)| name).collect();
    let without_std = no_std::link(root, &names);
    match &without_std {
        Ok(line) => println!("without the standard library: {line}"),
        Err(what) => eprintln!("without the standard library: {what}"),
    }
    let failed = without_std.is_err() || outcomes.iter().any(|(outcome, _)| outcome.is_err());
    if failed || outcomes.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The allocator crates.
fn crates(root: &Path) -> Result<Vec<String>, String> {
    let folder = std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let names = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: BTreeSet<String> = names.filter(|name| name.starts_with("alloc")).collect();
    Ok(names.into_iter().collect())
}

/// What holds of one crate, in words. Errors: what does not.
fn alone(root: &Path, name: &str) -> Result<String, String> {
    let (direct, whole) = (tree(root, name, &["--depth", "1"])?, tree(root, name, &[])?);
    let foreign: Vec<&String> = whole.iter().filter(|name| !name.starts_with("spinney-")).collect();
    if direct.len() > DIRECT_MAX || foreign.len() > FOREIGN_MAX {
        return Err(format!("too many dependencies: {direct:?} directly, of others {foreign:?}"));
    }
    let readme = root.join("crates").join(name).join("README.md");
    let readme =
        std::fs::read_to_string(&readme).map_err(|error| format!("{}: {error}", readme.display()))?;
    let example = example(&readme).ok_or("its README has no example in Rust")?;
    let (adds, names) = (added(&readme), named(root, name, &example)?);
    if adds != names {
        return Err(format!("its README adds {adds:?} by `cargo add`, its example names {names:?}"));
    }
    let started = Instant::now();
    build(root, name, &adds, &example)?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(format!(
        "{} dependencies ({} with theirs, {} of others), the example ran with {} `cargo add` after {seconds:.1} s",
        direct.len(),
        whole.len(),
        foreign.len(),
        adds.len()
    ))
}

/// The crates below this one, itself left out.
pub(crate) fn tree(root: &Path, name: &str, more: &[&str]) -> Result<BTreeSet<String>, String> {
    let package = format!("spinney-{name}");
    let arguments =
        ["tree", "--offline", "--edges", "normal", "--no-dedupe", "--prefix", "none", "--package"];
    let output = Command::new("cargo").current_dir(root).args(arguments).arg(&package).args(more).output();
    let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| *name != package).map(str::to_owned).collect())
}

/// The first block of Rust in a README, as a program.
fn example(readme: &str) -> Option<String> {
    let (_, rest) = readme.split_once("```rust\n")?;
    let (block, _) = rest.split_once("\n```")?;
    // rustdoc's hidden lines.
    let lines =
        block.lines().map(|line| line.strip_prefix("# ").unwrap_or(if line == "#" { "" } else { line }));
    let text = lines.collect::<Vec<_>>().join("\n");
    Some(if text.contains("fn main()") { text } else { format!("fn main() {{\n{text}\n}}\n") })
}

/// The crates that a README adds: its lines `cargo add --path PLACE/crates/NAME`.
fn added(readme: &str) -> BTreeSet<String> {
    let lines = readme.lines().filter_map(|line| line.strip_prefix("cargo add --path "));
    lines.filter_map(|line| Some(line.split_whitespace().next()?.rsplit_once('/')?.1.to_owned())).collect()
}

/// Build and run it in an empty crate to which these are added.
fn build(root: &Path, name: &str, adds: &BTreeSet<String>, example: &str) -> Result<(), String> {
    let folder = empty(root, name, "[package]\nname = \"alone\"\nedition = \"2024\"\n[workspace]\n")?;
    write(folder.join("src/main.rs"), example)?;
    for other in adds {
        let path = root.join("crates").join(other);
        cargo(&folder, Command::new("cargo").args(["add", "--quiet", "--offline", "--path"]).arg(path))?;
    }
    cargo(
        &folder,
        Command::new("cargo").args(["run", "--quiet", "--offline", "--target-dir"]).arg(target(root)),
    )
}

/// A folder for a crate of this manifest, with the same versions of other people's crates as here.
pub(crate) fn empty(root: &Path, name: &str, manifest: &str) -> Result<PathBuf, String> {
    let folder = root.join("target/alone").join(name);
    std::fs::create_dir_all(folder.join("src")).map_err(|error| format!("{}: {error}", folder.display()))?;
    write(folder.join("Cargo.toml"), manifest)?;
    std::fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).map_err(|error| error.to_string())?;
    Ok(folder)
}

/// Where they are built.
pub(crate) fn target(root: &Path) -> PathBuf {
    root.join("target/alone/target")
}

pub(crate) fn write(path: PathBuf, text: &str) -> Result<(), String> {
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Errors: the command failed in this folder, where it said why.
pub(crate) fn cargo(folder: &Path, command: &mut Command) -> Result<(), String> {
    let status =
        command.current_dir(folder).status().map_err(|error| format!("cannot start cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} fails in {}", folder.display())) }
}

/// The crate, and those of the project that the example uses.
fn named(root: &Path, name: &str, example: &str) -> Result<BTreeSet<String>, String> {
    let folder = std::fs::read_dir(root.join("crates")).map_err(|error| format!("crates: {error}"))?;
    let all = folder.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let used =
        |other: &String| other == name || example.contains(&format!("spinney_{}::", other.replace('-', "_")));
    Ok(all.filter(used).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readme_adds_what_its_lines_say() {
        let readme = "```sh\ncargo add --path spinney/crates/alloc-x   # why\ncargo add --path crates/pages\ncargo run\n```\n";
        assert_eq!(added(readme), BTreeSet::from(["alloc-x".to_owned(), "pages".to_owned()]));
    }

    #[test]
    fn an_example_is_a_program_without_hidden_marks() {
        let readme = "text\n```text\nno\n```\n```rust\nuse a::b;\n# let c = 1;\n#\nb(c);\n```\n";
        assert_eq!(example(readme).as_deref(), Some("fn main() {\nuse a::b;\nlet c = 1;\n\nb(c);\n}\n"));
        assert_eq!(example("# fn main()\n```sh\ncargo\n```\n"), None);
    }
}
