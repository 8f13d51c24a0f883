//! Bars, grouped or stacked, from zero. Invariant: the length of a bar is proportional to its value; no axis of
//! bars starts elsewhere than at zero. It does not know what the bars measure.

use crate::axis::{Axis, Extent, Fit, Resolved, Scale, is_drawable};
use crate::figure::{Figure, Frame, render};
use crate::fonts::width;
use crate::lines::value_text;
use crate::mark;
use crate::palette::{BLACK, INK, MUTED, Palette, WHITE};
use crate::panel::{Canvas, Facet, Grid, Key, LeftOut, Look, Need, Panel};
use crate::scene::{Area, Shape, Side, Text, at};

/// One bar: its value and the limits of its error bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// The value; not a number means that it is missing ("n/a" stands in its place).
    pub value: f64,
    /// Limits round the value; only grouped bars show them.
    pub error: Option<(f64, f64)>,
}

impl Bar {
    /// A bar without an error bar.
    pub fn new(value: f64) -> Self {
        Bar { value, error: None }
    }
    /// The bar with these limits.
    #[must_use]
    pub fn error(mut self, low: f64, high: f64) -> Self {
        self.error = Some((low, high));
        self
    }
}

/// The bars of one name, one for each category.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BarSeries {
    /// The name, which also chooses the style.
    pub name: String,
    /// One bar for each category, in their order; missing ones at the end are "n/a".
    pub bars: Vec<Bar>,
}

/// Bars over named categories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// What the categories are.
    pub x_label: String,
    /// Their names, left to right.
    pub categories: Vec<String>,
    /// The value axis; always linear and from zero.
    pub y: Axis,
    /// The names within each category.
    pub series: Vec<BarSeries>,
    /// Whether the bars of a category stand on each other.
    pub stacked: bool,
}

impl Bars {
    /// No bars yet, side by side.
    pub fn new<N: Into<String>>(
        x_label: impl Into<String>,
        categories: impl IntoIterator<Item = N>,
        y: Axis,
    ) -> Self {
        let categories = categories.into_iter().map(Into::into).collect();
        Bars { x_label: x_label.into(), categories, y, ..Bars::default() }
    }
    /// Adds a name with one bar for each category.
    #[must_use]
    pub fn series(mut self, name: impl Into<String>, bars: impl IntoIterator<Item = Bar>) -> Self {
        self.series.push(BarSeries { name: name.into(), bars: bars.into_iter().collect() });
        self
    }
    /// Puts the bars of each category on each other.
    #[must_use]
    pub fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }
    /// Draws the figure.
    pub fn render(&self, frame: &Frame, palette: &Palette) -> Figure {
        render(frame, palette, &[Facet { name: "", panel: self }], None)
    }

    /// The bar of a name in a category; `None` if it is missing.
    fn bar(&self, series: &BarSeries, category: usize) -> Option<Bar> {
        series.bars.get(category).copied().filter(|bar| is_drawable(bar.value))
    }

    /// The sums of a category above and below zero.
    fn sums(&self, category: usize) -> (f64, f64) {
        let values = self.series.iter().filter_map(|series| self.bar(series, category)).map(|bar| bar.value);
        values.fold(
            (0.0, 0.0),
            |(up, down), value| {
                if value >= 0.0 { (up + value, down) } else { (up, down + value) }
            },
        )
    }

    fn draw_group(&self, canvas: &mut Canvas<'_>, category: usize, slot: &Slot) {
        let each = slot.width / self.series.len().max(1) as f64;
        for (number, series) in self.series.iter().enumerate() {
            let left = slot.left + number as f64 * each;
            let middle = left + each / 2.0;
            let Some(bar) = self.bar(series, category) else {
                canvas.scene.text(missing(canvas, middle, each));
                continue;
            };
            let gap = (each * 0.08).min(3.0);
            let (from, to) = (0.0, bar.value);
            let place = BarPlace { left: left + gap, width: each - 2.0 * gap, from, to };
            self.draw_bar(canvas, series, category, &place);
            let edge = draw_error(canvas, &bar, middle);
            self.label(canvas, bar.value, edge, middle, each);
        }
    }

    fn draw_stack(&self, canvas: &mut Canvas<'_>, category: usize, slot: &Slot) {
        let (mut up, mut down) = (0.0, 0.0);
        for series in &self.series {
            let Some(bar) = self.bar(series, category) else { continue };
            let sum = if bar.value >= 0.0 { &mut up } else { &mut down };
            let (from, to) = (*sum, *sum + bar.value);
            *sum = to;
            let place = BarPlace { left: slot.left, width: slot.width, from, to };
            let area = self.draw_bar(canvas, series, category, &place);
            self.label_inside(canvas, &area, bar.value);
        }
        let middle = slot.left + slot.width / 2.0;
        if self.series.iter().all(|series| self.bar(series, category).is_none()) {
            canvas.scene.text(missing(canvas, middle, slot.width));
        } else {
            self.label(canvas, up + down, canvas_y(canvas, up), middle, slot.width);
        }
    }

    fn draw_bar(
        &self,
        canvas: &mut Canvas<'_>,
        series: &BarSeries,
        category: usize,
        place: &BarPlace,
    ) -> Area {
        let (a, b) = (canvas_y(canvas, place.from), canvas_y(canvas, place.to));
        let area = Area::new(place.left, a.min(b), place.width, (a - b).abs());
        let value = self.y.unit.spell(place.to - place.from);
        let category = self.categories.get(category).map_or("", String::as_str);
        let tip = format!("{}, {category}: {value}", series.name);
        let shapes = mark::bar(area, &canvas.style(&series.name));
        canvas.scene.push(Shape::Tip { tip, shapes });
        area
    }

    /// The value above a bar (below a negative one), upright when the bar is narrow.
    fn label(&self, canvas: &mut Canvas<'_>, value: f64, edge: f64, middle: f64, room: f64) {
        let text = self.y.unit.format(value);
        let long = width(&text, 10.5, false);
        let sign = if value < 0.0 { 1.0 } else { -1.0 };
        if long + 2.0 <= room {
            canvas.scene.text(value_text(text, at(middle, edge + sign * 8.0)));
        } else if room >= 12.0 {
            let side = if value < 0.0 { Side::End } else { Side::Start };
            let text = Text::new(text, at(middle, edge + sign * 4.0), 10.5, INK).across(side);
            canvas.scene.text(text.upright());
        } else {
            canvas.labels_left_out += 1;
        }
    }

    /// The value in a part of a stack, on a white patch so that neither hatch nor color dims it.
    fn label_inside(&self, canvas: &mut Canvas<'_>, area: &Area, value: f64) {
        let text = self.y.unit.format(value);
        let long = width(&text, 10.5, false) + 6.0;
        if long > area.width || area.height < 15.0 {
            canvas.labels_left_out += usize::from(value != 0.0);
            return;
        }
        let middle = area.middle();
        let patch = Area::new(middle.x - long / 2.0, middle.y - 7.0, long, 14.0);
        canvas.scene.push(Shape::Box { area: patch, color: WHITE });
        let mut text = value_text(text, middle);
        text.color = BLACK;
        canvas.scene.text(text);
    }
}

/// Where the bars of a category stand.
struct Slot {
    left: f64,
    width: f64,
}

/// Where one bar stands: pixels across, values up.
struct BarPlace {
    left: f64,
    width: f64,
    from: f64,
    to: f64,
}

fn canvas_y(canvas: &Canvas<'_>, value: f64) -> f64 {
    canvas.down(canvas.y.clamped(value).unwrap_or(0.0))
}

fn missing(canvas: &Canvas<'_>, middle: f64, room: f64) -> Text {
    let place = at(middle, canvas_y(canvas, 0.0) - 9.0);
    let text = if room >= 20.0 { "n/a" } else { "–" };
    Text::new(text, place, 10.5, MUTED).across(Side::Middle)
}

/// Draws the error bar and returns where the label may begin.
fn draw_error(canvas: &mut Canvas<'_>, bar: &Bar, middle: f64) -> f64 {
    let end = canvas_y(canvas, bar.value);
    let Some((low, high)) = bar.error.filter(|(low, high)| is_drawable(*low) && is_drawable(*high)) else {
        return end;
    };
    let (low, high) = (canvas_y(canvas, low.min(high)), canvas_y(canvas, low.max(high)));
    canvas.scene.shapes.extend(mark::error_bar(at(middle, low), at(middle, high), INK, 1.2));
    if bar.value < 0.0 { low.max(end) } else { high.min(end) }
}

/// Share of the axis kept free above the highest bar for its label.
const ROOM_FOR_LABELS: f64 = 0.08;

impl Panel for Bars {
    fn needs(&self) -> (Need, Need) {
        let y = Axis { scale: Scale::Linear, from_zero: true, range: None, ..self.y.clone() };
        (Need::Names(self.x_label.clone(), self.categories.clone()), Need::Numbers(y, Fit::Ticks))
    }

    fn extents(&self) -> (Extent, Extent) {
        let mut y = Extent::default();
        let more = |value: f64| value * (1.0 + ROOM_FOR_LABELS);
        for category in 0..self.categories.len() {
            if self.stacked {
                let (up, down) = self.sums(category);
                y.add(more(up));
                y.add(more(down));
            }
            for bar in self.series.iter().filter_map(|series| self.bar(series, category)) {
                y.add(more(bar.value));
                if let (false, Some((low, high))) = (self.stacked, bar.error) {
                    y.add(low);
                    y.add(more(high));
                }
            }
        }
        (Extent::default(), y)
    }

    fn names(&self) -> Vec<String> {
        self.series.iter().map(|series| series.name.clone()).collect()
    }

    fn keys(&self) -> Vec<Key> {
        let keys = self.series.iter().map(|series| Key { name: series.name.clone(), look: Look::Fill });
        if self.series.len() == 1 && self.series[0].name == self.y.label {
            Vec::new()
        } else {
            keys.collect()
        }
    }

    fn grid(&self) -> Grid {
        Grid::Level
    }

    fn is_empty(&self) -> bool {
        let any = |c: usize| self.series.iter().any(|series| self.bar(series, c).is_some());
        !(0..self.categories.len()).any(any)
    }

    fn left_out(&self, _: &Resolved, _: &Resolved) -> LeftOut {
        let bars = self.series.iter().flat_map(|series| series.bars.iter().take(self.categories.len()));
        // A missing bar is marked where it would stand; only what was meant to be a number is noted.
        let not_a_number = bars.filter(|bar| !is_drawable(bar.value) && !bar.value.is_nan()).count();
        LeftOut { not_a_number, ..LeftOut::default() }
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        if self.is_empty() {
            return;
        }
        let names = canvas.x.slots.clone().unwrap_or_default();
        let each = canvas.area.width / names.len().max(1) as f64;
        for (category, name) in self.categories.iter().enumerate() {
            let Some(number) = names.iter().position(|other| other == name) else { continue };
            let room = if self.stacked || self.series.len() == 1 { 0.62 } else { 0.84 };
            let wide = (each * room).min(if self.stacked { 90.0 } else { 64.0 * self.series.len() as f64 });
            let left = canvas.area.left + (number as f64 + 0.5) * each - wide / 2.0;
            let slot = Slot { left, width: wide };
            if self.stacked {
                self.draw_stack(canvas, category, &slot);
            } else {
                self.draw_group(canvas, category, &slot);
            }
        }
        let zero = canvas_y(canvas, 0.0);
        let (left, right) = (at(canvas.area.left, zero), at(canvas.area.right(), zero));
        canvas.scene.line(left, right, mark::thin(MUTED));
    }

    fn in_words(&self) -> String {
        let kind = if self.stacked { "Stacked bars" } else { "Bars" };
        let names: Vec<&str> = self.series.iter().take(12).map(|series| series.name.as_str()).collect();
        let over: Vec<&str> = self.categories.iter().take(12).map(String::as_str).collect();
        format!("{kind} of {} for {}; {}: {}", self.y.label, names.join(", "), self.x_label, over.join(", "))
    }
}
