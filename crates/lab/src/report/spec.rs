//! A figure as a config asks for it.
//!
//! Invariant: a spec names columns and filters only. A title may be a template over the data; a plain one should ask or
//! describe, since nobody checks what it asserts.

use crate::config::{Origin, Problem, Section, Table};
use crate::statistics::BandKind;

/// Which figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportKind {
    /// y over x, a line and a band for each series.
    Lines,
    /// One value for each series (grouped by x, if given).
    Bars,
    /// Free-run histogram over rounds (`table = "histogram"`), or fullness over address and rounds (`table = "fullness"`).
    Heatmap,
    /// One point for each series: x against y.
    Scatter,
}

/// A figure to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportSpec {
    /// Its name: the file's name.
    pub name: String,
    /// The form.
    pub kind: ReportKind,
    /// Title; `{lowest}`, `{highest}` and `{ratio}`, `{low}` and `{high}` are filled in from what is drawn: the series' values (of a scatter
    /// also `{lowest_x}` and `{highest_x}`), of a heat map the last round: the mean length of the run that a free block lies in,
    /// or the share of the address space that is neither full nor empty.
    pub title: String,
    /// Column on the x axis.
    pub x: String,
    /// Column on the y axis.
    pub y: String,
    /// Columns that make a series.
    pub series: Vec<String>,
    /// Column that makes a facet, if any.
    pub facet: Option<String>,
    /// Columns that must have one of the values; `phase` has one.
    pub filters: Vec<(String, Vec<String>)>,
    /// How repeats become a band.
    pub band: BandKind,
    /// Logarithmic x.
    pub log_x: bool,
    /// Logarithmic y.
    pub log_y: bool,
    /// For heat maps: `histogram` or `fullness`.
    pub table: String,
    /// For bars and scatter: which row of a case counts (`last`, `mean`, `max`, `sum`, ...).
    pub at: String,
    /// Rows of earlier rounds do not count.
    pub from: u64,
    /// Where the config states it.
    pub origin: Option<Origin>,
}

/// Read one `[report.name]`.
pub fn read_report(
    name: &str,
    table: Table,
    origin: Origin,
    problems: &mut Vec<Problem>,
) -> Option<ReportSpec> {
    let mut section = Section::new(&format!("report.{name}"), table, problems);
    let kind_at = section.peek("kind");
    let kind = match section.text("kind").as_deref() {
        None | Some("lines") => ReportKind::Lines,
        Some("bars") => ReportKind::Bars,
        Some("heatmap") => ReportKind::Heatmap,
        Some("scatter") => ReportKind::Scatter,
        Some(other) => {
            let known = "known: lines, bars, heatmap, scatter".to_owned();
            section.complain(format!("no figure is called `{other}`"), kind_at, Some(known));
            ReportKind::Lines
        }
    };
    let band_at = section.peek("band");
    let band = match section.text("band").as_deref() {
        None | Some("minmax") => BandKind::MinMedianMax,
        Some("bootstrap") => BandKind::Bootstrap,
        Some(other) => {
            section.complain(
                format!("no band is called `{other}`"),
                band_at,
                Some("known: minmax, bootstrap".into()),
            );
            BandKind::MinMedianMax
        }
    };
    let heat = kind == ReportKind::Heatmap;
    let spec = ReportSpec {
        name: name.into(),
        kind,
        title: section.text("title").unwrap_or_default(),
        x: section
            .text("x")
            .unwrap_or_else(|| if kind == ReportKind::Bars { String::new() } else { "round".into() }),
        y: section.text("y").unwrap_or_default(),
        series: section.texts("series").into_iter().map(|(name, _)| name).collect(),
        facet: section.text("facet"),
        filters: filters(&mut section),
        band,
        log_x: section.switch("log_x").unwrap_or(false),
        log_y: section.switch("log_y").unwrap_or(false),
        table: section.text("table").unwrap_or_else(|| if heat { "histogram".into() } else { "rows".into() }),
        at: section.text("at").unwrap_or_else(|| "last".into()),
        from: section.integer("from", 0..=u64::MAX).unwrap_or(0),
        origin: Some(origin.clone()),
    };
    if spec.y.is_empty() && !heat {
        let help = Some("add `y = \"free_runs\"`; `spinney list metrics` has the columns".to_owned());
        section.complain(format!("report `{name}` draws nothing"), Some(origin), help);
    }
    section.finish();
    Some(spec)
}

fn filters(section: &mut Section<'_>) -> Vec<(String, Vec<String>)> {
    let Some((table, _)) = section.table("where") else { return Vec::new() };
    table.into_iter().filter_map(|(key, (_, node))| Some((key, node.values()?))).collect()
}
