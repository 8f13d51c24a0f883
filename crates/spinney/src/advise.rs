//! `spinney advise`: which allocator to take for a load on a device, and why.
//!
//! Invariant: nothing is measured here: an experiment is made, run as any other, and its rows are ranked.

use crate::args;
use crate::exit::{DAMAGED, Failure, INTERRUPTED, OUT_OF_SPACE, say, versioned};
use crate::run::stop_at_signals;
use spinney_lab::advise::{Load, Question, REASONS, Ranked, experiment, rank};
use spinney_lab::config::parse_bytes;
use spinney_lab::report::aligned;
use spinney_lab::results::Results;
use spinney_lab::run::{RunOptions, RunSummary, run};
use spinney_lab::table::Table;
use spinney_registry::Registry;
use spinney_workload::{TraceInfo, TraceReader};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn advise(args: &args::Advise) -> Result<ExitCode, Failure> {
    let registry = Registry::standard();
    let question = question(args)?;
    let experiment = experiment(&question, &registry)?;
    let out = args.out.clone().unwrap_or_else(|| "results/advise".into());
    let options = RunOptions {
        jobs: args.jobs,
        out: Some(out),
        stop: Some(stop_at_signals()?),
        ..RunOptions::default()
    };
    let summary = run(&experiment, &registry, &options)?;
    for (case, error) in &summary.failed {
        eprintln!("void: {case}: {error}");
    }
    if summary.stopped {
        eprintln!("interrupted; what is done is kept, and the same command goes on from there");
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let tables = Results::open(&summary.folder).and_then(|results| results.tables());
    let ranked = rank(&tables.map_err(|error| Failure::Other(format!("results folder: {error}")))?.rows);
    if args.json {
        say(as_json(&ranked, &summary))?;
    } else {
        print(&ranked, &summary, &question)?;
    }
    Ok(match (&summary, ranked.is_empty()) {
        (summary, _) if summary.damaged => ExitCode::from(DAMAGED),
        (summary, _) if summary.out_of_space => ExitCode::from(OUT_OF_SPACE),
        (summary, false) if summary.failed.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn question(args: &args::Advise) -> Result<Question, Failure> {
    let load = match (&args.trace, &args.workload) {
        (Some(file), _) => Load::Trace(file.clone(), Box::new(info(file)?)),
        (None, name) => Load::Workload(name.clone().unwrap_or_default()),
    };
    let size_bytes = parse_bytes(&args.size).map_err(|error| Failure::Usage(format!("--size: {error}")))?;
    let wrong = || Failure::Usage(format!("--fullness: `{}` is no share; say 80% or 0.8", args.fullness));
    let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
    let fullness = match args.fullness.strip_suffix('%') {
        Some(percent) => number(percent)? / 100.0,
        None => number(&args.fullness)?,
    };
    if !(0.01..=1.0).contains(&fullness) {
        return Err(wrong());
    }
    Ok(Question { load, device: args.device.clone(), fullness, size_bytes })
}

fn info(file: &Path) -> Result<TraceInfo, Failure> {
    let read = TraceReader::open(file).and_then(|mut reader| TraceInfo::gather(&mut reader));
    read.map_err(|error| Failure::Other(error.to_string()))
}

/// A figure in three digits.
fn short(value: Option<f64>) -> String {
    match value {
        None => "-".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.0}"),
        Some(value) if value.abs() >= 10.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn print(ranked: &[Ranked], summary: &RunSummary, question: &Question) -> Result<(), Failure> {
    let Some(best) = ranked.first() else {
        eprintln!("no case is done, so there is nothing to recommend");
        return Ok(());
    };
    let heads = REASONS.iter().map(|(_, _, head)| *head);
    let mut table =
        Table::new(["", "allocator", "MB/s", "least", "most"].into_iter().chain(heads).chain(["refused"]));
    for (place, each) in (1..).zip(ranked) {
        let speed = each.write_mb_per_s;
        let place = if each.tied { "=".to_owned() } else { format!("{place}.") };
        let speeds = [speed.mid, speed.low, speed.high].map(|value| short(Some(value)));
        let reasons = each.reasons.iter().map(|(_, value)| short(*value));
        let cells = [place, each.allocator.clone()].into_iter().chain(speeds).chain(reasons);
        table.push(cells.chain([format!("{}", each.refused)]).collect());
    }
    say(aligned(&table))?;
    let tied = ranked.iter().filter(|each| each.tied).count();
    if tied > 1 {
        say(format!(
            "\n= {tied} allocators write as fast as each other, as far as {} can tell; among them the fewest extents a MiB come first, \
             then the fewest metadata pages",
            if ranked.iter().all(|each| each.write_mb_per_s.low == each.write_mb_per_s.high) {
                "2 %"
            } else {
                "the seeds or 2 %"
            }
        ))?;
    }
    say(format!("\nTake {}: {}", best.allocator, because(ranked)))?;
    for remark in remarks(best, question) {
        say(remark)?;
    }
    say(format!("\nreport: {}", summary.folder.join("report.html").display()))
}

/// What the figures do not say for themselves.
fn remarks(best: &Ranked, question: &Question) -> Vec<String> {
    let mut remarks = Vec::new();
    if best.overwritten < 1.0 {
        remarks.push(format!(
            "Its live data was written {} times over: an answer for a young pool. A smaller --size ages more in the same time.",
            short(Some(best.overwritten))
        ));
    }
    let full = best.reasons.iter().find(|(name, _)| *name == "fullness").and_then(|(_, full)| *full);
    if let Some(full) = full.filter(|full| *full < question.fullness * 0.8) {
        remarks.push(format!(
            "The pool was at most {:.0} % full and not {:.0}: that is all that lives at once in this load on a disk of its size.",
            full * 100.0,
            question.fullness * 100.0
        ));
    }
    remarks
}

/// The recommendation's figures, against the next that is not as good.
fn because(ranked: &[Ranked]) -> String {
    let best = &ranked[0];
    let speed = best.write_mb_per_s.mid;
    let figures: Vec<String> = best
        .reasons
        .iter()
        .zip(REASONS)
        .take(3)
        .filter_map(|((_, value), (_, _, head))| value.map(|value| format!("{} {head}", short(Some(value)))))
        .collect();
    let against = ranked.iter().find(|each| !each.tied).map_or_else(String::new, |next| {
        format!(", {} times as fast as {}", short(Some(speed / next.write_mb_per_s.mid)), next.allocator)
    });
    format!("{} MB/s in virtual time{against}; {}.", short(Some(speed)), figures.join(", "))
}

fn as_json(ranked: &[Ranked], summary: &RunSummary) -> String {
    let one = |each: &Ranked| {
        let reasons: serde_json::Map<String, serde_json::Value> =
            each.reasons.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        serde_json::json!({
            "allocator": each.allocator,
            "write_mb_per_s": { "median": each.write_mb_per_s.mid, "min": each.write_mb_per_s.low, "max": each.write_mb_per_s.high },
            "tied_with_fastest": each.tied,
            "reasons": reasons,
            "refused": each.refused,
            "overwritten": each.overwritten,
        })
    };
    let body = serde_json::json!({
        "recommended": ranked.first().map(|best| &best.allocator),
        "ranking": ranked.iter().map(one).collect::<Vec<_>>(),
        "void": summary.failed,
        "folder": summary.folder.display().to_string(),
    });
    versioned("spinney advise", &body)
}
