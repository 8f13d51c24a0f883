//! Each study of `experiments/` is whole: its config still plans, its README says what was asked and what came out, and its
//! results stand beside the rest, judged by the claims that the config makes today. And the census leaves nobody out.
//!
//! Invariant of the tests: nothing is run; a study that is added without its parts fails here, by name.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_lab::claim::evaluate;
use spinney_lab::table::Table;
use spinney_lab::{Experiment, plan};
use spinney_registry::Registry;
use std::fs;
use std::path::{Path, PathBuf};

/// What a study's README must answer.
const SECTIONS: [&str; 5] =
    ["## Question", "## The claim and its source", "## What we expected", "## What we found", "## Verdict"];
/// What a study's results must hold.
const FILES: [&str; 5] = ["rows.csv", "claims.csv", "provenance.toml", "report.html", "config/config.toml"];
/// The most bytes that a study's published results may have.
const RESULTS_BYTES_MAX: u64 = 1_500_000;
/// What a run leaves that is not published (see `.gitignore`).
const UNPUBLISHED: [&str; 5] = ["cases", ".lock", "timed.csv", "histogram.csv", "fullness.csv"];

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Name and folder of every study.
fn studies() -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(project().join("experiments")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<(String, PathBuf)> = folders
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    all.sort();
    assert!(all.len() >= 8, "the studies have gone: {all:?}");
    all
}

fn experiment(folder: &Path) -> Experiment {
    Experiment::load(&folder.join("config.toml")).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_config_plans() {
    for (name, folder) in studies() {
        let experiment = experiment(&folder);
        assert_eq!(experiment.name, name);
        let cases = plan(&experiment, &Registry::standard()).unwrap_or_else(|error| panic!("{error}"));
        assert!(
            !cases.is_empty() && !experiment.claims.is_empty() && !experiment.reports.is_empty(),
            "{name}"
        );
        for claim in &experiment.claims {
            assert!(!claim.paper.is_empty(), "{name}: claim {} names no source", claim.name);
        }
    }
}

/// An allocator of which only the policy is another preset's is that preset under another policy.
#[test]
fn the_census_has_every_allocator_under_every_policy_that_it_can_have() {
    let registry = Registry::standard();
    let census = Experiment::load(&project().join("configs/census.toml")).unwrap();
    let cases = plan(&census, &registry).unwrap_or_else(|error| panic!("{error}"));
    let label = |case: &spinney_lab::Case, column: &str| {
        case.labels.iter().find(|(name, _)| name == column).unwrap().1.clone()
    };
    let mut found: Vec<(String, String)> =
        cases.iter().map(|case| (label(case, "allocator"), label(case, "allocator.reclaim"))).collect();
    found.sort();
    found.dedup();
    let composed = registry.presets.iter().filter(|preset| preset.reclaim == "at-commit");
    let mut wanted: Vec<(String, String)> = composed
        .flat_map(|preset| registry.reclaims.iter().map(|reclaim| (preset.name.into(), reclaim.name.into())))
        .chain(registry.allocators.iter().map(|whole| (whole.name.into(), "own".into())))
        .collect();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn every_readme_goes_from_question_to_verdict_and_stands_in_the_index() {
    let index = fs::read_to_string(project().join("experiments/README.md")).unwrap();
    for (name, folder) in studies() {
        let text = fs::read_to_string(folder.join("README.md")).unwrap();
        let places: Vec<Option<usize>> = SECTIONS.iter().map(|section| text.find(section)).collect();
        assert!(
            places.iter().all(Option::is_some) && places.is_sorted(),
            "{name}: {SECTIONS:?} at {places:?}"
        );
        assert!(text.contains(&format!("../../results/{name}/")), "{name}: the README shows no result");
        assert!(index.contains(&format!("({name}/README.md)")), "{name} is not in experiments/README.md");
    }
}

#[test]
fn every_study_has_its_results_and_they_are_small() {
    for (name, folder) in studies() {
        let results = project().join("results").join(&name);
        for file in FILES {
            assert!(results.join(file).is_file(), "results/{name} lacks {file}");
        }
        for report in experiment(&folder).reports {
            for ending in ["svg", "png"] {
                let figure = format!("figures/{}.{ending}", report.name);
                assert!(results.join(&figure).is_file(), "results/{name} lacks {figure}");
            }
        }
        let bytes = size(&results);
        assert!(bytes < RESULTS_BYTES_MAX, "results/{name} has {bytes} bytes");
    }
}

fn size(folder: &Path) -> u64 {
    let published = |path: &PathBuf| {
        !UNPUBLISHED.iter().any(|name| path.file_name().is_some_and(|file| file.to_string_lossy() == *name))
    };
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(published);
    paths.map(|path| if path.is_dir() { size(&path) } else { path.metadata().unwrap().len() }).sum()
}

/// Rows and verdicts that were published must go with the config as it stands.
#[test]
fn every_published_verdict_follows_from_the_published_rows() {
    for (name, folder) in studies() {
        let results = project().join("results").join(&name);
        let rows = Table::read(&results.join("rows.csv")).unwrap();
        let claims = Table::read(&results.join("claims.csv")).unwrap();
        let experiment = experiment(&folder);
        let judged: Vec<Vec<String>> = experiment
            .claims
            .iter()
            .map(|claim| {
                let outcome = evaluate(claim, &rows);
                vec![claim.name.clone(), outcome.verdict.words().to_owned(), outcome.detail]
            })
            .collect();
        let published: Vec<Vec<String>> = claims.rows.iter().map(|row| row[..3].to_vec()).collect();
        assert_eq!(published, judged, "results/{name}/claims.csv");
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        for row in &judged {
            assert!(
                readme.contains(&format!("`{}`", row[0])),
                "{name}: the README is silent on claim {}",
                row[0]
            );
        }
    }
}
