//! What a results folder says of its own origin, so that it can be redrawn and repeated.
//!
//! Invariant: `read` finds what `write` left. Nothing here is a time, a host name or a count of threads.

use crate::config::{ConfigError, Sources};
use crate::experiment::Experiment;
use crate::plan::Case;
use crate::results::Results;
use crate::run::RunError;
use crate::table::Table;
use std::io;
use std::path::{Path, PathBuf};

/// Where results came from.
pub(crate) struct Origin {
    /// The config as it was then: the folder's own copy.
    pub(crate) copy: PathBuf,
    /// Where the config stood.
    pub(crate) config: PathBuf,
    /// What the experiment was called, if the folder says it.
    pub(crate) name: Option<String>,
    /// The seed that replaced those of the config.
    pub(crate) seed: Option<u64>,
    /// Void cases.
    pub(crate) failed: Vec<(String, String)>,
}

const NAME: &str = "provenance.toml";
/// The folder of the copies: of the config and, under the names by which it calls them, of its parts. Configs look beside
/// themselves first, so the copy runs by itself; of traces the hash is kept, not the bytes.
const COPIES: &str = "config";

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Version, command and every case with all that its rows depend on; beside it the config with its parts, and the void cases.
pub(crate) fn write(
    results: &Results,
    experiment: &Experiment,
    sources: &Sources,
    cases: &[Case],
    seed: Option<u64>,
    failed: &[(String, String)],
) -> io::Result<()> {
    let mut text =
        String::from("# What these results depend on. Counted rows are the same on any machine.\n");
    let config = sources.0.first().map_or_else(String::new, |(path, _)| path.display().to_string());
    let copy = copy_of(Path::new(&config));
    let option = seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
    text.push_str(&format!("spinney = {}\n", quoted(env!("CARGO_PKG_VERSION"))));
    text.push_str(&format!("name = {}\n", quoted(&experiment.name)));
    text.push_str(&format!("config = {}\n", quoted(&config)));
    text.push_str(&format!("command = {}\n", quoted(&format!("spinney run {config}{option}"))));
    text.push_str(&format!("copy = {}\n", quoted(&copy)));
    if let Some(seed) = seed {
        text.push_str(&format!("seed = {}\n", quoted(&seed.to_string())));
    }
    for case in cases {
        text.push_str(&format!("\n[case.{}]\n", quoted(&case.hash)));
        for (key, value) in &case.resolved {
            text.push_str(&format!("{} = {}\n", quoted(key), quoted(value)));
        }
    }
    results.write(NAME, text.as_bytes())?;
    write_copies(results, experiment, sources, &copy)?;
    let mut void = Table::new(["case", "reason"]);
    for (case, reason) in failed {
        void.push(vec![case.clone(), reason.clone()]);
    }
    results.write("void.csv", &void.to_csv().map_err(io::Error::other)?)
}

/// Where the config's copy stands in the results folder.
fn copy_of(config: &Path) -> String {
    let name = config.file_name().unwrap_or("config.toml".as_ref());
    format!("{COPIES}/{}", name.to_string_lossy())
}

fn write_copies(results: &Results, experiment: &Experiment, sources: &Sources, copy: &str) -> io::Result<()> {
    for (number, (path, text)) in sources.0.iter().enumerate() {
        let part = experiment.library.name_of(path).map(|name| format!("{COPIES}/{}", name.display()));
        if let Some(name) = if number == 0 { Some(copy.to_owned()) } else { part } {
            results.write(&name, text.as_bytes())?;
        }
    }
    Ok(())
}

/// What `write` left in a folder.
pub(crate) fn read(folder: &Path) -> Result<Origin, RunError> {
    let path = folder.join(NAME);
    let wrong = |what: String| {
        let help = Some("name a folder that `spinney run` made, such as results/quickstart".to_owned());
        RunError::Config(ConfigError::plain(format!("{}: {what}", path.display()), help))
    };
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table =
        text.parse().map_err(|error: toml::de::Error| wrong(error.message().to_owned()))?;
    let word = |key: &str| table.get(key).and_then(toml::Value::as_str);
    let void = Table::read(&folder.join("void.csv")).unwrap_or_default();
    let failed = void.rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
    Ok(Origin {
        copy: folder.join(word("copy").unwrap_or("config.toml")),
        config: word("config").unwrap_or_default().into(),
        name: word("name").map(String::from),
        seed: word("seed").and_then(|seed| seed.parse().ok()),
        failed: failed.map(|[case, reason]| (case, reason)).collect(),
    })
}
