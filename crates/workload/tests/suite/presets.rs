//! Tests of the parts in `configs/workload`: each names a workload, sets only what it declares, and builds.
//!
//! Invariant: the parts are read as they lie in the tree. Knows only the public face of the crate.

use crate::common::{check_laws, configs, entry};
use spinney_core::{Fallback, Setting, Settings};
use spinney_workload::{WorkloadContext, WorkloadEntry};

fn setting(entry: &WorkloadEntry, key: &str, value: &toml::Value) -> Setting {
    let parameter = entry.parameters.iter().find(|parameter| parameter.name == key);
    let parameter = parameter.unwrap_or_else(|| panic!("{} has no parameter {key}", entry.name));
    match (value, parameter.default) {
        (toml::Value::Integer(number), Fallback::Integer(_)) => {
            Setting::Integer((*number).try_into().unwrap())
        }
        (toml::Value::Float(number), Fallback::Real(_)) => Setting::Real(*number),
        (toml::Value::Boolean(on), Fallback::Switch(_)) => Setting::Switch(*on),
        (toml::Value::String(word), Fallback::Word(_)) => Setting::Word(word.clone()),
        _ => panic!("{key} = {value} is not of the kind of {:?}", parameter.default),
    }
}

#[test]
fn every_part_names_a_workload_and_runs() {
    let mut parts = 0;
    for file in std::fs::read_dir(configs().join("workload")).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let config: toml::Table = text.parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(config.len(), 1, "{} has more than [workload]", path.display());
        let table = config["workload"].as_table().unwrap();
        let entry = entry(table["name"].as_str().unwrap());
        let settings = table.iter().filter(|(key, _)| *key != "name");
        let settings =
            Settings(settings.map(|(key, value)| (key.clone(), setting(entry, key, value))).collect());
        let context = WorkloadContext { volume_blocks: 1 << 18, seed: 1, folder: configs() };
        let mut workload =
            (entry.build)(&context, &settings).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ops: Vec<_> = std::iter::from_fn(|| workload.next().unwrap()).take(5_000).collect();
        check_laws(&ops, 1 << 30, &path.display().to_string());
        parts += 1;
    }
    assert!(parts >= 10, "{parts} parts");
}
