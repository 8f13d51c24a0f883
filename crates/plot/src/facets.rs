//! Small multiples: one chart per value, shared axes, one legend. Invariant: all panels have the same ranges, so
//! they can be compared by eye. It does not know what the values are.

use crate::axis::Axis;
use crate::figure::{Figure, Frame, render};
use crate::palette::Palette;
use crate::panel::{Facet, Panel};
use crate::{Bars, Heatmap, Lines, Scatter};

/// A chart of any kind.
#[derive(Clone, Debug, PartialEq)]
#[expect(missing_docs, reason = "each kind's own type says it")]
pub enum Chart {
    Lines(Lines),
    Bars(Bars),
    Heatmap(Heatmap),
    Scatter(Scatter),
}

impl Chart {
    /// Draws the figure.
    pub fn render(&self, frame: &Frame, palette: &Palette) -> Figure {
        render(frame, palette, &[Facet { name: "", panel: self.panel() }], None)
    }

    fn panel(&self) -> &dyn Panel {
        match self {
            Chart::Lines(chart) => chart,
            Chart::Bars(chart) => chart,
            Chart::Heatmap(chart) => chart,
            Chart::Scatter(chart) => chart,
        }
    }
}

impl From<Lines> for Chart {
    fn from(chart: Lines) -> Self {
        Chart::Lines(chart)
    }
}
impl From<Bars> for Chart {
    fn from(chart: Bars) -> Self {
        Chart::Bars(chart)
    }
}
impl From<Heatmap> for Chart {
    fn from(chart: Heatmap) -> Self {
        Chart::Heatmap(chart)
    }
}
impl From<Scatter> for Chart {
    fn from(chart: Scatter) -> Self {
        Chart::Scatter(chart)
    }
}

/// The same chart for several values. The axes (label, unit, scale, fixed range) are those of the first panel,
/// the ranges cover the data of all; all panels should be of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facets {
    /// The value each panel stands for, and its chart.
    pub panels: Vec<(String, Chart)>,
    /// Panels side by side, at most 6; chosen by their number when absent.
    pub columns: Option<usize>,
}

impl Facets {
    /// No panels yet.
    pub fn new() -> Self {
        Facets::default()
    }
    /// Adds the panel of a value.
    #[must_use]
    pub fn panel(mut self, value: impl Into<String>, chart: impl Into<Chart>) -> Self {
        self.panels.push((value.into(), chart.into()));
        self
    }
    /// Puts this many panels side by side.
    #[must_use]
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns);
        self
    }
    /// Draws the figure; without panels one that says "no data".
    pub fn render(&self, frame: &Frame, palette: &Palette) -> Figure {
        let named: Vec<_> =
            self.panels.iter().map(|(name, chart)| Facet { name, panel: chart.panel() }).collect();
        if named.is_empty() {
            return Lines::new(Axis::default(), Axis::default()).render(frame, palette);
        }
        render(frame, palette, &named, self.columns)
    }
}
