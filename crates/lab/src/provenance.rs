//! What a results folder says of its own origin, so that it can be redrawn and repeated.
//!
//! Invariant: `read` finds what `write` left. Nothing here is a time, a host name or a count of threads.

use crate::config::ConfigError;
use crate::experiment::Experiment;
use crate::plan::Case;
use crate::results::Results;
use crate::run::RunError;
use crate::table::Table;
use std::io;
use std::path::{Path, PathBuf};

/// Where results came from.
pub(crate) struct Origin {
    /// The config; its copy in the folder if it is gone.
    pub(crate) config: PathBuf,
    /// The seed that replaced those of the config.
    pub(crate) seed: Option<u64>,
    /// Void cases.
    pub(crate) failed: Vec<(String, String)>,
}

const NAME: &str = "provenance.toml";

fn quoted(text: &str) -> String {
    toml::Value::String(text.into()).to_string()
}

/// Version, command and every case with all that its rows depend on; beside it the config and the void cases.
pub(crate) fn write(
    results: &Results,
    experiment: &Experiment,
    cases: &[Case],
    seed: Option<u64>,
    failed: &[(String, String)],
) -> io::Result<()> {
    let mut text =
        String::from("# What these results depend on. Counted rows are the same on any machine.\n");
    let source = experiment.sources.0.first();
    let config = source.map_or_else(String::new, |(path, _)| path.display().to_string());
    let option = seed.map_or_else(String::new, |seed| format!(" --seed {seed}"));
    text.push_str(&format!("spinney = {}\n", quoted(env!("CARGO_PKG_VERSION"))));
    text.push_str(&format!("config = {}\n", quoted(&config)));
    text.push_str(&format!("command = {}\n", quoted(&format!("spinney run {config}{option}"))));
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
    if let Some((_, text)) = source {
        results.write("config.toml", text.as_bytes())?;
    }
    let mut void = Table::new(["case", "reason"]);
    for (case, reason) in failed {
        void.push(vec![case.clone(), reason.clone()]);
    }
    results.write("void.csv", &void.to_csv().map_err(io::Error::other)?)
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
    let config = word("config").map(PathBuf::from).filter(|path| path.is_file());
    let void = Table::read(&folder.join("void.csv")).unwrap_or_default();
    let failed = void.rows.into_iter().filter_map(|row| <[String; 2]>::try_from(row).ok());
    Ok(Origin {
        config: config.unwrap_or_else(|| folder.join("config.toml")),
        seed: word("seed").and_then(|seed| seed.parse().ok()),
        failed: failed.map(|[case, reason]| (case, reason)).collect(),
    })
}
