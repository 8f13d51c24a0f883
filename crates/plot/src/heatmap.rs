//! A grid of colored cells. Invariant: the cells are one picture whose size follows the panel and not the data;
//! a cell without a value is grey, never a color of the scale. It does not know what the axes measure.

use crate::axis::{Axis, Extent, Fit, HUGE, Resolved, Scale, is_drawable};
use crate::colormap::{ColorScale, Colormap};
use crate::figure::{Figure, Frame, render};
use crate::fonts::width;
use crate::lines::value_text;
use crate::palette::{Palette, readable_on};
use crate::panel::{Canvas, Facet, Grid, Key, LeftOut, Need, Panel};
use crate::scene::{Picture, Shape, at};

/// Values over two axes, as colors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heatmap {
    /// The x axis; its range is the left edge of the first column and the right edge of the last.
    pub x: Axis,
    /// The y axis; its range is the lower edge of the first row and the upper edge of the last.
    pub y: Axis,
    /// The values: label, unit, scale and (for figures that are compared) range.
    pub value: Axis,
    /// Columns from left to right, each from the bottom up; not a number means no value. Cells are equally large
    /// on the page: on a log axis equal steps are equal factors.
    pub columns: Vec<Vec<f64>>,
    /// Names of the columns, in place of numbers on the x axis.
    pub x_names: Option<Vec<String>>,
    /// Names of the rows from the bottom up, in place of numbers on the y axis.
    pub y_names: Option<Vec<String>>,
    /// The colors.
    pub map: Colormap,
    /// Whether each cell shows its number, where it has room.
    pub numbers: bool,
}

impl Heatmap {
    /// A heat map of `columns`, each from the bottom up. An axis without a range counts columns or rows.
    pub fn new(x: Axis, y: Axis, value: Axis, columns: Vec<Vec<f64>>) -> Self {
        Heatmap { x, y, value, columns, ..Heatmap::default() }
    }
    /// The heat map with these colors.
    #[must_use]
    pub fn map(mut self, map: Colormap) -> Self {
        self.map = map;
        self
    }
    /// The heat map with names for its columns.
    #[must_use]
    pub fn x_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.x_names = Some(names.into_iter().map(Into::into).collect());
        self
    }
    /// The heat map with names for its rows, from the bottom up.
    #[must_use]
    pub fn y_names<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.y_names = Some(names.into_iter().map(Into::into).collect());
        self
    }
    /// The heat map with a number in each cell.
    #[must_use]
    pub fn numbers(mut self) -> Self {
        self.numbers = true;
        self
    }
    /// Draws the figure.
    pub fn render(&self, frame: &Frame, palette: &Palette) -> Figure {
        render(frame, palette, &[Facet { name: "", panel: self }], None)
    }

    fn rows(&self) -> usize {
        self.columns.iter().map(Vec::len).max().unwrap_or(0)
    }

    fn cell(&self, column: usize, row: usize) -> f64 {
        self.columns.get(column).and_then(|values| values.get(row)).copied().unwrap_or(f64::NAN)
    }

    /// The picture of all cells, two pixels per logical pixel; many cells in one pixel show their mean.
    fn picture(&self, canvas: &Canvas<'_>, colors: &ColorScale) -> Picture {
        let (wide, high) = (self.columns.len(), self.rows());
        let width = (canvas.area.width * 2.0).round().max(1.0) as usize;
        let height = (canvas.area.height * 2.0).round().max(1.0) as usize;
        let mut pixels = Vec::with_capacity(width * height);
        let mut before = None;
        for y in 0..height {
            let rows = cells(height - 1 - y, height, high);
            if before.as_ref() == Some(&rows) {
                let start = pixels.len() - width;
                pixels.extend_from_within(start..);
            } else {
                let mean = |x: usize| colors.index(self.mean(cells(x, width, wide), rows.clone()));
                pixels.extend((0..width).map(mean));
            }
            before = Some(rows);
        }
        Picture { width: width as u32, height: height as u32, pixels, colors: colors.table() }
    }

    /// The mean of the cells that have a value.
    fn mean(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for column in columns {
            for row in rows.clone() {
                let value = self.cell(column, row);
                if is_drawable(value) {
                    (sum, count) = (sum + value, count + 1.0);
                }
            }
        }
        sum / count
    }

    fn draw_numbers(&self, canvas: &mut Canvas<'_>, colors: &ColorScale) {
        let (wide, high) = (self.columns.len(), self.rows());
        let cell = (canvas.area.width / wide as f64, canvas.area.height / high as f64);
        let table = colors.table();
        for (column, row) in (0..wide).flat_map(|column| (0..high).map(move |row| (column, row))) {
            let value = self.cell(column, row);
            let text = self.value.unit.format(value);
            if cell.1 < 14.0 || width(&text, 10.5, false) + 4.0 > cell.0 {
                canvas.labels_left_out += 1;
                continue;
            }
            let place = at(
                canvas.area.left + (column as f64 + 0.5) * cell.0,
                canvas.area.bottom() - (row as f64 + 0.5) * cell.1,
            );
            let mut text = value_text(text, place);
            text.color = readable_on(table[usize::from(colors.index(value))]);
            canvas.scene.text(text);
        }
    }
}

/// The cells that pixel `n` of `pixels` shows, of `count` cells: at least one.
fn cells(n: usize, pixels: usize, count: usize) -> std::ops::Range<usize> {
    let first = n * count / pixels;
    let end = ((n + 1) * count / pixels).max(first + 1);
    first..end.min(count)
}

impl Panel for Heatmap {
    fn needs(&self) -> (Need, Need) {
        let need = |axis: &Axis, names: &Option<Vec<String>>, count: usize| match names {
            Some(names) => {
                let blank = |n: usize| names.get(n).cloned().unwrap_or_default();
                Need::Names(axis.title(), (0..count).map(blank).collect())
            }
            None => {
                let range = axis.range.or(Some((0.0, count.max(1) as f64)));
                Need::Numbers(Axis { range, ..axis.clone() }, Fit::Exact)
            }
        };
        (need(&self.x, &self.x_names, self.columns.len()), need(&self.y, &self.y_names, self.rows()))
    }

    fn extents(&self) -> (Extent, Extent) {
        (Extent::default(), Extent::default())
    }

    fn colors(&self) -> Option<(Axis, Extent, Colormap)> {
        let mut extent = Extent::default();
        self.columns.iter().flatten().for_each(|value| extent.add(*value));
        Some((self.value.clone(), extent, self.map))
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn keys(&self) -> Vec<Key> {
        Vec::new()
    }

    fn grid(&self) -> Grid {
        Grid::None
    }

    fn is_empty(&self) -> bool {
        !self.columns.iter().flatten().any(|value| is_drawable(*value))
    }

    fn left_out(&self, _: &Resolved, _: &Resolved) -> LeftOut {
        let values = || self.columns.iter().flatten();
        let is_log = self.value.scale == Scale::Log;
        LeftOut {
            not_a_number: values().filter(|value| value.is_infinite() || value.abs() > HUGE).count(),
            not_positive: values().filter(|value| is_log && **value <= 0.0 && is_drawable(**value)).count(),
            ..LeftOut::default()
        }
    }

    fn usual_height(&self) -> f64 {
        if self.numbers { (self.rows() as f64 * 34.0).clamp(120.0, 420.0) } else { 300.0 }
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let Some(colors) = canvas.colors else { return };
        if self.is_empty() {
            return;
        }
        let picture = self.picture(canvas, colors);
        canvas.scene.push(Shape::Picture { area: canvas.area, picture });
        if self.numbers {
            self.draw_numbers(canvas, colors);
        }
    }

    fn in_words(&self) -> String {
        let values = self.columns.iter().flatten().copied().filter(|value| is_drawable(*value));
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let from_to = if self.is_empty() {
            String::new()
        } else {
            format!(", from {} to {}", self.value.unit.spell(low), self.value.unit.spell(high))
        };
        format!("Heat map of {} over {} and {}{from_to}", self.value.label, self.x.label, self.y.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_shown_by_some_pixel() {
        for (pixels, count) in [(100, 7), (7, 100), (5, 5), (1, 9)] {
            let shown: std::collections::BTreeSet<usize> =
                (0..pixels).flat_map(|n| cells(n, pixels, count)).collect();
            assert_eq!(shown.len(), count, "{pixels} pixels, {count} cells");
        }
    }
}
