//! Which crate may depend on which: the layers of `ARCHITECTURE.md`, checked against `cargo metadata`.
//!
//! Invariant: an arrow goes to a smaller layer number only; dev-dependencies are free. A crate without a layer is an error.

use std::process::Command;

/// Crate and layer. A new `alloc-*` or `snap-*` crate needs no row.
const LAYERS: &[(&str, u32)] = &[
    ("core", 0),
    ("device", 1),
    ("alloc", 1),
    ("snap", 1),
    ("plot", 1),
    ("workload", 1),
    ("import", 1),
    ("pages", 2),
    ("snap-tree", 3),
    ("backref", 3),
    ("volume", 4),
    ("registry", 5),
    ("export", 5),
    ("lab", 6),
    ("spinney", 7),
];
/// Crates that ship nothing; any may depend on any, and nobody on them but as a dev-dependency.
const DEVELOPMENT: &[&str] = &["testkit", "sim", "fuzz", "xtask", "peers"];
/// Above `snap-tree`, on which the schemes stand.
const PLUG_IN_LAYER: u32 = 4;

fn layer(name: &str) -> Option<u32> {
    if let Some((_, layer)) = LAYERS.iter().find(|(known, _)| *known == name) {
        return Some(*layer);
    }
    (name.starts_with("alloc-") || name.starts_with("snap-")).then_some(PLUG_IN_LAYER)
}

/// Every forbidden edge, in words.
pub(crate) fn check() -> Vec<String> {
    let output = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output();
    let parsed =
        output.ok().and_then(|output| serde_json::from_slice::<serde_json::Value>(&output.stdout).ok());
    let Some(metadata) = parsed else { return vec!["`cargo metadata` gave no answer".into()] };
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let from = short(package["name"].as_str());
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let to = dependency["name"].as_str().filter(|name| name.starts_with("spinney-"));
            if to.is_some() && dependency["kind"].is_null() {
                wrong.extend(forbidden(from, short(to)));
            }
        }
    }
    wrong
}

fn short(name: Option<&str>) -> &str {
    name.map_or("", |name| name.strip_prefix("spinney-").unwrap_or(name))
}

fn forbidden(from: &str, to: &str) -> Option<String> {
    if DEVELOPMENT.contains(&from) {
        return None;
    }
    if DEVELOPMENT.contains(&to) {
        return Some(format!("{from} -> {to}: shipped code depends on a development crate"));
    }
    // The volume and what it stands on name no plug-in; plug-ins do not know each other.
    let plug_in = |name| layer(name) == Some(PLUG_IN_LAYER) && name != "volume";
    match (layer(from), layer(to)) {
        (None, _) => Some(format!("{from} has no layer: add it to LAYERS in crates/xtask/src/arrows.rs")),
        (_, None) => Some(format!("{to} has no layer: add it to LAYERS in crates/xtask/src/arrows.rs")),
        (Some(high), Some(low)) if low >= high => {
            Some(format!("{from} (layer {high}) -> {to} (layer {low}) goes up"))
        }
        _ if plug_in(to) && from != "registry" => {
            Some(format!("{from} -> {to}: only the registry names plug-ins"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows_that_go_up_or_name_plug_ins_are_forbidden() {
        for (from, to) in [
            ("core", "alloc"),
            ("volume", "alloc-bitmap"),
            ("lab", "snap-flat"),
            ("alloc-bitmap", "volume"),
            ("pages", "testkit"),
        ] {
            assert!(forbidden(from, to).is_some(), "{from} -> {to}");
        }
    }

    #[test]
    fn the_arrows_of_the_design_are_allowed() {
        for (from, to) in [
            ("volume", "pages"),
            ("registry", "snap-flat"),
            ("snap-flat", "snap-tree"),
            ("alloc-extent", "pages"),
            ("sim", "registry"),
        ] {
            assert_eq!(forbidden(from, to), None);
        }
    }
}
