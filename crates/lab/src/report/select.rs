//! From rows to the numbers of a figure: filter, split into facets and series, fold repeats.
//!
//! Invariant: order follows the rows, so a figure does not depend on hash order. Knows no drawing.

use super::ReportSpec;
use crate::claim::from_round;
use crate::fold::{Sample, Sampled, fold};
use crate::statistics::{Band, BandKind, band};
use crate::table::Table;
use std::collections::BTreeMap;

/// One series of numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Selected {
    /// Facet value, empty if there are no facets.
    pub(super) facet: String,
    /// Series name.
    pub(super) series: String,
    /// x (a number, or a place in `categories`) and the values of the repeats.
    pub(super) points: Vec<(f64, Vec<f64>)>,
    /// Names of x values that are no numbers.
    pub(super) categories: Vec<String>,
}

/// What a figure shows: filters as used, series as found.
pub(super) struct Selection {
    pub(super) phase: String,
    pub(super) all: Vec<Selected>,
    pub(super) repeats: usize,
}

/// Columns that a scan alone fills.
const SCAN_COLUMNS: [&str; 2] = ["scan_mb_per_s", "dynamic_layout_score"];

/// Select for lines, bars and scatter. Errors: the column that is missing, in words.
pub(super) fn select(spec: &ReportSpec, rows: &Table, labels: &[String]) -> Result<Selection, String> {
    let find = |name: &str| {
        rows.column(name).ok_or_else(|| format!("no column `{name}`; `spinney list metrics` has them"))
    };
    let phase = phase(spec, rows);
    let mut filters = vec![(find("phase")?, vec![phase.clone()])];
    for (name, values) in spec.filters.iter().filter(|(name, _)| name != "phase") {
        filters.push((find(name)?, values.clone()));
    }
    let counts = from_round(spec.from, rows);
    let kept: Vec<&Vec<String>> = rows
        .rows
        .iter()
        .filter(|row| filters.iter().all(|(at, values)| values.contains(&row[*at])) && counts(row))
        .collect();
    let series_columns =
        if spec.series.is_empty() { varying(spec, rows, &kept, labels) } else { spec.series.clone() };
    let series_at = series_columns.iter().map(|name| find(name)).collect::<Result<Vec<_>, _>>()?;
    let facet_at = spec.facet.as_deref().map(find).transpose()?;
    find(&spec.y)?;
    let (y, case) = (Sampled::of(&spec.y, rows), find("case")?);
    let x = if spec.x.is_empty() { None } else { Some(find(&spec.x)?) };
    let mut groups = Groups::default();
    for row in &kept {
        let Some(value) = y.as_ref().and_then(|y| y.read(row)) else { continue };
        let facet = facet_at.map_or_else(String::new, |at| named(&rows.columns[at], &row[at]));
        let series: Vec<String> = series_at.iter().map(|at| named(&rows.columns[*at], &row[*at])).collect();
        groups.add(&facet, &series.join(" × "), x.map_or("", |at| &row[at]), &row[case], value);
    }
    let repeats = groups.repeats();
    Ok(Selection { phase, all: groups.finish(spec), repeats })
}

/// A value as a figure names it: that of a setting with the setting, since `16` alone says nothing.
pub(super) fn named(column: &str, value: &str) -> String {
    match column.rsplit_once('.') {
        Some((_, setting)) => format!("{} {value}", setting.replace('_', " ")),
        None => value.to_owned(),
    }
}

/// The phase that rows are taken from, unless the spec says.
fn phase(spec: &ReportSpec, rows: &Table) -> String {
    let named = spec.filters.iter().find(|(name, _)| name == "phase");
    if let Some(phase) = named.and_then(|(_, values)| values.first()) {
        return phase.clone();
    }
    if SCAN_COLUMNS.contains(&spec.y.as_str()) {
        return "scan".into();
    }
    let measured = rows.column("phase").is_some_and(|at| rows.rows.iter().any(|row| row[at] == "measure"));
    if measured { "measure".into() } else { "fill".into() }
}

/// Label columns with more than one value, but the seed: what tells series apart when nobody says.
fn varying(spec: &ReportSpec, rows: &Table, kept: &[&Vec<String>], labels: &[String]) -> Vec<String> {
    let taken = |name: &String| *name == "seed" || *name == spec.x || spec.facet.as_ref() == Some(name);
    let varies = |name: &&String| {
        rows.column(name)
            .is_some_and(|at| kept.iter().any(|row| kept.first().is_some_and(|first| row[at] != first[at])))
    };
    let found: Vec<String> = labels.iter().filter(|name| !taken(name)).filter(varies).cloned().collect();
    if found.is_empty() { labels.first().cloned().into_iter().collect() } else { found }
}

/// x, then case, then the case's values in row order.
type Points = BTreeMap<String, BTreeMap<String, Vec<Sample>>>;

#[derive(Default)]
struct Groups {
    order: Vec<(String, String)>,
    /// By facet and series.
    values: BTreeMap<(String, String), Points>,
    xs: Vec<String>,
}

impl Groups {
    fn add(&mut self, facet: &str, series: &str, x: &str, case: &str, value: Sample) {
        let key = (facet.to_owned(), series.to_owned());
        if !self.order.contains(&key) {
            self.order.push(key.clone());
        }
        if !self.xs.iter().any(|known| known == x) {
            self.xs.push(x.to_owned());
        }
        self.values
            .entry(key)
            .or_default()
            .entry(x.into())
            .or_default()
            .entry(case.into())
            .or_default()
            .push(value);
    }

    fn repeats(&self) -> usize {
        self.values.values().flat_map(BTreeMap::values).map(BTreeMap::len).max().unwrap_or(0)
    }

    fn finish(self, spec: &ReportSpec) -> Vec<Selected> {
        let numeric = self.xs.iter().all(|x| x.parse::<f64>().is_ok());
        let place = |x: &String| self.xs.iter().position(|known| known == x).unwrap_or(0) as f64;
        let mut all = Vec::new();
        for (facet, series) in &self.order {
            let points = &self.values[&(facet.clone(), series.clone())];
            let mut points: Vec<(f64, Vec<f64>)> = points
                .iter()
                .map(|(x, cases)| {
                    let at = if numeric { x.parse().unwrap_or(0.0) } else { place(x) };
                    (at, cases.values().filter_map(|values| fold(values, &spec.at)).collect())
                })
                .collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            let categories = if numeric { Vec::new() } else { self.xs.clone() };
            all.push(Selected { facet: facet.clone(), series: series.clone(), points, categories });
        }
        all
    }
}

impl Selected {
    /// Each x with its band.
    pub(super) fn bands(&self, kind: BandKind) -> Vec<(f64, Band)> {
        self.points.iter().filter_map(|(x, values)| Some((*x, band(values, kind)?))).collect()
    }
}
