//! Shapes to calls of a plotters backend. Invariant: the same shapes in the same order for every backend, so SVG
//! and PNG show one figure. It does not know which backend it is.

use crate::fonts;
use crate::palette::Color;
use crate::scene::{Area, At, Shape, Side, Stroke, Text};
use plotters::backend::DrawingBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color as _, FontTransform, RGBColor, TextStyle};
use plotters::style::{RGBAColor, ShapeStyle};

/// Backend pixels per logical pixel. Plotters' coordinates are whole numbers: drawn at this scale, half a logical
/// pixel still counts.
pub(crate) const SCALE: u32 = 4;

/// Why no call of a backend can fail here: both write to memory and the fonts are embedded.
pub(crate) const SURE: &str = "memory takes every shape and the font is registered";

/// A logical place in backend pixels.
pub(crate) fn pixel(place: At) -> (i32, i32) {
    ((place.x * f64::from(SCALE)).round() as i32, (place.y * f64::from(SCALE)).round() as i32)
}

/// A logical length in backend pixels, at least one.
pub(crate) fn length(value: f64) -> u32 {
    (value * f64::from(SCALE)).round().max(1.0) as u32
}

pub(crate) fn style(color: Color, alpha: f64, width: f64) -> ShapeStyle {
    let color: RGBAColor = RGBColor(color.0, color.1, color.2).mix(alpha);
    ShapeStyle { color, filled: true, stroke_width: length(width) }
}

/// Draws a path as one line through its points; dashes are the caller's business.
pub(crate) fn path<B: DrawingBackend>(backend: &mut B, points: &[At], stroke: &Stroke) {
    backend.draw_path(points.iter().map(|p| pixel(*p)), &style(stroke.color, 1.0, stroke.width)).expect(SURE);
}

pub(crate) fn polygon<B: DrawingBackend>(backend: &mut B, points: &[At], fill: ShapeStyle) {
    backend.fill_polygon(points.iter().map(|p| pixel(*p)), &fill).expect(SURE);
}

pub(crate) fn filled_box<B: DrawingBackend>(backend: &mut B, area: &Area, color: Color) {
    let (left, top) = pixel(crate::scene::at(area.left, area.top));
    let (right, bottom) = pixel(crate::scene::at(area.right(), area.bottom()));
    if right > left && bottom > top {
        backend.draw_rect((left, top), (right, bottom), &style(color, 1.0, 1.0), true).expect(SURE);
    }
}

pub(crate) fn disc<B: DrawingBackend>(backend: &mut B, center: At, radius: f64, color: Color) {
    backend.draw_circle(pixel(center), length(radius), &style(color, 1.0, 1.0), true).expect(SURE);
}

/// Draws a text. `em` is what this backend multiplies the em by to get plotters' font size.
pub(crate) fn text<B: DrawingBackend>(backend: &mut B, text: &Text, em: f64) {
    let font = fonts::font(text.size * em * f64::from(SCALE), text.bold);
    let font = if text.upright { font.transform(FontTransform::Rotate270) } else { font };
    let color = RGBColor(text.color.0, text.color.1, text.color.2);
    let style = TextStyle::from(font).color(&color).pos(anchor(text));
    backend.draw_text(&fonts::clean(&text.text), &style, pixel(text.place)).expect(SURE);
}

fn anchor(text: &Text) -> Pos {
    let across = match text.across {
        Side::Start => HPos::Left,
        Side::Middle => HPos::Center,
        Side::End => HPos::Right,
    };
    Pos::new(across, VPos::Center)
}

/// Draws what every backend draws alike; texts, paths, pictures and tips differ and are left to the callers.
pub(crate) fn plain<B: DrawingBackend>(backend: &mut B, shape: &Shape) {
    match shape {
        Shape::Polygon { points, color, alpha } => polygon(backend, points, style(*color, *alpha, 1.0)),
        Shape::Box { area, color } => filled_box(backend, area, *color),
        Shape::Disc { center, radius, color } => disc(backend, *center, *radius, *color),
        Shape::Text(_) | Shape::Path { .. } | Shape::Picture { .. } | Shape::Tip { .. } => {}
    }
}
