//! `spinney run` and `spinney plot`.
//!
//! Invariant: Ctrl-C stops between operations and keeps what is done, so the same command goes on where it stopped.

use crate::args;
use crate::exit::{DAMAGED, Failure, INTERRUPTED, OUT_OF_SPACE, say, versioned};
use spinney_lab::Experiment;
use spinney_lab::case::Backing;
use spinney_lab::claim::Verdict;
use spinney_lab::report::{Rendered, aligned};
use spinney_lab::run::{RunOptions, RunSummary, replot, run as run_experiment};
use spinney_registry::Registry;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Set by the first signal to stop; the second ends the process at once.
pub(crate) fn stop_at_signals() -> Result<&'static AtomicBool, Failure> {
    let stop: &'static Arc<AtomicBool> = Box::leak(Box::default());
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let ends = signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED.into(), stop.clone());
        let marks = signal_hook::flag::register(signal, stop.clone());
        ends.and(marks).map_err(|error| Failure::Other(format!("cannot watch for signals: {error}")))?;
    }
    Ok(stop)
}

pub(crate) fn run(args: &args::Run) -> Result<ExitCode, Failure> {
    let stop = stop_at_signals()?;
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
            say(as_json(&summary))?;
        } else {
            print(&summary)?;
        }
        if summary.stopped {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if summary.damaged {
            return Ok(ExitCode::from(DAMAGED));
        }
        if summary.out_of_space {
            code = ExitCode::from(OUT_OF_SPACE);
        } else if !summary.failed.is_empty() && code == ExitCode::SUCCESS {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

pub(crate) fn plot(args: &args::Plot) -> Result<ExitCode, Failure> {
    let rendered = replot(&args.results, &Registry::standard())?;
    if args.json {
        say(versioned("spinney plot", &rendered_json(&rendered)))?;
    } else {
        print_rendered(&rendered)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(summary: &RunSummary) -> Result<(), Failure> {
    for (case, error) in &summary.failed {
        eprintln!("void: {case}: {error}");
    }
    if summary.stopped {
        eprintln!("interrupted; what is done is kept, and the same command goes on from there");
        return Ok(());
    }
    match &summary.report {
        Some(rendered) => print_rendered(rendered)?,
        None => eprintln!("no case is done, so there is nothing to report"),
    }
    let ran = summary.cases - summary.skipped - summary.failed.len();
    eprintln!(
        "{} cases: {ran} run, {} done before, {} void",
        summary.cases,
        summary.skipped,
        summary.failed.len()
    );
    Ok(())
}

fn print_rendered(rendered: &Rendered) -> Result<(), Failure> {
    say(aligned(&rendered.summary))?;
    for (says, verdict, detail) in &rendered.claims {
        say(format!("\n{}: {says}\n    {detail}", verdict.words()))?;
    }
    for (name, why) in &rendered.missing {
        eprintln!("figure {name} could not be drawn: {why}");
    }
    say(format!("\nreport: {}", rendered.page.display()))
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
        "out_of_space": summary.out_of_space,
        "failed": summary.failed,
        "result": summary.report.as_ref().map(rendered_json),
    });
    versioned("spinney run", &body)
}
