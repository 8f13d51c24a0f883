//! A config, read and planned as the command does it, without running anything.
//!
//! Invariant: any text gives cases or an error that says what is wrong. Parts come from the shipped `configs/`.

use spinney_lab::config::{Library, load_text};
use spinney_lab::{Experiment, plan};
use spinney_registry::Registry;
use std::path::{Path, PathBuf};

fn configs_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let library = Library { folders: vec![configs_folder()] };
    let Ok((table, sources)) = load_text(Path::new("fuzz.toml"), text.to_owned(), &library) else { return };
    let Ok(experiment) = Experiment::read("fuzz".into(), table, sources, library) else { return };
    if let Err(error) = plan(&experiment, &Registry::standard()) {
        assert!(!error.to_string().is_empty(), "an error says what is wrong");
    }
}

/// The shipped configs, and small ones.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        "",
        "[volume]\nsize = \"16 MiB\"\n[workload]\nname = \"overwrite\"\nrounds = 2\n",
        "[volume]\nsize = \"16 MiB\"\n[workload]\nname = \"fill\"\n[sweep]\nallocator = [\"bitmap\", \"extent\"]\nseed = [1, 2]\n[[exclude]]\nseed = 2\n",
        "[device]\nbase = \"device/hdd\"\nrotation_rpm = 5400\n[volume]\nsize = \"1 MiB\"\n[workload]\nbase = \"workload/zipf\"\n",
        "[workload]\nname = \"fill\"\n[volume]\nsize = 4096\n[report.a]\ny = \"free_runs\"\n[claim.a]\nsays = \"x\"\nexpect = \"free_runs(allocator=bitmap) < 2 * free_runs()\"\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect();
    seeds.extend(std::fs::read(configs_folder().join("quickstart.toml")));
    seeds
}
