//! From rows to figures and a page that a reader can use.
//!
//! Invariant: a report is made from what stands in the results folder alone, so it can be redrawn without rerunning.

mod chart;
mod page;
mod select;
mod spec;
mod summary;
#[cfg(test)]
mod tests;
mod title;

pub use chart::Drawn;
pub use spec::{ReportKind, ReportSpec, read_report};
pub use summary::{aligned, summary};

use crate::claim::{Verdict, evaluate};
use crate::experiment::Experiment;
use crate::plan::Case;
use crate::results::{Results, Tables};
use crate::table::Table;
use askama::Template;
use page::{Judged, Missing, Page};
use spinney_plot::Palette;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

/// What was written.
#[derive(Debug)]
pub struct Rendered {
    /// The page.
    pub page: PathBuf,
    /// The table that a terminal shows.
    pub summary: Table,
    /// Claim, verdict in words, and detail.
    pub claims: Vec<(String, Verdict, String)>,
    /// Figures that could not be drawn, with the reason.
    pub missing: Vec<(String, String)>,
}

/// Draw every figure, judge every claim, write the page.
pub fn render(
    experiment: &Experiment,
    cases: &[Case],
    tables: &Tables,
    failed: &[(String, String)],
    results: &Results,
) -> io::Result<Rendered> {
    let labels = labels(cases);
    let (figures, missing) = figures(experiment, tables, &labels, results)?;
    let judged: Vec<Judged> = experiment
        .claims
        .iter()
        .map(|claim| Judged { outcome: evaluate(claim, &tables.rows), claim: claim.clone() })
        .collect();
    results.write("claims.csv", &claims_csv(&judged)?)?;
    let summary = summary::summary(&tables.rows, &labels);
    let (path, config) = experiment
        .sources
        .0
        .first()
        .map_or_else(Default::default, |(path, text)| (path.display().to_string(), text.clone()));
    let page = Page {
        title: &experiment.title,
        says: &experiment.says,
        headline: headline(&judged, &figures),
        version: env!("CARGO_PKG_VERSION"),
        cases: cases.len(),
        summary: &summary,
        figures: &figures,
        missing: &missing,
        claims: &judged,
        failed,
        config: &config,
        command: &format!("spinney run {path}"),
        shared: shared(cases),
        varied: varied(cases),
    };
    let html = page.render().map_err(io::Error::other)?;
    results.write("report.html", html.as_bytes())?;
    let claims = judged
        .into_iter()
        .map(|judged| (judged.claim.says, judged.outcome.verdict, judged.outcome.detail))
        .collect();
    let missing = missing.into_iter().map(|gap| (gap.name, gap.why)).collect();
    Ok(Rendered { page: results.folder().join("report.html"), summary, claims, missing })
}

/// What all cases have in common, with every default written out.
fn shared(cases: &[Case]) -> Vec<(String, String)> {
    let Some((first, rest)) = cases.split_first() else { return Vec::new() };
    let same =
        |(key, value): &(&String, &String)| rest.iter().all(|case| case.resolved.get(*key) == Some(value));
    first.resolved.iter().filter(same).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// What differs between cases: each setting with its values, in the order of the cases; one that a case lacks is `-`.
fn varied(cases: &[Case]) -> Vec<(String, Vec<String>)> {
    let keys: BTreeSet<&String> = cases.iter().flat_map(|case| case.resolved.keys()).collect();
    let values = |key: &String| {
        let mut values: Vec<String> = Vec::new();
        for case in cases {
            let value = case.resolved.get(key).map_or("-", String::as_str);
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
        values
    };
    let all = keys.into_iter().map(|key| (key.clone(), values(key)));
    all.filter(|(_, values)| values.len() > 1).collect()
}

/// The columns that tell cases apart.
fn labels(cases: &[Case]) -> Vec<String> {
    cases.first().map_or_else(Vec::new, |case| case.labels.iter().map(|(name, _)| name.clone()).collect())
}

fn figures(
    experiment: &Experiment,
    tables: &Tables,
    labels: &[String],
    results: &Results,
) -> io::Result<(Vec<Drawn>, Vec<Missing>)> {
    let palette = Palette::of(chart::names(&experiment.reports, tables, labels));
    let about = format!("{}, spinney {}.", experiment.name, env!("CARGO_PKG_VERSION"));
    let (mut figures, mut missing) = (Vec::new(), Vec::new());
    for spec in &experiment.reports {
        match chart::draw(spec, tables, labels, &palette, &about) {
            Ok(drawn) => {
                results.write(&format!("figures/{}.svg", drawn.name), drawn.figure.svg.as_bytes())?;
                results.write(&format!("figures/{}.png", drawn.name), &drawn.figure.png)?;
                figures.push(drawn);
            }
            Err(why) => missing.push(Missing { name: spec.name.clone(), why }),
        }
    }
    Ok((figures, missing))
}

/// The verdicts in one sentence, or the first finding.
fn headline(judged: &[Judged], figures: &[Drawn]) -> String {
    let count = |verdict| judged.iter().filter(|judged| judged.outcome.verdict == verdict).count();
    if judged.is_empty() {
        return figures
            .first()
            .map_or_else(|| "No figure was asked for.".into(), |drawn| drawn.title.clone());
    }
    let [yes, no, open] = [Verdict::Reproduced, Verdict::Differs, Verdict::NotComparable].map(count);
    format!("Of {} claims, {yes} reproduced, {no} differ, {open} not comparable.", judged.len())
}

fn claims_csv(judged: &[Judged]) -> io::Result<Vec<u8>> {
    let mut table = Table::new(["claim", "verdict", "numbers", "expect", "says", "paper"]);
    for Judged { claim, outcome } in judged {
        let cells =
            [&claim.name, outcome.verdict.words(), &outcome.detail, &claim.expect, &claim.says, &claim.paper];
        table.push(cells.map(|cell| cell.to_owned()).to_vec());
    }
    table.to_csv().map_err(io::Error::other)
}
