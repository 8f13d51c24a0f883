//! `spinney config check`.
//!
//! Invariant: a config that passes will be planned by `run` without a further complaint.

use crate::args::{self, ConfigCommand};
use crate::exit::{Failure, versioned};
use spinney_lab::{ConfigError, Experiment, plan};
use spinney_registry::Registry;
use std::process::ExitCode;

pub(crate) fn config(args: &args::Config) -> Result<ExitCode, Failure> {
    let ConfigCommand::Check { config, json } = &args.command;
    let checked = Experiment::load(config).and_then(|experiment| plan(&experiment, &Registry::standard()));
    match (checked, json) {
        (Ok(cases), false) => println!("{} is right: {} cases", config.display(), cases.len()),
        (Ok(cases), true) => {
            println!(
                "{}",
                versioned(
                    "spinney config check",
                    serde_json::json!({ "cases": cases.len(), "problems": [] })
                )
            );
        }
        (Err(error), false) => return Err(Failure::Config(error)),
        (Err(error), true) => {
            println!(
                "{}",
                versioned("spinney config check", serde_json::json!({ "problems": problems(&error) }))
            );
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn problems(error: &ConfigError) -> Vec<serde_json::Value> {
    let problem = |problem: &spinney_lab::config::Problem| serde_json::json!({ "message": problem.message, "place": error.place(problem), "help": problem.help });
    error.problems.iter().map(problem).collect()
}
