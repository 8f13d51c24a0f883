//! `spinney config check`.
//!
//! Invariant: a config that passes will be planned by `run` without a further complaint.

use crate::args::{self, ConfigCommand};
use crate::exit::{Failure, say, versioned};
use serde_json::json;
use spinney_lab::config::Problem;
use spinney_lab::{ConfigError, Experiment, plan};
use spinney_registry::Registry;
use std::process::ExitCode;

pub(crate) fn config(args: &args::Config) -> Result<ExitCode, Failure> {
    let ConfigCommand::Check { config, json } = &args.command;
    let checked = Experiment::load(config).and_then(|experiment| plan(&experiment, &Registry::standard()));
    let body = match (checked, json) {
        (Ok(cases), false) => {
            say(format!("{} is right: {} cases", config.display(), cases.len()))?;
            return Ok(ExitCode::SUCCESS);
        }
        (Err(error), false) => return Err(Failure::Config(error)),
        (Ok(cases), true) => json!({ "cases": cases.len(), "problems": [] }),
        (Err(error), true) => json!({ "problems": problems(&error) }),
    };
    say(versioned("spinney config check", &body))?;
    Ok(if body.get("cases").is_some() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn problems(error: &ConfigError) -> Vec<serde_json::Value> {
    let problem = |problem: &Problem| json!({ "message": problem.message, "place": error.place(problem), "help": problem.help });
    error.problems.iter().map(problem).collect()
}
