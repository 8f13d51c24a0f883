//! `spinney list`: what this build knows, from the same tables that it runs by.
//!
//! Invariant: nothing is listed that cannot be named in a config.

use crate::args::{self, Listed};
use crate::exit::{Failure, say, versioned};
use serde_json::{Value, json};
use spinney_core::{Fallback, Parameter};
use spinney_lab::case::METRICS;
use spinney_lab::report::aligned;
use spinney_lab::table::Table;
use spinney_registry::Registry;
use spinney_volume::ChecksumKind;
use std::process::ExitCode;

/// One line of a list.
struct Item {
    name: String,
    kind: &'static str,
    summary: String,
    /// The source; of a metric the unit.
    from: String,
    parameters: &'static [Parameter],
}

pub(crate) fn list(args: &args::List) -> Result<ExitCode, Failure> {
    let items = match args.what {
        Listed::Allocators => allocators(),
        Listed::Schemes => schemes(),
        Listed::Workloads => workloads(),
        Listed::Devices => devices(),
        Listed::Checksums => checksums(),
        Listed::Metrics => metrics(),
    };
    if args.json {
        let items: Vec<Value> = items.iter().map(as_json).collect();
        say(versioned("spinney list", &json!({ "items": items })))?;
        return Ok(ExitCode::SUCCESS);
    }
    let last = if matches!(args.what, Listed::Metrics) { "unit" } else { "from" };
    let mut table = Table::new(["name", "kind", "what", last]);
    for item in &items {
        table.push(vec![item.name.clone(), item.kind.into(), item.summary.clone(), item.from.clone()]);
    }
    say(aligned(&table))?;
    for item in items.iter().filter(|item| !item.parameters.is_empty()) {
        say(format!("\n{} {} takes", item.kind, item.name))?;
        for parameter in item.parameters {
            say(format!("    {} = {}\n        {}", parameter.name, default(parameter), parameter.reason))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn default(parameter: &Parameter) -> String {
    match parameter.default {
        Fallback::Integer(value) => value.to_string(),
        Fallback::Real(value) => value.to_string(),
        Fallback::Switch(value) => value.to_string(),
        Fallback::Word(value) => format!("{value:?}"),
    }
}

fn as_json(item: &Item) -> Value {
    let value = |parameter: &Parameter| match parameter.default {
        Fallback::Integer(value) => json!(value),
        Fallback::Real(value) => json!(value),
        Fallback::Switch(value) => json!(value),
        Fallback::Word(value) => json!(value),
    };
    let parameter = |parameter: &Parameter| json!({ "name": parameter.name, "default": value(parameter), "reason": parameter.reason });
    json!({
        "name": item.name, "kind": item.kind, "summary": item.summary, (if item.kind == "metric" { "unit" } else { "paper" }): item.from,
        "parameters": item.parameters.iter().map(parameter).collect::<Vec<_>>(),
    })
}

macro_rules! items {
    ($entries:expr, $kind:literal) => {
        $entries.iter().map(|entry| Item {
            name: entry.name.into(),
            kind: $kind,
            summary: entry.summary.into(),
            from: entry.paper.into(),
            parameters: entry.parameters,
        })
    };
}

fn allocators() -> Vec<Item> {
    let registry = Registry::standard();
    let preset = |entry: &spinney_registry::AllocatorPreset| Item {
        name: entry.name.into(),
        kind: "allocator",
        summary: format!(
            "{} (groups {}, index {}, form {}, reclaim {})",
            entry.summary, entry.groups, entry.index, entry.form, entry.reclaim
        ),
        from: entry.paper.into(),
        parameters: &[],
    };
    let mut all: Vec<Item> = registry.presets.iter().map(preset).collect();
    all.extend(items!(registry.allocators, "allocator"));
    all.extend(items!(registry.groups, "groups"));
    all.extend(items!(registry.indexes, "index"));
    all.extend(items!(registry.forms, "form"));
    all.extend(items!(registry.reclaims, "reclaim"));
    all
}

fn schemes() -> Vec<Item> {
    items!(Registry::standard().schemes, "scheme").collect()
}

fn workloads() -> Vec<Item> {
    items!(spinney_workload::ENTRIES, "workload").collect()
}

fn devices() -> Vec<Item> {
    let item = |preset: &spinney_device::model::Preset| Item {
        name: preset.name.into(),
        kind: "device",
        summary: preset.about.into(),
        from: format!("configs/device/{}.toml has the source of each number", preset.name),
        parameters: &[],
    };
    spinney_device::model::PRESETS.iter().map(item).collect()
}

/// A config is published with its results, so it has no place for a secret.
const PUBLIC_KEY: &str = "; a config cannot set the key, so experiments use the public one, which costs the same and finds accidents only";

fn checksums() -> Vec<Item> {
    let item = |kind: ChecksumKind| Item {
        name: kind.name().into(),
        kind: "checksum",
        summary: format!("{}{}", kind.summary(), if kind == ChecksumKind::Blake3 { PUBLIC_KEY } else { "" }),
        from: kind.source().into(),
        parameters: &[],
    };
    ChecksumKind::ALL.into_iter().map(item).collect()
}

fn metrics() -> Vec<Item> {
    let item = |metric: &spinney_lab::case::Metric| Item {
        name: metric.name.clone(),
        kind: "metric",
        summary: metric.says.clone(),
        from: metric.unit.into(),
        parameters: &[],
    };
    METRICS.iter().map(item).collect()
}
