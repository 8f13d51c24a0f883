//! What names and colors mean: labels at line ends, a legend below, a color bar. Invariant: none of them lies on
//! a panel. It does not know the data beyond where lines end.

use crate::axis::Resolved;
use crate::colormap::ColorScale;
use crate::fonts::{fit, width};
use crate::layout::{LABEL, PAD, TICK};
use crate::mark;
use crate::palette::{INK, MUTED, Palette};
use crate::panel::{Facet, Key, Look, Panel};
use crate::place;
use crate::scene::{Area, Picture, Scene, Shape, Side, Stroke, Text, at};

/// Height of a line of the legend.
pub(crate) const LINE: f64 = 18.0;
/// Longest name that stands at a line's end.
pub(crate) const DIRECT_NAME: f64 = 190.0;
/// From the panel to the name: leader and swatch.
pub(crate) const DIRECT_BEFORE: f64 = 62.0;
const SWATCH: f64 = 30.0;
/// A legend of more names than this helps nobody.
const MOST_KEYS: usize = 60;
const BAR: f64 = 14.0;

/// Whether all lines end near the right edge, where a label points at one without crossing another.
pub(crate) fn ends_at_the_right(panel: &dyn Panel, x: &Resolved, y: &Resolved) -> bool {
    let near = |position: Option<f64>| position.is_some_and(|p| p >= 0.97);
    let ends = panel.ends();
    !ends.is_empty() && ends.iter().all(|end| near(x.position(end.x)) && y.position(end.y).is_some())
}

/// Names right of the panel, each at the height where its line ends, with a thin leader.
pub(crate) fn at_line_ends(
    scene: &mut Scene,
    area: &Area,
    facet: &Facet<'_>,
    (x, y): (&Resolved, &Resolved),
    palette: &Palette,
) {
    let ends = facet.panel.ends();
    let place_of = |position: Option<f64>| area.bottom() - position.unwrap_or(0.0) * area.height;
    let wanted: Vec<f64> = ends.iter().map(|end| place_of(y.position(end.y))).collect();
    let places = place::spread(&wanted, LINE, area.top + 4.0, area.bottom() - 4.0);
    for ((end, from), to) in ends.iter().zip(wanted).zip(places) {
        let from_x = area.left + x.position(end.x).unwrap_or(1.0) * area.width + mark::RADIUS + 3.0;
        let right = area.right();
        let leader = vec![at(from_x, from), at(right + 20.0, to)];
        scene.path(leader, Stroke::solid(MUTED, 0.5));
        let style = palette.style(&end.name);
        let center = at(right + 22.0 + SWATCH / 2.0, to);
        scene.shapes.extend(mark::swatch(Look::Line, &style, center, SWATCH));
        let name = fit(&end.name, DIRECT_NAME, LABEL, false);
        scene.text(Text::new(name, at(right + DIRECT_BEFORE - 4.0, to), LABEL, INK));
    }
}

/// Rows of names below the panels, from `room`'s top; returns their bottom.
pub(crate) fn below(scene: &mut Scene, room: &Area, keys: &[Key], what: &str, palette: &Palette) -> f64 {
    let (mut x, mut y) = (room.left, room.top + LINE / 2.0);
    let what = fit(what, room.width / 3.0, LABEL, false);
    if !what.trim().is_empty() {
        x += width(&what, LABEL, false) + 14.0;
        scene.text(Text::new(what, at(room.left, y), LABEL, MUTED));
    }
    for key in keys.iter().take(MOST_KEYS) {
        let swatch = if key.look == Look::Point { 12.0 } else { SWATCH };
        let name = fit(&key.name, room.width - SWATCH - 12.0, LABEL, false);
        let wide = swatch + 6.0 + width(&name, LABEL, false);
        if x + wide > room.right() && x > room.left {
            (x, y) = (room.left, y + LINE);
        }
        let shapes = mark::swatch(key.look, &palette.style(&key.name), at(x + swatch / 2.0, y), swatch);
        scene.shapes.extend(shapes);
        scene.text(Text::new(name, at(x + swatch + 6.0, y), LABEL, INK));
        x += wide + 20.0;
    }
    if keys.len() > MOST_KEYS {
        y += LINE;
        let more = format!("and {} more names", keys.len() - MOST_KEYS);
        scene.text(Text::new(more, at(room.left, y), LABEL, MUTED));
    }
    y + LINE / 2.0 + 2.0
}

/// Room that a color bar and its labels take right of the panels.
pub(crate) fn bar_width(colors: &ColorScale) -> f64 {
    let labels = colors.axis.ticks.iter().map(|tick| width(&tick.label, TICK, false)).fold(0.0, f64::max);
    let title = width(&colors.axis.title, LABEL, false).min(DIRECT_NAME);
    22.0 + (BAR + 8.0 + labels).max(title) + PAD
}

/// A bar of all colors right of the first row's last panel, with ticks and its title above.
pub(crate) fn color_bar(scene: &mut Scene, beside: &Area, colors: &ColorScale) {
    let area = Area::new(beside.right() + 22.0, beside.top, BAR, beside.height);
    let height = 255u32;
    let pixels = (0..height).map(|row| (254 - row) as u8).collect();
    let picture = Picture { width: 1, height, pixels, colors: colors.table() };
    scene.push(Shape::Picture { area, picture });
    let title = fit(&colors.axis.title, DIRECT_NAME, LABEL, false);
    scene.text(Text::new(title, at(area.left, area.top - 16.0), LABEL, INK));
    for tick in &colors.axis.ticks {
        let y = area.bottom() - tick.position * area.height;
        scene.line(at(area.right(), y), at(area.right() + 4.0, y), mark::thin(MUTED));
        let text = Text::new(&tick.label, at(area.right() + 7.0, y), TICK, MUTED);
        scene.text(text.across(Side::Start));
    }
}
