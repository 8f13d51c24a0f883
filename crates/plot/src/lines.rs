//! Lines over a number, with bands. Invariant: a line breaks where a value cannot be drawn and never bridges the
//! gap. It does not know why a value is missing.

use crate::axis::{Axis, Extent, Fit, Resolved, is_drawable};
use crate::figure::{Figure, Frame, render};
use crate::mark;
use crate::palette::{Dash, INK, MUTED, Palette};
use crate::panel::{Canvas, End, Facet, Grid, Key, LeftOut, Look, Need, Panel};
use crate::scene::{At, Shape, Side, Stroke, Text, at};
use crate::thin::{is_many, thinned};

/// One point of a line, with the limits of its band.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Where on the x axis.
    pub x: f64,
    /// The value, for example a median.
    pub y: f64,
    /// The limits round the value, for example smallest and largest.
    pub band: Option<(f64, f64)>,
}

impl Point {
    /// A point without a band.
    pub fn new(x: f64, y: f64) -> Self {
        Point { x, y, band: None }
    }
    /// The point with these limits round it.
    #[must_use]
    pub fn band(mut self, low: f64, high: f64) -> Self {
        self.band = Some((low, high));
        self
    }
}

/// A named line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// The name, which also chooses the style.
    pub name: String,
    /// The points in any order; they are drawn from left to right.
    pub points: Vec<Point>,
}

impl Series {
    /// A line through `points`.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        let mut points: Vec<Point> = points.into_iter().collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        Series { name: name.into(), points }
    }
}

/// Lines over one x axis and one y axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// The x axis.
    pub x: Axis,
    /// The y axis; linear ones start at zero unless the data is a narrow stripe far from it.
    pub y: Axis,
    /// The lines, first drawn first.
    pub series: Vec<Series>,
    /// Level lines to compare with: a value and what it is.
    pub guides: Vec<(f64, String)>,
}

impl Lines {
    /// No lines yet.
    pub fn new(x: Axis, y: Axis) -> Self {
        Lines { x, y, ..Lines::default() }
    }
    /// Adds a line.
    #[must_use]
    pub fn series(mut self, name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        self.series.push(Series::new(name, points));
        self
    }
    /// Adds a grey level line with its label.
    #[must_use]
    pub fn guide(mut self, value: f64, label: impl Into<String>) -> Self {
        self.guides.push((value, label.into()));
        self
    }
    /// Draws the figure.
    pub fn render(&self, frame: &Frame, palette: &Palette) -> Figure {
        render(frame, palette, &[Facet { name: "", panel: self }], None)
    }

    fn draw_guides(&self, canvas: &mut Canvas<'_>) {
        for (value, label) in &self.guides {
            let Some(position) = canvas.y.position(*value) else { continue };
            let (area, y) = (canvas.area, canvas.down(position));
            let stroke = Stroke { color: MUTED, width: 1.2, dash: Dash::Dashed };
            canvas.scene.line(at(area.left, y), at(area.right(), y), stroke);
            // Above the line, or below it where the panel ends.
            let beside = if y - 16.0 < area.top { y + 9.0 } else { y - 9.0 };
            let label = crate::fonts::fit(label, area.width - 12.0, 11.0, false);
            canvas.scene.text(Text::new(label, at(area.left + 6.0, beside), 11.0, MUTED).across(Side::Start));
        }
    }
}

impl Panel for Lines {
    fn needs(&self) -> (Need, Need) {
        (Need::Numbers(self.x.clone(), Fit::Exact), Need::Numbers(self.y.clone(), Fit::Ticks))
    }

    fn extents(&self) -> (Extent, Extent) {
        let (mut x, mut y) = (Extent::default(), Extent::default());
        for point in self.series.iter().flat_map(|series| &series.points) {
            x.add(point.x);
            y.add(point.y);
            if let Some((low, high)) = point.band {
                y.add(low);
                y.add(high);
            }
        }
        self.guides.iter().for_each(|(value, _)| y.add(*value));
        (x, y)
    }

    fn names(&self) -> Vec<String> {
        self.series.iter().map(|series| series.name.clone()).collect()
    }

    fn keys(&self) -> Vec<Key> {
        self.series.iter().map(|series| Key { name: series.name.clone(), look: Look::Line }).collect()
    }

    fn ends(&self) -> Vec<End> {
        let last = |series: &Series| {
            let drawable = |point: &&Point| is_drawable(point.x) && is_drawable(point.y);
            let point = series.points.iter().rfind(drawable)?;
            Some(End { name: series.name.clone(), x: point.x, y: point.y })
        };
        self.series.iter().filter_map(last).collect()
    }

    fn grid(&self) -> Grid {
        Grid::Both
    }

    fn is_empty(&self) -> bool {
        let (x, y) = self.extents();
        x.is_empty() || (y.is_empty() || self.series.iter().all(|series| series.points.is_empty()))
    }

    fn left_out(&self, x: &Resolved, y: &Resolved) -> LeftOut {
        let mut counts = LeftOut::default();
        let points = self.series.iter().flat_map(|series| &series.points);
        points.for_each(|point| counts.count((point.x, x), (point.y, y)));
        counts
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        self.series.iter().for_each(|series| draw_band(canvas, series));
        self.draw_guides(canvas);
        self.series.iter().for_each(|series| draw_line(canvas, series));
        for (number, series) in self.series.iter().enumerate() {
            draw_markers(canvas, series, number, self.series.len(), (&self.x, &self.y));
        }
    }

    fn in_words(&self) -> String {
        let ends = self.ends();
        let value = |end: &End| format!("{} ends at {}", end.name, self.y.unit.spell(end.y));
        let said: Vec<String> = ends.iter().take(12).map(value).collect();
        format!("Lines of {} over {}. {}", self.y.label, self.x.label, said.join(", "))
    }
}

/// The drawable stretches of a line, in pixels.
fn stretches(canvas: &Canvas<'_>, series: &Series) -> Vec<Vec<At>> {
    let mut stretches = vec![Vec::new()];
    for point in &series.points {
        match (canvas.point(point.x, point.y), stretches.last_mut()) {
            (Some(place), Some(current)) => current.push(place),
            _ => stretches.push(Vec::new()),
        }
    }
    stretches.retain(|stretch| !stretch.is_empty());
    stretches
}

fn draw_line(canvas: &mut Canvas<'_>, series: &Series) {
    let stroke = mark::line(&canvas.style(&series.name));
    for stretch in stretches(canvas, series) {
        // Dashes would be lost in the zigzag of very many points.
        let stroke = if is_many(&stretch) { Stroke::solid(stroke.color, 1.0) } else { stroke };
        canvas.scene.path(thinned(&stretch), stroke);
    }
}

fn draw_band(canvas: &mut Canvas<'_>, series: &Series) {
    let color = canvas.style(&series.name).color;
    let (mut lows, mut highs): (Vec<At>, Vec<At>) = (Vec::new(), Vec::new());
    let mut bands = Vec::new();
    for point in &series.points {
        match band_at(canvas, point) {
            Some((low, high)) => {
                lows.push(low);
                highs.push(high);
            }
            None => bands.push((std::mem::take(&mut lows), std::mem::take(&mut highs))),
        }
    }
    bands.push((lows, highs));
    for (lows, highs) in bands {
        if lows.len() > 1 {
            let points = thinned(&highs).into_iter().chain(thinned(&lows).into_iter().rev()).collect();
            canvas.scene.push(Shape::Polygon { points, color, alpha: 0.18 });
        } else if let ([low], [high]) = (lows.as_slice(), highs.as_slice()) {
            canvas.scene.shapes.extend(mark::error_bar(*low, *high, color, 1.2));
        }
    }
}

/// Where the band of a point begins and ends; limits outside the axis stand at its edge.
fn band_at(canvas: &Canvas<'_>, point: &Point) -> Option<(At, At)> {
    let (low, high) = point.band?;
    canvas.point(point.x, point.y)?;
    let x = canvas.across(canvas.x.position(point.x)?);
    let down = |value: f64| canvas.y.clamped(value).map(|position| at(x, canvas.down(position)));
    down(low.min(high)).zip(down(low.max(high)))
}

/// Pixels between the markers of a line with many points.
const MARKER_DISTANCE: f64 = 44.0;

/// Markers at all points when they are few, else some, set off from those of the other lines.
fn draw_markers(canvas: &mut Canvas<'_>, series: &Series, number: usize, of: usize, axes: (&Axis, &Axis)) {
    let style = canvas.style(&series.name);
    let placed: Vec<(&Point, At)> =
        series.points.iter().filter_map(|point| Some((point, canvas.point(point.x, point.y)?))).collect();
    let is_dense = placed.windows(2).any(|pair| pair[1].1.x - pair[0].1.x < 26.0);
    let offset = MARKER_DISTANCE * number as f64 / of.max(1) as f64;
    let mut next = canvas.area.left + if placed.len() > 2 { offset } else { 0.0 };
    for (point, place) in placed {
        if is_dense && place.x < next {
            continue;
        }
        next = place.x + MARKER_DISTANCE;
        let tip = tip(series, point, axes);
        let shapes = mark::marker(style.marker, place, mark::RADIUS, style.color);
        canvas.scene.push(Shape::Tip { tip, shapes });
    }
}

fn tip(series: &Series, point: &Point, (x, y): (&Axis, &Axis)) -> String {
    let band = |(low, high): (f64, f64)| format!(" [{}, {}]", y.unit.format(low), y.unit.format(high));
    let band = point.band.map(band).unwrap_or_default();
    format!("{}: {}{band} at {} {}", series.name, y.unit.spell(point.y), x.label, x.unit.spell(point.x))
}

/// Text of a value beside a mark.
pub(crate) fn value_text(text: String, place: At) -> Text {
    Text::new(text, place, 10.5, INK).across(Side::Middle)
}
