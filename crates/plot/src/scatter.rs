//! Points in the plane of two goals, with errors, labels and the front of the best. Invariant: no label covers a
//! point or another label; one that finds no room is left out and counted. It does not know the goals.

use crate::axis::{Axis, Extent, Fit, Resolved, is_drawable};
use crate::figure::{Figure, Frame, render};
use crate::fonts::{fit, width};
use crate::mark;
use crate::palette::{Dash, INK, MUTED, Palette};
use crate::panel::{Canvas, Facet, Grid, Key, LeftOut, Look, Need, Panel};
use crate::place;
use crate::scene::{Area, At, Scene, Shape, Side, Stroke, Text, at};

/// One point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dot {
    /// The name that chooses the style and stands in the legend.
    pub name: String,
    /// Text beside the point; none when empty.
    pub label: String,
    /// Where on the x axis.
    pub x: f64,
    /// Where on the y axis.
    pub y: f64,
    /// Limits round `x`.
    pub x_error: Option<(f64, f64)>,
    /// Limits round `y`.
    pub y_error: Option<(f64, f64)>,
}

impl Dot {
    /// A point of `name`, labeled with its name.
    pub fn new(name: impl Into<String>, x: f64, y: f64) -> Self {
        let name = name.into();
        Dot { label: name.clone(), name, x, y, ..Dot::default() }
    }
    /// The point with this label.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
    /// The point with limits round x.
    #[must_use]
    pub fn x_error(mut self, low: f64, high: f64) -> Self {
        self.x_error = Some((low, high));
        self
    }
    /// The point with limits round y.
    #[must_use]
    pub fn y_error(mut self, low: f64, high: f64) -> Self {
        self.y_error = Some((low, high));
        self
    }
}

/// Which end of an axis is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Small values.
    Low,
    /// Large values.
    High,
}

/// Points over two axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// The x axis.
    pub x: Axis,
    /// The y axis.
    pub y: Axis,
    /// The points.
    pub dots: Vec<Dot>,
    /// What is better on x and y; then the front of points that no other beats in both is drawn.
    pub front: Option<(Better, Better)>,
}

impl Scatter {
    /// No points yet.
    pub fn new(x: Axis, y: Axis) -> Self {
        Scatter { x, y, ..Scatter::default() }
    }
    /// Adds a point.
    #[must_use]
    pub fn dot(mut self, dot: Dot) -> Self {
        self.dots.push(dot);
        self
    }
    /// Draws the front of the points that no other beats.
    #[must_use]
    pub fn front(mut self, x: Better, y: Better) -> Self {
        self.front = Some((x, y));
        self
    }
    /// Draws the figure.
    pub fn render(&self, frame: &Frame, palette: &Palette) -> Figure {
        render(frame, palette, &[Facet { name: "", panel: self }], None)
    }

    /// Indices of the points that no other point beats, from left to right.
    fn best(&self) -> Vec<usize> {
        let Some((x, y)) = self.front else { return Vec::new() };
        // Both goals turned so that smaller is better.
        let turned = |value: f64, better: Better| if better == Better::Low { value } else { -value };
        let goals: Vec<(f64, f64)> =
            self.dots.iter().map(|dot| (turned(dot.x, x), turned(dot.y, y))).collect();
        let usable = |n: &usize| is_drawable(self.dots[*n].x) && is_drawable(self.dots[*n].y);
        let mut order: Vec<usize> = (0..self.dots.len()).filter(usable).collect();
        order.sort_by(|a, b| goals[*a].0.total_cmp(&goals[*b].0).then(goals[*a].1.total_cmp(&goals[*b].1)));
        let mut least = f64::INFINITY;
        order.retain(|n| {
            let kept = goals[*n].1 < least;
            least = least.min(goals[*n].1);
            kept
        });
        order.sort_by(|a, b| self.dots[*a].x.total_cmp(&self.dots[*b].x));
        order
    }

    /// The front as stairs: between two of the best, what is reached is the worse of both.
    /// Returns its pieces.
    fn draw_front(&self, canvas: &mut Canvas<'_>) -> Vec<Area> {
        let Some((better_x, _)) = self.front else { return Vec::new() };
        let best = self.best();
        let places: Vec<At> =
            best.iter().filter_map(|n| canvas.point(self.dots[*n].x, self.dots[*n].y)).collect();
        let mut stairs: Vec<At> = Vec::new();
        for place in places {
            if let Some(last) = stairs.last().copied() {
                stairs.push(if better_x == Better::Low { at(place.x, last.y) } else { at(last.x, place.y) });
            }
            stairs.push(place);
        }
        let piece = |pair: &[At]| {
            let (left, top) = (pair[0].x.min(pair[1].x), pair[0].y.min(pair[1].y));
            let (width, height) = ((pair[0].x - pair[1].x).abs(), (pair[0].y - pair[1].y).abs());
            Area::new(left - 2.0, top - 2.0, width + 4.0, height + 4.0)
        };
        let pieces = stairs.windows(2).map(piece).collect();
        canvas.scene.path(stairs, Stroke { color: MUTED, width: 1.4, dash: Dash::Dashed });
        pieces
    }

    fn draw_dot(&self, canvas: &mut Canvas<'_>, dot: &Dot, place: At) {
        let style = canvas.style(&dot.name);
        if let Some((low, high)) = limits(dot.x_error, canvas.x) {
            let (from, to) = (at(canvas.across(low), place.y), at(canvas.across(high), place.y));
            canvas.scene.shapes.extend(mark::error_bar(from, to, style.color, 1.2));
        }
        if let Some((low, high)) = limits(dot.y_error, canvas.y) {
            let (from, to) = (at(place.x, canvas.down(low)), at(place.x, canvas.down(high)));
            canvas.scene.shapes.extend(mark::error_bar(from, to, style.color, 1.2));
        }
        let (x, y) = (self.x.unit.spell(dot.x), self.y.unit.spell(dot.y));
        let tip = format!("{} {}: {} {x}, {} {y}", dot.name, dot.label, self.x.label, self.y.label);
        let shapes = mark::marker(style.marker, place, mark::RADIUS + 1.0, style.color);
        canvas.scene.push(Shape::Tip { tip, shapes });
    }

    /// Whether labels already say all names, so that a legend would only repeat them.
    fn is_labeled(&self) -> bool {
        self.dots.iter().all(|dot| dot.label == dot.name)
    }
}

/// Positions of the limits of an error, those outside the axis at its edge.
fn limits(error: Option<(f64, f64)>, axis: &Resolved) -> Option<(f64, f64)> {
    let (low, high) = error?;
    axis.clamped(low).zip(axis.clamped(high))
}

const LABEL: f64 = 11.0;
const LONGEST: f64 = 220.0;
/// Labels tried; the search compares each with all others.
const MOST_LABELS: usize = 200;

/// Labels beside points where nothing else stands, with a leader when the place is not next to the point.
struct Labels {
    room: Area,
    taken: Vec<Area>,
}

impl Labels {
    /// Boxes round a point, nearest and best readable first.
    fn choices(place: At, wide: f64) -> Vec<Area> {
        let (high, near) = (14.0, 9.0);
        let around = |dx: f64, dy: f64| {
            let left = if dx > 0.0 {
                place.x + dx
            } else if dx < 0.0 {
                place.x + dx - wide
            } else {
                place.x - wide / 2.0
            };
            Area::new(left, place.y + dy - high / 2.0, wide, high)
        };
        let close = [(near, 0.0), (-near, 0.0), (0.0, -near - 6.0), (0.0, near + 6.0)];
        let corners = [(7.0, -12.0), (7.0, 12.0), (-7.0, -12.0), (-7.0, 12.0)];
        let far = [24.0, 40.0, 60.0].into_iter().flat_map(|d| [(d, -d), (d, d), (-d, -d), (-d, d)]);
        close.into_iter().chain(corners).chain(far).map(|(dx, dy)| around(dx, dy)).collect()
    }

    fn put(&mut self, scene: &mut Scene, label: &str, place: At) -> bool {
        let label = fit(label, LONGEST, LABEL, false);
        let choices = Self::choices(place, width(&label, LABEL, false));
        let Some(found) = place::first_free(&choices, &self.room, &self.taken) else { return false };
        self.taken.push(found);
        let end = at(place.x.clamp(found.left, found.right()), found.middle().y);
        if (end.x - place.x).hypot(end.y - place.y) > 18.0 {
            scene.line(place, end, Stroke::solid(MUTED, 0.5));
        }
        scene.text(Text::new(label, at(found.left, found.middle().y), LABEL, INK).across(Side::Start));
        true
    }
}

/// What labels must not cover: the marks and their errors.
fn taken(canvas: &Canvas<'_>, dots: &[(&Dot, At)]) -> Vec<Area> {
    let mut taken = Vec::new();
    for (dot, place) in dots {
        let radius = mark::RADIUS + 2.0;
        taken.push(Area::new(place.x - radius, place.y - radius, 2.0 * radius, 2.0 * radius));
        if let Some((low, high)) = limits(dot.x_error, canvas.x) {
            let (left, right) = (canvas.across(low.min(high)), canvas.across(low.max(high)));
            taken.push(Area::new(left, place.y - 4.0, right - left, 8.0));
        }
        if let Some((low, high)) = limits(dot.y_error, canvas.y) {
            let (top, bottom) = (canvas.down(low.max(high)), canvas.down(low.min(high)));
            taken.push(Area::new(place.x - 4.0, top, 8.0, bottom - top));
        }
    }
    taken
}

impl Panel for Scatter {
    fn needs(&self) -> (Need, Need) {
        (Need::Numbers(self.x.clone(), Fit::Room), Need::Numbers(self.y.clone(), Fit::Room))
    }

    fn extents(&self) -> (Extent, Extent) {
        let (mut x, mut y) = (Extent::default(), Extent::default());
        for dot in &self.dots {
            x.add(dot.x);
            y.add(dot.y);
            for (extent, error) in [(&mut x, dot.x_error), (&mut y, dot.y_error)] {
                if let Some((low, high)) = error {
                    extent.add(low);
                    extent.add(high);
                }
            }
        }
        (x, y)
    }

    fn names(&self) -> Vec<String> {
        self.dots.iter().map(|dot| dot.name.clone()).collect()
    }

    fn keys(&self) -> Vec<Key> {
        let names = self.dots.iter().map(|dot| Key { name: dot.name.clone(), look: Look::Point });
        if self.is_labeled() { Vec::new() } else { names.collect() }
    }

    fn grid(&self) -> Grid {
        Grid::Both
    }

    fn is_empty(&self) -> bool {
        !self.dots.iter().any(|dot| is_drawable(dot.x) && is_drawable(dot.y))
    }

    fn left_out(&self, x: &Resolved, y: &Resolved) -> LeftOut {
        let mut counts = LeftOut::default();
        self.dots.iter().for_each(|dot| counts.count((dot.x, x), (dot.y, y)));
        counts
    }

    fn usual_height(&self) -> f64 {
        380.0
    }

    fn draw(&self, canvas: &mut Canvas<'_>) {
        let placed: Vec<(&Dot, At)> =
            self.dots.iter().filter_map(|dot| Some((dot, canvas.point(dot.x, dot.y)?))).collect();
        let front = self.draw_front(canvas);
        placed.iter().for_each(|(dot, place)| self.draw_dot(canvas, dot, *place));
        let mut labels = Labels { room: canvas.area, taken: taken(canvas, &placed) };
        labels.taken.extend(front);
        let labeled = placed.iter().filter(|(dot, _)| !dot.label.trim().is_empty());
        for (number, (dot, place)) in labeled.enumerate() {
            if number >= MOST_LABELS || !labels.put(canvas.scene, &dot.label, *place) {
                canvas.labels_left_out += 1;
            }
        }
    }

    fn in_words(&self) -> String {
        let best = self.best();
        let names: Vec<&str> = best.iter().take(12).map(|n| self.dots[*n].label.as_str()).collect();
        let front =
            if names.is_empty() { String::new() } else { format!("; not beaten: {}", names.join(", ")) };
        format!("{} points of {} against {}{front}", self.dots.len(), self.y.label, self.x.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scatter(points: &[(f64, f64)]) -> Scatter {
        let base = Scatter::new(Axis::default(), Axis::default());
        points.iter().fold(base, |all, (x, y)| all.dot(Dot::new("a", *x, *y)))
    }

    #[test]
    fn the_front_holds_exactly_what_no_other_beats() {
        let points = [(1.0, 5.0), (2.0, 2.0), (3.0, 3.0), (4.0, 1.0), (f64::NAN, 9.0), (2.0, 4.0)];
        assert_eq!(scatter(&points).front(Better::Low, Better::Low).best(), [0, 1, 3]);
        assert_eq!(scatter(&points).front(Better::High, Better::High).best(), [0, 5, 2, 3]);
    }
}
