//! Axes: what a caller says of one, and the range, positions and ticks that follow from the data. Invariant: a
//! resolved axis maps each value to 0..=1 or says that it cannot stand there; it never divides by zero. It does
//! not know pixels.

use crate::ticks;
use crate::unit::Unit;

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scale {
    /// Equal distances for equal differences.
    #[default]
    Linear,
    /// Equal distances for equal factors; zero and less cannot stand here.
    Log,
    /// Shares of one by their distance from one: 90 %, 99 %, 99.9 % are equally far apart (tail latency).
    Nines,
}

/// What the caller says of an axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Axis {
    /// What is measured, without the unit.
    pub label: String,
    /// How its numbers are written.
    pub unit: Unit,
    /// How they are spread.
    pub scale: Scale,
    /// First and last value shown; from the data when absent. Values outside are left out and counted in a note.
    pub range: Option<(f64, f64)>,
    /// Whether a linear axis must show zero.
    pub from_zero: bool,
}

impl Axis {
    /// A linear axis over the range of the data.
    pub fn new(label: impl Into<String>, unit: Unit) -> Self {
        Axis { label: label.into(), unit, ..Axis::default() }
    }
    /// The same axis with this scale.
    #[must_use]
    pub fn scale(mut self, scale: Scale) -> Self {
        self.scale = scale;
        self
    }
    /// The same axis, logarithmic.
    #[must_use]
    pub fn log(self) -> Self {
        self.scale(Scale::Log)
    }
    /// The same axis, always showing zero.
    #[must_use]
    pub fn from_zero(mut self) -> Self {
        self.from_zero = true;
        self
    }
    /// The same axis with a fixed range, for figures that are compared.
    #[must_use]
    pub fn range(mut self, first: f64, last: f64) -> Self {
        self.range = Some((first, last));
        self
    }
    /// The label with the unit that the ticks do not say.
    pub(crate) fn title(&self) -> String {
        match self.unit.name() {
            Some(name) => format!("{} ({name})", self.label),
            None => self.label.clone(),
        }
    }
}

/// Numbers beyond this (or nearer to zero than its inverse) are not drawn: their differences would overflow.
pub(crate) const HUGE: f64 = 1e200;

/// Whether a number can be drawn at all.
pub(crate) fn is_drawable(value: f64) -> bool {
    value.is_finite() && value.abs() <= HUGE
}

/// The range of the data of one axis.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extent {
    all: Option<(f64, f64)>,
    positive: Option<(f64, f64)>,
    below_one: Option<(f64, f64)>,
}

impl Extent {
    pub(crate) fn add(&mut self, value: f64) {
        if !is_drawable(value) {
            return;
        }
        widen(&mut self.all, value);
        if value > 1.0 / HUGE {
            widen(&mut self.positive, value);
        }
        if (0.0..1.0).contains(&value) {
            widen(&mut self.below_one, value);
        }
    }
    pub(crate) fn merge(&mut self, other: &Extent) {
        for (first, last) in [other.all, other.positive, other.below_one].into_iter().flatten() {
            self.add(first);
            self.add(last);
        }
    }
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_none()
    }
    /// The range of what the scale has a place for.
    fn of(&self, scale: Scale) -> Option<(f64, f64)> {
        match scale {
            Scale::Linear => self.all,
            Scale::Log => self.positive,
            Scale::Nines => self.below_one,
        }
    }
}

fn widen(range: &mut Option<(f64, f64)>, value: f64) {
    *range = Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))));
}

/// How the range of an axis follows from the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// From the first value to the last.
    Exact,
    /// Out to the next ticks.
    Ticks,
    /// Some room on both sides.
    Room,
}

/// One tick: its position from 0 (start) to 1 and its label.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) position: f64,
    pub(crate) label: String,
}

/// An axis with its range and ticks.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    scale: Scale,
    low: f64,
    high: f64,
    /// Names in place of numbers; then value `n` is the middle of slot `n`.
    pub(crate) slots: Option<Vec<String>>,
    pub(crate) ticks: Vec<Tick>,
    pub(crate) title: String,
}

impl Resolved {
    /// The axis for data of this extent, with about `wanted` ticks.
    pub(crate) fn of(axis: &Axis, extent: &Extent, fit: Fit, wanted: usize) -> Self {
        let (low, high) = range_of(axis, extent, fit, wanted);
        let base =
            Resolved { scale: axis.scale, low, high, slots: None, ticks: Vec::new(), title: axis.title() };
        let labels = match axis.scale {
            Scale::Linear => ticks::linear(low, high, &axis.unit, wanted),
            Scale::Log => ticks::log(low, high, &axis.unit, wanted),
            Scale::Nines => ticks::nines(low, high),
        };
        // Numbers along an axis without data would be made up.
        let known = axis.range.is_some() || extent.of(axis.scale).is_some();
        let labels = if known { labels } else { Vec::new() };
        let place = |(value, label)| Some(Tick { position: base.position(value)?, label });
        let ticks = labels.into_iter().filter_map(place).collect();
        Resolved { ticks, ..base }
    }

    /// An axis of names.
    pub(crate) fn of_names(title: String, names: Vec<String>) -> Self {
        let count = names.len().max(1) as f64;
        let tick =
            |(n, name): (usize, &String)| Tick { position: (n as f64 + 0.5) / count, label: name.clone() };
        let ticks = names.iter().enumerate().map(tick).collect();
        let (low, high) = (-0.5, count - 0.5);
        Resolved { scale: Scale::Linear, low, high, slots: Some(names), ticks, title }
    }

    /// Whether a reader who takes heights for values is misled.
    pub(crate) fn is_linear_above_zero(&self) -> bool {
        self.scale == Scale::Linear && self.low > 0.0
    }

    /// Where `value` stands, 0 at the start of the axis and 1 at its end; `None` if it cannot stand there.
    pub(crate) fn position(&self, value: f64) -> Option<f64> {
        let position = self.unbounded(value)?;
        (-1e-9..=1.0 + 1e-9).contains(&position).then_some(position.clamp(0.0, 1.0))
    }

    /// Whether the scale itself has no place for a number, whatever the range.
    pub(crate) fn refuses(&self, value: f64) -> bool {
        spread(self.scale, value).is_none()
    }

    /// The same as [`Resolved::position`], but a value outside stands at the nearer end: for the limits of bands and errors.
    pub(crate) fn clamped(&self, value: f64) -> Option<f64> {
        let below = match self.scale {
            Scale::Linear => false,
            Scale::Log => is_drawable(value) && value <= 0.0,
            Scale::Nines => is_drawable(value) && value < 0.0,
        };
        if below {
            return Some(0.0);
        }
        if self.scale == Scale::Nines && is_drawable(value) && value >= 1.0 {
            return Some(1.0);
        }
        self.unbounded(value).map(|position| position.clamp(0.0, 1.0))
    }

    fn unbounded(&self, value: f64) -> Option<f64> {
        if !is_drawable(value) {
            return None;
        }
        let (low, high) = (spread(self.scale, self.low)?, spread(self.scale, self.high)?);
        let position = (spread(self.scale, value)? - low) / (high - low);
        position.is_finite().then_some(position)
    }
}

/// The value on a straight line; `None` where the scale has no place for it.
fn spread(scale: Scale, value: f64) -> Option<f64> {
    match scale {
        Scale::Linear => Some(value),
        Scale::Log => (value > 1.0 / HUGE).then(|| value.log10()),
        Scale::Nines => (0.0..1.0).contains(&value).then(|| -(1.0 - value).log10()),
    }
}

fn range_of(axis: &Axis, extent: &Extent, fit: Fit, wanted: usize) -> (f64, f64) {
    let fixed = axis.range.filter(|&(low, high)| is_usable(axis.scale, low, high));
    match axis.scale {
        _ if fixed.is_some() => fixed.unwrap_or_default(),
        Scale::Linear => linear_range(axis, extent, fit, wanted),
        Scale::Log => log_range(extent.of(Scale::Log).unwrap_or((1.0, 10.0)), fit, &axis.unit),
        Scale::Nines => nines_range(extent.of(Scale::Nines).unwrap_or((0.0, 0.9))),
    }
}

fn is_usable(scale: Scale, low: f64, high: f64) -> bool {
    let both = is_drawable(low) && is_drawable(high);
    let apart = spread(scale, low).zip(spread(scale, high));
    both && apart.is_some_and(|(a, b)| b - a > 1e-12 * a.abs().max(b.abs()))
}

fn linear_range(axis: &Axis, extent: &Extent, fit: Fit, wanted: usize) -> (f64, f64) {
    let (mut low, mut high) = extent.of(Scale::Linear).unwrap_or((0.0, 1.0));
    // An axis that starts just below the data makes small differences look large: start at zero unless the
    // data is a narrow stripe far from it.
    let near_zero = fit == Fit::Ticks && low > 0.0 && low < 0.7 * high;
    if axis.from_zero || near_zero {
        (low, high) = (low.min(0.0), high.max(0.0));
    }
    if high - low <= 1e-9 * low.abs().max(high.abs()) {
        (low, high) = around(low, high);
    }
    match fit {
        Fit::Exact => (low, high),
        Fit::Ticks => ticks::out_to_ticks(low, high, &axis.unit, wanted),
        Fit::Room => {
            let room = (high - low) * 0.07;
            (if low >= 0.0 { (low - room).max(0.0) } else { low - room }, high + room)
        }
    }
}

/// A range with some width round a single value.
fn around(low: f64, high: f64) -> (f64, f64) {
    if low == 0.0 || high == 0.0 {
        return (low.min(0.0), if high > 0.0 { high } else { low + 1.0 });
    }
    if low > 0.0 { (0.0, high * 1.25) } else { (low * 1.25, 0.0) }
}

fn log_range((low, high): (f64, f64), fit: Fit, unit: &Unit) -> (f64, f64) {
    if fit == Fit::Exact && high > low * 1.01 {
        return (low, high);
    }
    let out = |value: f64, up: bool| ticks::log_neighbor(value, up, unit);
    let room = if fit == Fit::Room { 1.15 } else { 1.0 };
    let (low, high) = (out(low / room, false), out(high * room, true));
    if high > low * 1.01 { (low, high) } else { (low / 2.0, high * 2.0) }
}

fn nines_range((low, high): (f64, f64)) -> (f64, f64) {
    let top = (-(1.0 - high).log10() - 1e-6).ceil().clamp(1.0, 12.0);
    (low.min(0.5), 1.0 - 10f64.powf(-top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(axis: Axis, values: &[f64]) -> Resolved {
        let mut extent = Extent::default();
        values.iter().for_each(|value| extent.add(*value));
        Resolved::of(&axis, &extent, Fit::Ticks, 6)
    }

    fn labels(axis: &Resolved) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    #[test]
    fn whole_ticks_have_no_decimals() {
        let axis = resolved(Axis::new("rounds", Unit::Plain), &[0.0, 30.0]);
        assert_eq!(labels(&axis), ["0", "5", "10", "15", "20", "25", "30"]);
    }

    #[test]
    fn sizes_have_power_of_two_ticks() {
        let axis = resolved(Axis::new("free", Unit::Bytes), &[0.0, 250.0 * 1048576.0]);
        assert_eq!(labels(&axis), ["0", "64 MiB", "128 MiB", "192 MiB", "256 MiB"]);
    }

    #[test]
    fn a_log_axis_refuses_zero_and_keeps_the_rest() {
        let axis = resolved(Axis::new("runs", Unit::Plain).log(), &[0.0, 1.0, 1000.0]);
        assert_eq!(axis.position(0.0), None);
        assert_eq!(axis.position(1.0), Some(0.0));
        assert_eq!(axis.position(1000.0), Some(1.0));
        assert_eq!(labels(&axis), ["1", "10", "100", "1000"]);
    }

    #[test]
    fn hard_extents_resolve_to_a_usable_axis() {
        let hard = [&[][..], &[0.0], &[5.0], &[-3.0], &[f64::NAN], &[1e308, -1e308], &[1e16, 1e16 + 2.0]];
        for values in hard.into_iter().chain([&[1e-300, 1e190][..], &[5e-324, 1.0]]) {
            for scale in [Scale::Linear, Scale::Log, Scale::Nines] {
                let axis = resolved(Axis::new("x", Unit::Plain).scale(scale), values);
                assert!(axis.low < axis.high, "{values:?} {scale:?} {axis:?}");
                assert!(axis.ticks.len() <= 20, "{values:?} {scale:?} {axis:?}");
            }
        }
    }

    #[test]
    fn nines_are_equally_far_apart() {
        let axis = resolved(Axis::new("share", Unit::Share).scale(Scale::Nines), &[0.0, 0.999]);
        let at = |value| axis.position(value).unwrap();
        assert!((at(0.99) - at(0.9) - (at(0.999) - at(0.99))).abs() < 1e-6);
        assert_eq!(labels(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %"]);
    }
}
