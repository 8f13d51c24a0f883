//! What a figure's title says: a template filled in from the numbers that are drawn.
//!
//! Invariant: no number stands in a title that is not in the figure or folded from its cells. Knows no drawing.

use super::chart::{cells, folded, words};
use super::select::{Selected, Selection, named, select};
use super::{ReportKind, ReportSpec};
use crate::results::Tables;
use crate::statistics::median;
use crate::table::Table;

/// The spec with the x of the lowest and the highest dot in its title; other figures have none.
pub(super) fn with_places(
    spec: &ReportSpec,
    selection: &Selection,
    tables: &Tables,
    labels: &[String],
) -> Result<ReportSpec, String> {
    if spec.kind != ReportKind::Scatter {
        return Ok(spec.clone());
    }
    let xs = groups(spec, &select(&folded(spec, &spec.x), &tables.rows, labels)?);
    let mut title = spec.title.clone();
    if let Some((place, ys)) = widest(&groups(spec, selection)) {
        let x_of = |series: &str| {
            let group = xs.iter().find(|(known, _)| known == place)?;
            group.1.iter().find(|(_, name)| name == series).map(|(x, _)| shown(*x))
        };
        for (key, end) in [("{lowest_x}", ys.first()), ("{highest_x}", ys.last())] {
            let x = end.and_then(|(_, series)| x_of(series)).unwrap_or_else(|| "none".into());
            title = title.replace(key, &x);
        }
    }
    Ok(ReportSpec { title, ..spec.clone() })
}

/// How far apart the ends of a group are.
fn ratio(group: &Group) -> f64 {
    match (group.first(), group.last()) {
        (Some(low), Some(high)) if low.0 > 0.0 => high.0 / low.0,
        (Some(low), Some(high)) if high.0 > low.0 => f64::INFINITY,
        _ => 1.0,
    }
}

/// The group in which the series differ most.
fn widest(groups: &[(String, Group)]) -> Option<&(String, Group)> {
    groups.iter().max_by(|one, other| ratio(&one.1).total_cmp(&ratio(&other.1)))
}

/// The centres at which series are compared: within one facet, at one x.
type Group = Vec<(f64, String)>;

/// Series are compared where they stand side by side: in one facet and, for bars, at one x; lines by their median over x.
fn groups(spec: &ReportSpec, selection: &Selection) -> Vec<(String, Group)> {
    let mut groups: Vec<(String, Group)> = Vec::new();
    for selected in &selection.all {
        let bands = selected.bands(spec.band);
        let lines = spec.kind == ReportKind::Lines;
        let over = || median(&bands.iter().map(|(_, band)| band.mid).collect::<Vec<_>>());
        let ends: Vec<(f64, f64)> = if lines {
            over().map(|mid| (0.0, mid)).into_iter().collect()
        } else {
            bands.iter().map(|(x, band)| (*x, band.mid)).collect()
        };
        for (x, mid) in ends {
            let at = if spec.kind != ReportKind::Bars || spec.x.is_empty() {
                String::new()
            } else {
                named(&spec.x, &category(selected, x))
            };
            let parts = [selected.facet.clone(), at].into_iter().filter(|part| !part.is_empty());
            let place = parts.collect::<Vec<_>>().join(", ");
            match groups.iter_mut().find(|(known, _)| *known == place) {
                Some((_, group)) => group.push((mid, selected.series.clone())),
                None => groups.push((place, vec![(mid, selected.series.clone())])),
            }
        }
    }
    for (_, group) in &mut groups {
        group.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    groups
}

/// What stands below the bars at `x`.
pub(super) fn category(selected: &Selected, x: f64) -> String {
    if selected.categories.is_empty() {
        return shown(x);
    }
    selected.categories.get(x as usize).cloned().unwrap_or_default()
}

/// Fill in a title, or make one, from the group in which the series differ most.
pub(super) fn title(spec: &ReportSpec, selection: &Selection) -> String {
    let groups = groups(spec, selection);
    let Some((place, group)) = widest(&groups) else { return words(&spec.y) };
    let (Some(low), Some(high)) = (group.first(), group.last()) else { return words(&spec.y) };
    if group.len() == 1 && spec.title.is_empty() {
        return format!("{}: {} at {}", words(&spec.y), low.1, shown(low.0));
    }
    let template = if spec.title.is_empty() {
        "{y}: {lowest} has the least, {highest} {ratio} times as much"
    } else {
        &spec.title
    };
    if ratio(group) <= 1.05 && template.contains("{ratio}") {
        let text = format!("{}: no difference above 5 % between {} series", words(&spec.y), group.len());
        return capital(&text);
    }
    let times = if low.0 > 0.0 { shown(ratio(group)) } else { "many".into() };
    let fill = [
        ("{lowest}", low.1.clone()),
        ("{highest}", high.1.clone()),
        ("{ratio}", times),
        ("{y}", words(&spec.y)),
        ("{low}", shown(low.0)),
        ("{high}", shown(high.0)),
    ];
    let text = fill.iter().fold(template.to_owned(), |text, (key, value)| text.replace(key, value));
    if groups.len() > 1 && !place.is_empty() && template.contains('{') {
        format!("{text} ({place}, where they differ most)")
    } else {
        text
    }
}

/// The text with its first letter large.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn shown(value: f64) -> String {
    match value.abs() {
        big if big >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}").trim_end_matches(".0").to_owned(),
        _ => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// Fill in a heat map's title from the last round of each panel.
pub(super) fn heat_title(
    template: &str,
    tables: &Tables,
    histogram: bool,
    cases: &[(String, String)],
) -> String {
    let value = |case: &str| {
        if histogram { free_run_bytes(&tables.histogram, case) } else { partly_full(&tables.fullness, case) }
    };
    let mut ends: Vec<(f64, &str)> = cases.iter().map(|(case, name)| (value(case), name.as_str())).collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (Some(low), Some(high)) = (ends.first(), ends.last()) else { return template.to_owned() };
    let number = |value: f64| match histogram {
        true => crate::config::format_bytes(value as u64),
        false => format!("{:.0} %", value * 100.0),
    };
    [
        ("{lowest}", low.1.to_owned()),
        ("{highest}", high.1.to_owned()),
        ("{low}", number(low.0)),
        ("{high}", number(high.0)),
    ]
    .iter()
    .fold(template.to_owned(), |text, (key, value)| text.replace(key, value))
}

/// The cells of a case's last round.
fn last_round(cells: Vec<(u64, u64, f64)>) -> Vec<(u64, f64)> {
    let last = cells.iter().map(|(round, ..)| *round).max();
    cells
        .into_iter()
        .filter(|(round, ..)| Some(*round) == last)
        .map(|(_, place, value)| (place, value))
        .collect()
}

/// Mean length of the run that a free block lies in; runs of one class count by their mean. 0 with nothing free.
fn free_run_bytes(table: &Table, case: &str) -> f64 {
    let of = |value: &str| last_round(cells(table, case, "run_blocks", value));
    let (runs, blocks) = (of("runs"), of("blocks"));
    let free: f64 = blocks.iter().map(|(_, blocks)| blocks).sum();
    let weighed: f64 =
        runs.iter().zip(&blocks).map(|((_, runs), (_, blocks))| blocks * blocks / runs.max(1.0)).sum();
    spinney_core::BLOCK_BYTES as f64 * weighed / free.max(1.0)
}

/// Share of the slots that are neither full nor empty, within 1 %.
fn partly_full(table: &Table, case: &str) -> f64 {
    let slots = last_round(cells(table, case, "slot", "fullness"));
    let partly = slots.iter().filter(|(_, fullness)| (0.01..0.99).contains(fullness)).count();
    partly as f64 / slots.len().max(1) as f64
}
