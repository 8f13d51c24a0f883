//! The small signs of figures: markers, error bars, hatches, swatches. Invariant: a marker has a rim in the color
//! of the ground, so that overlapping ones stay apart. It does not know axes.

use crate::palette::Color;
use crate::palette::{Dash, GROUND, Hatch, INK, Marker, Style, WHITE};
use crate::panel::Look;
use crate::scene::{Area, At, Shape, Stroke, at};

/// Radius of a marker in logical pixels.
pub(crate) const RADIUS: f64 = 4.0;
/// Width of a data line in logical pixels.
pub(crate) const LINE: f64 = 2.0;

/// The shapes of a marker, rim first.
pub(crate) fn marker(kind: Marker, center: At, radius: f64, color: Color) -> Vec<Shape> {
    let mut shapes = filled(kind, center, radius + 0.8, GROUND);
    shapes.extend(filled(kind, center, radius, color));
    if kind == Marker::Ring {
        shapes.extend(filled(Marker::Disc, center, radius * 0.5, GROUND));
    }
    shapes
}

fn filled(kind: Marker, center: At, radius: f64, color: Color) -> Vec<Shape> {
    let polygon = |corners: &[(f64, f64)]| {
        let place = |&(x, y): &(f64, f64)| at(center.x + x * radius, center.y + y * radius);
        Shape::Polygon { points: corners.iter().map(place).collect(), color, alpha: 1.0 }
    };
    match kind {
        Marker::Disc | Marker::Ring => vec![Shape::Disc { center, radius, color }],
        Marker::Square => vec![polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)])],
        Marker::Triangle => vec![polygon(&[(0.0, -1.15), (1.1, 0.85), (-1.1, 0.85)])],
        Marker::TriangleDown => vec![polygon(&[(0.0, 1.15), (1.1, -0.85), (-1.1, -0.85)])],
        Marker::Diamond => vec![polygon(&[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)])],
        Marker::Cross => cross(polygon),
    }
}

/// Two bars across each other.
fn cross(polygon: impl Fn(&[(f64, f64)]) -> Shape) -> Vec<Shape> {
    let (long, thin) = (1.0, 0.45);
    let (a, b) = (long - thin / 2.0, long + thin / 2.0);
    vec![polygon(&[(-a, -b), (b, a), (a, b), (-b, -a)]), polygon(&[(a, -b), (b, -a), (-a, b), (-b, a)])]
}

/// A line from `low` to `high` (places) with short caps across it.
pub(crate) fn error_bar(low: At, high: At, color: Color, width: f64) -> Vec<Shape> {
    let stroke = Stroke::solid(color, width);
    let upright = (low.x - high.x).abs() < (low.y - high.y).abs();
    let (dx, dy) = if upright { (3.5, 0.0) } else { (0.0, 3.5) };
    let cap = |end: At| vec![at(end.x - dx, end.y - dy), at(end.x + dx, end.y + dy)];
    [vec![low, high], cap(low), cap(high)].into_iter().map(|points| Shape::Path { points, stroke }).collect()
}

/// A bar with its hatch and a thin edge.
pub(crate) fn bar(area: Area, style: &Style) -> Vec<Shape> {
    let mut shapes = vec![Shape::Box { area, color: style.color }];
    shapes.extend(hatch(&area, style.hatch));
    shapes.extend(edge(&area));
    shapes
}

fn edge(area: &Area) -> Vec<Shape> {
    let stroke = Stroke::solid(INK, 0.5);
    let corners = [
        at(area.left, area.top),
        at(area.right(), area.top),
        at(area.right(), area.bottom()),
        at(area.left, area.bottom()),
        at(area.left, area.top),
    ];
    vec![Shape::Path { points: corners.to_vec(), stroke }]
}

/// Distance of hatch lines in logical pixels.
const HATCH: f64 = 7.0;

fn hatch(area: &Area, hatch: Hatch) -> Vec<Shape> {
    let lines = match hatch {
        Hatch::Plain => Vec::new(),
        Hatch::Level => level(area),
        Hatch::Upright => upright(area),
        Hatch::Rising => slanted(area, true),
        Hatch::Falling => slanted(area, false),
        Hatch::Grid => level(area).into_iter().chain(upright(area)).collect(),
    };
    let stroke = Stroke::solid(WHITE, 1.0);
    lines.into_iter().map(|(from, to)| Shape::Path { points: vec![from, to], stroke }).collect()
}

fn steps(length: f64) -> impl Iterator<Item = f64> {
    let count = (length / HATCH).clamp(0.0, 600.0) as usize;
    (0..=count).map(|n| (n as f64 + 0.5) * HATCH).take_while(move |v| *v < length)
}

fn level(area: &Area) -> Vec<(At, At)> {
    // From the bottom, so that bars on one baseline carry their lines at one height.
    let line = |v: f64| (at(area.left, area.bottom() - v), at(area.right(), area.bottom() - v));
    steps(area.height).map(line).collect()
}

fn upright(area: &Area) -> Vec<(At, At)> {
    steps(area.width).map(|v| (at(area.left + v, area.top), at(area.left + v, area.bottom()))).collect()
}

/// Lines at 45 degrees, cut to the box.
fn slanted(area: &Area, rising: bool) -> Vec<(At, At)> {
    let (width, height) = (area.width, area.height);
    let cut = |v: f64| {
        // The line x + y = v inside a box with its origin at the bottom left.
        let (x0, x1) = ((v - height).max(0.0), v.min(width));
        let flip = |x: f64| if rising { area.right() - x } else { area.left + x };
        (x1 > x0).then(|| (at(flip(x0), area.bottom() - (v - x0)), at(flip(x1), area.bottom() - (v - x1))))
    };
    steps((width + height) / std::f64::consts::SQRT_2)
        .filter_map(|v| cut(v * std::f64::consts::SQRT_2))
        .collect()
}

/// How a name looks in a legend: `width` by 12 logical pixels round `center`.
pub(crate) fn swatch(look: Look, style: &Style, center: At, width: f64) -> Vec<Shape> {
    let (left, right) = (at(center.x - width / 2.0, center.y), at(center.x + width / 2.0, center.y));
    match look {
        Look::Fill => bar(Area::new(left.x, center.y - 6.0, width, 12.0), style),
        Look::Point => marker(style.marker, center, RADIUS + 0.5, style.color),
        Look::Line => {
            let stroke = Stroke { color: style.color, width: LINE, dash: style.dash };
            let mut shapes = vec![Shape::Path { points: vec![left, right], stroke }];
            shapes.extend(marker(style.marker, center, RADIUS, style.color));
            shapes
        }
    }
}

/// The stroke of a data line.
pub(crate) fn line(style: &Style) -> Stroke {
    Stroke { color: style.color, width: LINE, dash: style.dash }
}

/// The stroke of grid lines.
pub(crate) fn thin(color: Color) -> Stroke {
    Stroke { color, width: 1.0, dash: Dash::Solid }
}
