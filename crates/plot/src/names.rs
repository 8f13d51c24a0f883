//! Labels along the axes: ticks of numbers and names of slots. Invariant: labels of one axis never overlap; what
//! does not fit is wrapped, turned, thinned or cut, in this order. It does not know panels.

use crate::axis::Resolved;
use crate::fonts::{fit_name, width, wrap};
use crate::layout::TICK;
use crate::mark;
use crate::palette::MUTED;
use crate::scene::{Area, Scene, Side, Text, at};

/// Longest name beside or below an axis, in logical pixels.
const LONGEST: f64 = 170.0;
const LINE: f64 = 14.0;
const TICK_LENGTH: f64 = 4.0;

/// Width of the labels beside a y axis.
pub(crate) fn y_width(y: &Resolved) -> f64 {
    let widths = y.ticks.iter().map(|tick| width(&tick.label, TICK, false));
    widths.fold(0.0, f64::max).min(LONGEST)
}

/// Whether the labels of an x axis of this width stand apart.
pub(crate) fn ticks_fit(x: &Resolved, wide: f64) -> bool {
    let half = |n: usize| width(&x.ticks[n].label, TICK, false) / 2.0;
    let apart = |n: usize| (x.ticks[n].position - x.ticks[n - 1].position) * wide - half(n) - half(n - 1);
    (1..x.ticks.len()).all(|n| apart(n) >= 10.0)
}

/// Draws ticks and labels below an axis of numbers.
pub(crate) fn draw_x(scene: &mut Scene, x: &Resolved, area: &Area) {
    for tick in &x.ticks {
        let place = at(area.left + tick.position * area.width, area.bottom());
        scene.line(place, at(place.x, place.y + TICK_LENGTH), mark::thin(MUTED));
        let text = Text::new(&tick.label, at(place.x, place.y + 13.0), TICK, MUTED);
        scene.text(text.across(Side::Middle));
    }
}

/// Draws ticks and labels left of an axis.
pub(crate) fn draw_y(scene: &mut Scene, y: &Resolved, area: &Area) {
    let slot = area.height / y.ticks.len().max(1) as f64;
    let every = if y.slots.is_some() { (13.0 / slot).ceil().max(1.0) as usize } else { 1 };
    for tick in y.ticks.iter().step_by(every) {
        let place = at(area.left, area.bottom() - tick.position * area.height);
        scene.line(at(place.x - TICK_LENGTH, place.y), place, mark::thin(MUTED));
        let label = fit_name(&tick.label, LONGEST, TICK);
        scene.text(Text::new(label, at(place.x - 7.0, place.y), TICK, MUTED).across(Side::End));
    }
}

/// Names below an axis, arranged.
pub(crate) struct NameLabels {
    lines: Vec<Vec<String>>,
    upright: bool,
    /// Every how many slots a name stands.
    every: usize,
    pub(crate) height: f64,
}

/// Arranges the names of an x axis of this width: level in up to three lines, else upright.
pub(crate) fn x_labels(x: &Resolved, wide: f64) -> NameLabels {
    let slot = wide / x.ticks.len().max(1) as f64;
    let level: Vec<Vec<String>> =
        x.ticks.iter().map(|t| wrap(&t.label, slot - 6.0, TICK, false, 3)).collect();
    let whole = |(tick, lines): (&crate::axis::Tick, &Vec<String>)| {
        let squeezed = |text: &str| text.chars().filter(|c| *c != ' ').collect::<String>();
        squeezed(&lines.concat()) == squeezed(&crate::fonts::clean(&tick.label))
    };
    if x.ticks.iter().zip(&level).all(whole) {
        let most = level.iter().map(Vec::len).max().unwrap_or(0);
        return NameLabels { lines: level, upright: false, every: 1, height: 8.0 + most as f64 * LINE };
    }
    let lines: Vec<Vec<String>> = x.ticks.iter().map(|t| vec![fit_name(&t.label, LONGEST, TICK)]).collect();
    let longest = lines.iter().flatten().map(|line| width(line, TICK, false)).fold(0.0, f64::max);
    let every = (LINE / slot).ceil().max(1.0) as usize;
    NameLabels { lines, upright: true, every, height: 12.0 + longest }
}

impl NameLabels {
    pub(crate) fn draw(&self, scene: &mut Scene, x: &Resolved, area: &Area) {
        for (tick, lines) in x.ticks.iter().zip(&self.lines).step_by(self.every) {
            let (middle, top) = (area.left + tick.position * area.width, area.bottom());
            for (n, line) in lines.iter().enumerate() {
                if self.upright {
                    let text = Text::new(line, at(middle, top + 7.0), TICK, MUTED);
                    scene.text(text.across(Side::End).upright());
                } else {
                    let place = at(middle, top + 13.0 + n as f64 * LINE);
                    scene.text(Text::new(line, place, TICK, MUTED).across(Side::Middle));
                }
            }
        }
    }
}
