//! Everything that a case's rows depend on, written out.
//!
//! Invariant: two cases that could differ in any row differ in a line here. Threads, folders and backing are no such thing.

use super::parts::parameters;
use super::planner::Planner;
use super::{Case, ROWS_VERSION};
use spinney_registry::resolved;
use spinney_workload::WorkloadEntry;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

impl Planner<'_> {
    /// With defaults written out; `None` if the trace cannot be read, which is complained of.
    pub(super) fn resolve(&mut self, case: &Case, entry: &WorkloadEntry) -> Option<BTreeMap<String, String>> {
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
        if !case.survey {
            put("run.survey".into(), "false".into()); // not said where it is true: the hashes of older rows stand
        }
        if case.options.back_references.is_some() {
            put("volume.query_blocks".into(), case.query_blocks.to_string());
        }
        if let Some(state) = &case.free_space {
            let made_up = if state.made_up { "made up by seed after " } else { "" };
            put("volume.free_space".into(), format!("{made_up}{}", state.source));
            put(
                "volume.free_space_hash".into(),
                format!("{:016x}", xxh3_64(format!("{:?}", state.free).as_bytes())),
            );
        }
        put("device".into(), format!("{:?}", case.device));
        put("workload".into(), case.workload.name.clone());
        for (key, value) in resolved(entry.parameters, &case.workload.settings).0 {
            put(format!("workload.{key}"), value.to_string());
        }
        if let Some(path) = &case.trace {
            put("workload.trace_hash".into(), self.trace_hash(path)?);
        }
        for (what, choice) in case.pool.choices() {
            put(what.into(), choice.name.clone());
            let parameters = parameters(self.registry, what, &choice.name).unwrap_or_default();
            for (key, value) in resolved(parameters, &choice.settings).0 {
                put(format!("{what}.{key}"), value.to_string());
            }
        }
        Some(all)
    }

    /// Each trace is read once, however many cases replay it.
    fn trace_hash(&mut self, path: &Path) -> Option<String> {
        if let Some(known) = self.traces.get(path) {
            return Some(known.clone());
        }
        match hash_file(path) {
            Ok(hash) => {
                self.traces.insert(path.to_owned(), hash.clone());
                Some(hash)
            }
            Err(error) => {
                let place = self.places.get("file").cloned();
                self.complain(format!("cannot read {}: {error}", path.display()), place, None);
                None
            }
        }
    }
}

fn hash_file(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let (mut hash, mut buffer) = (Xxh3::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(format!("{:016x}", hash.digest())),
            length => hash.update(&buffer[..length]),
        }
    }
}
