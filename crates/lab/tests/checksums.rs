//! The kind of data checksum as an axis of a sweep.
//!
//! Invariant of the test: what is counted differs between the kinds exactly as the format says.

use spinney_lab::Experiment;
use spinney_lab::config::{Library, load_text};
use spinney_lab::results::Results;
use spinney_lab::run::{RunOptions, run};
use spinney_registry::Registry;
use std::collections::BTreeMap;
use std::path::Path;

const CONFIG: &str = r#"
[volume]
size = "8 MiB"
device_size = "24 MiB"
[workload]
name = "overwrite"
fill = 0.5
rounds = 2
[sweep]
volume.checksums = ["none", "xxh3", "crc32c", "blake3"]
"#;

#[test]
fn every_kind_of_checksum_is_a_case_and_costs_the_same_pages_but_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library { folders: vec![folder.path().to_owned()] };
    let (table, sources) = load_text(Path::new("x.toml"), CONFIG.to_owned(), &library).unwrap();
    let experiment = Experiment::read("checksums".into(), table, sources, library).unwrap();
    let out = folder.path().join("out");
    let options = RunOptions { jobs: 2, out: Some(out.clone()), ..RunOptions::default() };
    let summary = run(&experiment, &Registry::standard(), &options).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((summary.cases, summary.failed), (4, Vec::new()));
    let rows = Results::open(&out).unwrap().tables().unwrap().rows;
    let [kind, written, live] = ["volume.checksums", "pages_written_checksum", "pages_live_checksum"]
        .map(|name| rows.column(name).unwrap_or_else(|| panic!("no column {name}")));
    let mut of: BTreeMap<&str, Vec<[&str; 2]>> = BTreeMap::new();
    for row in &rows.rows {
        of.entry(&row[kind]).or_default().push([&row[written], &row[live]]);
    }
    assert_eq!(of["xxh3"], of["crc32c"]);
    assert_eq!(of["xxh3"], of["blake3"]);
    assert_eq!(of["none"].last().unwrap()[1], "1", "without checksums the table is its root alone");
    let pages = of["xxh3"].last().unwrap()[1].parse::<u64>().unwrap();
    assert!(pages > 1, "{pages} pages of checksums");
}
