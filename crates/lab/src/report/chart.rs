//! From a spec and the tables to a drawn figure whose title says what the data show.
//!
//! Invariant: a title is filled in from the same numbers that are drawn. The two clocks never share an axis: every
//! column here is counted, wall-clock times have no figure.

use super::select::{Selected, Selection, select};
use super::title::{category, heat_title, title, with_places};
use super::{ReportKind, ReportSpec};
use crate::case::METRICS;
use crate::results::Tables;
use crate::table::Table;
use spinney_plot::{
    Axis, Bar, Bars, Chart, Dot, Facets, Figure, Frame, Heatmap, Lines, Palette, Point, Scatter, Unit,
};

/// A figure and the sentence that it shows.
pub struct Drawn {
    /// File name without its ending.
    pub name: String,
    /// The finding.
    pub title: String,
    /// SVG, PNG and words.
    pub figure: Figure,
}

/// Draw one report. Errors: why it cannot be drawn, in words.
pub(super) fn draw(
    spec: &ReportSpec,
    tables: &Tables,
    labels: &[String],
    palette: &Palette,
    about: &str,
) -> Result<Drawn, String> {
    let (chart, title, caption) = match spec.kind {
        ReportKind::Heatmap => heatmaps(spec, tables, labels)?,
        _ => {
            let selection = selection(spec, tables, labels)?;
            if selection.all.is_empty() {
                return Err(format!("no row has a number for `{}`", spec.y));
            }
            let caption = caption(spec, &selection);
            let spec_at_x = with_places(spec, &selection, tables, labels)?;
            (charts(spec, &selection, tables, labels)?, title(&spec_at_x, &selection), caption)
        }
    };
    let frame =
        Frame::new(title.clone()).caption(format!("{caption}{} {about}", only(spec))).id(spec.name.clone());
    Ok(Drawn { name: spec.name.clone(), title, figure: chart.render(&frame, palette) })
}

/// What is compared: of a scatter, where x is a second number and no place, one value for each series.
fn selection(spec: &ReportSpec, tables: &Tables, labels: &[String]) -> Result<Selection, String> {
    match spec.kind {
        ReportKind::Scatter => select(&folded(spec, &spec.y), &tables.rows, labels),
        _ => select(spec, &tables.rows, labels),
    }
}

/// The spec of one number for each series.
pub(super) fn folded(spec: &ReportSpec, y: &str) -> ReportSpec {
    ReportSpec { x: String::new(), y: y.into(), ..spec.clone() }
}

/// Every series name that any report uses, so that a name has one colour in all figures.
pub(super) fn names(specs: &[ReportSpec], tables: &Tables, labels: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for spec in specs.iter().filter(|spec| spec.kind != ReportKind::Heatmap) {
        for selected in
            select(spec, &tables.rows, labels).map_or_else(|_| Vec::new(), |selection| selection.all)
        {
            if !names.contains(&selected.series) {
                names.push(selected.series);
            }
        }
    }
    names
}

/// A column on an axis or in a title.
pub(super) fn words(column: &str) -> String {
    let metric = METRICS.iter().find(|metric| metric.name == column);
    let setting = || column.trim_start_matches("workload.").replace(['_', '.'], " ");
    metric.map_or_else(setting, |metric| metric.label.clone())
}

fn axis(column: &str, log: bool) -> Axis {
    let unit = METRICS.iter().find(|metric| metric.name == column).map_or("", |metric| metric.unit);
    let unit = match unit {
        "bytes" => Unit::Bytes,
        "share" => Unit::Share,
        "" | "score" | "ratio" => Unit::Plain,
        other => Unit::Named(other.into()),
    };
    let axis = Axis::new(words(column), unit);
    if log { axis.log() } else { axis }
}

/// What a figure is restricted to; a title need not say it.
fn only(spec: &ReportSpec) -> String {
    let filters = spec.filters.iter().filter(|(column, _)| column != "phase");
    let all: Vec<String> =
        filters.map(|(column, values)| format!("{} {}", words(column), values.join(" or "))).collect();
    if all.is_empty() { String::new() } else { format!(" Only {}.", all.join(", ")) }
}

fn caption(spec: &ReportSpec, selection: &Selection) -> String {
    let folded = match spec.kind {
        ReportKind::Lines => "the title compares medians over the rounds, ".into(),
        _ if spec.at == "mean" && spec.from > 0 => format!("mean from round {} on, ", spec.from),
        _ if spec.at == "mean" => "mean of the whole run, ".into(),
        _ => format!("{} row of each run, ", spec.at),
    };
    let repeats = selection.repeats;
    let seeds = if repeats > 1 {
        format!("{} of {repeats} runs", spec.band.words())
    } else {
        "one run each, so no band".into()
    };
    format!("Phase {}: {folded}{seeds}.", selection.phase)
}

fn charts(
    spec: &ReportSpec,
    selection: &Selection,
    tables: &Tables,
    labels: &[String],
) -> Result<Facets, String> {
    let mut facets: Vec<String> = Vec::new();
    for selected in &selection.all {
        if !facets.contains(&selected.facet) {
            facets.push(selected.facet.clone());
        }
    }
    let mut drawn = Facets::new();
    for facet in facets {
        let of: Vec<&Selected> = selection.all.iter().filter(|selected| selected.facet == facet).collect();
        let chart: Chart = match spec.kind {
            ReportKind::Lines => lines(spec, &of).into(),
            ReportKind::Bars => bars(spec, &of).into(),
            _ => scatter(spec, &of, tables, labels)?.into(),
        };
        drawn = drawn.panel(facet, chart);
    }
    Ok(drawn)
}

fn lines(spec: &ReportSpec, all: &[&Selected]) -> Lines {
    let mut lines = Lines::new(axis(&spec.x, spec.log_x), axis(&spec.y, spec.log_y));
    for selected in all {
        let bands = selected.bands(spec.band);
        let several = selected.points.iter().any(|(_, values)| values.len() > 1);
        let point = |(x, band): (f64, crate::statistics::Band)| {
            let point = Point::new(x, band.mid);
            if several { point.band(band.low, band.high) } else { point }
        };
        lines = lines.series(selected.series.clone(), bands.into_iter().map(point));
    }
    lines
}

/// Categories are the x values; without x there is one group, and each series is a bar of it. A series without a value at
/// some x has a gap there.
pub(super) fn bars(spec: &ReportSpec, all: &[&Selected]) -> Bars {
    let xs = all_x(all);
    let name = |x: &f64| match all.first() {
        Some(first) if !spec.x.is_empty() => category(first, *x),
        _ => String::new(),
    };
    let categories: Vec<String> = xs.iter().map(name).collect();
    let mut bars = Bars::new(words(&spec.x), categories, axis(&spec.y, spec.log_y).from_zero());
    for selected in all {
        let several = selected.points.iter().any(|(_, values)| values.len() > 1);
        let bands = selected.bands(spec.band);
        let bar = |x: &f64| match bands.iter().find(|(at, _)| at == x) {
            Some((_, band)) if several => Bar::new(band.mid).error(band.low, band.high),
            Some((_, band)) => Bar::new(band.mid),
            None => Bar::new(f64::NAN),
        };
        bars = bars.series(selected.series.clone(), xs.iter().map(bar));
    }
    bars
}

/// Every x at which any series has a point, in order.
pub(super) fn all_x(all: &[&Selected]) -> Vec<f64> {
    let mut xs: Vec<f64> = all.iter().flat_map(|selected| selected.points.iter().map(|(x, _)| *x)).collect();
    xs.sort_by(f64::total_cmp);
    xs.dedup();
    xs
}

/// One dot a series: its x column against its y column, both folded over the rows of a run.
fn scatter(
    spec: &ReportSpec,
    all: &[&Selected],
    tables: &Tables,
    labels: &[String],
) -> Result<Scatter, String> {
    let of = |column: &str| select(&folded(spec, column), &tables.rows, labels);
    let (xs, ys) = (of(&spec.x)?, of(&spec.y)?);
    let mut scatter = Scatter::new(axis(&spec.x, spec.log_x), axis(&spec.y, spec.log_y));
    let facet = all.first().map_or("", |selected| selected.facet.as_str());
    for selected in ys.all.iter().filter(|selected| selected.facet == facet) {
        let other = xs.all.iter().find(|other| other.series == selected.series && other.facet == facet);
        let band = |selected: &Selected| selected.bands(spec.band).last().map(|(_, band)| *band);
        if let (Some(x), Some(y)) = (other.and_then(band), band(selected)) {
            let dot = Dot::new(selected.series.clone(), x.mid, y.mid).label(selected.series.clone());
            scatter = scatter.dot(dot.x_error(x.low, x.high).y_error(y.low, y.high));
        }
    }
    Ok(scatter)
}

/// A heat map for each case of the first seed.
fn heatmaps(
    spec: &ReportSpec,
    tables: &Tables,
    labels: &[String],
) -> Result<(Facets, String, String), String> {
    let histogram = match spec.table.as_str() {
        "histogram" => true,
        "fullness" => false,
        other => return Err(format!("no table is called `{other}` (known: histogram, fullness)")),
    };
    let cases = heat_cases(spec, &tables.rows, labels)?;
    let mut facets = Facets::new();
    for (case, name) in &cases {
        facets = facets.panel(
            name.clone(),
            if histogram {
                free_run_map(&tables.histogram, case)
            } else {
                fullness_map(&tables.fullness, case)
            },
        );
    }
    let made = if histogram {
        "Where the free space is: share of free blocks by length of free run"
    } else {
        "Where the data is: fullness by address"
    };
    let template = if spec.title.is_empty() { made } else { &spec.title };
    let title = heat_title(template, tables, histogram, &cases);
    Ok((facets, title, "Phase measure, first seed.".into()))
}

/// Case and panel name, one for each configuration.
fn heat_cases(spec: &ReportSpec, rows: &Table, labels: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut cases: Vec<(String, String)> = Vec::new();
    let find = |name: &str| rows.column(name).ok_or_else(|| format!("no column `{name}`"));
    let filters = spec
        .filters
        .iter()
        .map(|(name, values)| Ok((find(name)?, values)))
        .collect::<Result<Vec<_>, String>>()?;
    let kept: Vec<&Vec<String>> = rows
        .rows
        .iter()
        .filter(|row| filters.iter().all(|(at, values)| values.contains(&row[*at])))
        .collect();
    let varies = |at: usize| kept.iter().any(|row| kept.first().is_some_and(|first| row[at] != first[at]));
    let columns: Vec<usize> = if spec.series.is_empty() {
        let labels = labels.iter().filter(|name| *name != "seed").filter_map(|name| rows.column(name));
        labels.filter(|at| varies(*at)).collect()
    } else {
        spec.series.iter().map(|name| find(name)).collect::<Result<_, _>>()?
    };
    let case_at = find("case")?;
    for row in kept {
        let name = columns.iter().map(|at| row[*at].as_str()).collect::<Vec<_>>().join(" × ");
        if !cases.iter().any(|(_, known)| *known == name) {
            cases.push((row[case_at].clone(), name));
        }
    }
    Ok(cases)
}

/// The rows of one case in the measure phase: round, place, value.
pub(super) fn cells(table: &Table, case: &str, place: &str, value: &str) -> Vec<(u64, u64, f64)> {
    let at = |name: &str| table.column(name).unwrap_or(0);
    let (case_at, phase, round, place, value) = (at("case"), at("phase"), at("round"), at(place), at(value));
    let of = table.rows.iter().filter(|row| row[case_at] == case && row[phase] == "measure");
    of.filter_map(|row| Some((row[round].parse().ok()?, row[place].parse().ok()?, row[value].parse().ok()?)))
        .collect()
}

fn by_round(
    cells: Vec<(u64, u64, f64)>,
    rows: usize,
    at: impl Fn(u64) -> usize,
) -> (Vec<u64>, Vec<Vec<f64>>) {
    let (mut rounds, mut columns): (Vec<u64>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
    for (round, place, value) in cells {
        if rounds.last() != Some(&round) {
            rounds.push(round);
            columns.push(vec![0.0; rows]);
        }
        if let Some(cell) = columns.last_mut().and_then(|column| column.get_mut(at(place))) {
            *cell = value;
        }
    }
    (rounds, columns)
}

fn round_axis(rounds: &[u64]) -> Axis {
    let (first, last) = (rounds.first().copied().unwrap_or(0), rounds.last().copied().unwrap_or(1));
    Axis::new("round", Unit::Plain).range(first as f64, (last as f64).max(first as f64 + 1.0))
}

fn free_run_map(table: &Table, case: &str) -> Heatmap {
    let cells = cells(table, case, "run_blocks", "blocks");
    let rows = cells.iter().map(|(_, run, _)| run.max(&1).ilog2() as usize + 1).max().unwrap_or(1);
    let (rounds, mut columns) = by_round(cells, rows, |run| run.max(1).ilog2() as usize);
    for column in &mut columns {
        let sum: f64 = column.iter().sum();
        column.iter_mut().for_each(|cell| *cell /= sum.max(1.0));
    }
    let names = (0..rows).map(|row| crate::config::format_bytes(4096 << row));
    let y = Axis::new("length of free run, at least", Unit::Plain);
    Heatmap::new(
        round_axis(&rounds),
        y,
        Axis::new("share of free space", Unit::Share).range(0.0, 1.0),
        columns,
    )
    .y_names(names)
}

fn fullness_map(table: &Table, case: &str) -> Heatmap {
    let cells = cells(table, case, "slot", "fullness");
    let rows = cells.iter().map(|(_, slot, _)| *slot as usize + 1).max().unwrap_or(1);
    let (rounds, columns) = by_round(cells, rows, |slot| slot as usize);
    let y = Axis::new("address", Unit::Share).range(0.0, 1.0);
    Heatmap::new(round_axis(&rounds), y, Axis::new("fullness", Unit::Share).range(0.0, 1.0), columns)
}
