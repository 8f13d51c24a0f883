//! `spinney run` and `spinney plot`.
//!
//! Invariant: Ctrl-C stops between operations and keeps what is done, so the same command goes on where it stopped.

use crate::args;
use crate::exit::{Failure, INTERRUPTED, versioned};
use spinney_lab::case::Backing;
use spinney_lab::claim::Verdict;
use spinney_lab::report::{Rendered, aligned};
use spinney_lab::results::Results;
use spinney_lab::run::{RunOptions, RunSummary, run as run_experiment};
use spinney_lab::{Experiment, plan, report};
use spinney_registry::Registry;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub(crate) fn run(args: &args::Run) -> Result<ExitCode, Failure> {
    let stop: &'static Arc<AtomicBool> = Box::leak(Box::default());
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The second signal ends the process at once.
        let ends = signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.clone());
        let marks = signal_hook::flag::register(signal, stop.clone());
        ends.and(marks).map_err(|error| Failure::Other(format!("cannot watch for signals: {error}")))?;
    }
    let mut code = ExitCode::SUCCESS;
    for config in &args.configs {
        let experiment = Experiment::load(config)?;
        let options = RunOptions {
            jobs: args.jobs,
            seed: args.seed,
            out: args.out.clone(),
            force: args.force,
            backing: args.backing.clone().map_or(Backing::Memory, Backing::File),
            stop: Some(stop),
        };
        let summary = run_experiment(&experiment, &Registry::standard(), &options)?;
        if args.json {
            println!("{}", as_json(&summary))
        } else {
            print(&summary)
        }
        if summary.stopped {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if !summary.failed.is_empty() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

pub(crate) fn plot(args: &args::Plot) -> Result<ExitCode, Failure> {
    let folder = &args.results;
    let other = |error: &dyn std::fmt::Display| {
        Failure::Other(format!("{}: {error}; is it a results folder?", folder.display()))
    };
    let config = original_config(folder)?;
    let experiment = Experiment::load(&config)?;
    let cases = plan(&experiment, &Registry::standard())?;
    let results = Results::open(folder).map_err(|error| other(&error))?;
    let tables = results.tables().map_err(|error| other(&error))?;
    let rendered =
        report::render(&experiment, &cases, &tables, &[], &results).map_err(|error| other(&error))?;
    if args.json {
        println!("{}", versioned("spinney plot", rendered_json(&rendered)));
    } else {
        print_rendered(&rendered);
    }
    Ok(ExitCode::SUCCESS)
}

/// The config that a results folder names; its own copy if that is gone (it then finds parts in `configs/` here).
fn original_config(folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let provenance = folder.join("provenance.toml");
    let text = std::fs::read_to_string(&provenance).map_err(|error| {
        Failure::Other(format!("cannot read {}: {error}; run the experiment first", provenance.display()))
    })?;
    let named =
        text.lines().find_map(|line| line.strip_prefix("config = ")).map(|name| name.trim_matches('"'));
    let named = named.map(Path::new).filter(|path| path.is_file());
    Ok(named.map_or_else(|| folder.join("config.toml"), Path::to_path_buf))
}

fn print(summary: &RunSummary) {
    for (case, error) in &summary.failed {
        eprintln!("void: {case}: {error}");
    }
    if summary.stopped {
        eprintln!("interrupted; what is done is kept, and the same command goes on from there");
        return;
    }
    match &summary.report {
        Some(rendered) => print_rendered(rendered),
        None => eprintln!("no case is done, so there is nothing to report"),
    }
    let ran = summary.cases - summary.skipped - summary.failed.len();
    eprintln!(
        "{} cases: {ran} run, {} done before, {} void",
        summary.cases,
        summary.skipped,
        summary.failed.len()
    );
}

fn print_rendered(rendered: &Rendered) {
    println!("{}", aligned(&rendered.summary));
    for (says, verdict, detail) in &rendered.claims {
        println!("\n{}: {says}\n    {detail}", verdict.words());
    }
    for (name, why) in &rendered.missing {
        eprintln!("figure {name} could not be drawn: {why}");
    }
    println!("\nreport: {}", rendered.page.display());
}

fn rendered_json(rendered: &Rendered) -> serde_json::Value {
    let claim = |(says, verdict, detail): &(String, Verdict, String)| serde_json::json!({ "says": says, "verdict": verdict.words(), "detail": detail });
    serde_json::json!({
        "report": rendered.page.display().to_string(),
        "summary": { "columns": rendered.summary.columns, "rows": rendered.summary.rows },
        "claims": rendered.claims.iter().map(claim).collect::<Vec<_>>(),
        "missing_figures": rendered.missing,
    })
}

fn as_json(summary: &RunSummary) -> String {
    let body = serde_json::json!({
        "folder": summary.folder.display().to_string(),
        "cases": summary.cases,
        "skipped": summary.skipped,
        "stopped": summary.stopped,
        "failed": summary.failed,
        "result": summary.report.as_ref().map(rendered_json),
    });
    versioned("spinney run", body)
}
