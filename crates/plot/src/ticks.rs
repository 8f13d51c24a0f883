//! Where ticks stand and what they say. Invariant: at most [`MOST`] ticks, each a round number in the unit of the
//! axis, whatever the range. It does not know the data.

use crate::unit::{Unit, number};

/// No axis has more ticks than this.
const MOST: usize = 20;
const SLACK: f64 = 1e-9;

/// A value and its label.
type Label = (f64, String);

/// Round values from `low` to `high`, labels in one unit for the whole axis.
pub(crate) fn linear(low: f64, high: f64, unit: &Unit, wanted: usize) -> Vec<Label> {
    let factor = unit.step(low.abs().max(high.abs()));
    let step = step_of(low, high, unit, wanted);
    let first = (low / step - SLACK).ceil();
    let places = (-(step / factor.factor).log10().floor()).clamp(0.0, 15.0) as usize;
    // A quarter step (0.25) needs one place more than its size says.
    let places = if unit.is_binary() && step < factor.factor { places + 2 } else { places };
    let values = (0..MOST).map(|n| (first + n as f64) * step).take_while(|v| *v <= high + step * SLACK);
    values.map(|value| (value, labelled(value, factor.factor, factor.suffix, places))).collect()
}

fn labelled(value: f64, factor: f64, suffix: &str, places: usize) -> String {
    if value == 0.0 && suffix != " %" {
        return "0".to_owned();
    }
    number(value / factor, places) + suffix
}

/// The distance of ticks: 1, 2, 5 times a power of ten, or a power of two for binary units, in the axis' unit.
fn step_of(low: f64, high: f64, unit: &Unit, wanted: usize) -> f64 {
    let factor = unit.step(low.abs().max(high.abs())).factor;
    let rough = (high - low) / factor / wanted.max(1) as f64;
    if unit.is_binary() {
        return rough.log2().ceil().exp2() * factor;
    }
    let ten = 10f64.powf(rough.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * ten >= rough * (1.0 - 1e-6));
    nice.unwrap_or(10.0) * ten * factor
}

/// The range widened to whole steps on both sides.
pub(crate) fn out_to_ticks(low: f64, high: f64, unit: &Unit, wanted: usize) -> (f64, f64) {
    let step = step_of(low, high, unit, wanted);
    ((low / step + SLACK).floor() * step, (high / step - SLACK).ceil() * step)
}

/// The next round value of a log axis below or above: 1, 2, 5 times a power of ten, or a power of two.
pub(crate) fn log_neighbor(value: f64, up: bool, unit: &Unit) -> f64 {
    if unit.is_binary() {
        let power = value.log2();
        return if up { (power - SLACK).ceil() } else { (power + SLACK).floor() }.exp2();
    }
    let ten = 10f64.powf(value.log10().floor());
    let choices = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0].map(|m| m * ten);
    let found = if up {
        choices.into_iter().find(|c| *c >= value * (1.0 - SLACK))
    } else {
        choices.into_iter().rev().find(|c| *c <= value * (1.0 + SLACK))
    };
    found.unwrap_or(value)
}

/// Powers of ten (or of two for binary units), thinned to about `wanted`; 1, 2, 5 when there are few.
pub(crate) fn log(low: f64, high: f64, unit: &Unit, wanted: usize) -> Vec<Label> {
    let wanted = wanted.clamp(1, MOST);
    let values = if unit.is_binary() {
        powers(2.0, low.log2(), high.log2(), wanted)
    } else {
        let decades = high.log10() - low.log10();
        if decades < 2.5 { in_decades(low, high) } else { powers(10.0, low.log10(), high.log10(), wanted) }
    };
    values.into_iter().take(MOST).map(|value| (value, unit.format(value))).collect()
}

fn powers(base: f64, low: f64, high: f64, wanted: usize) -> Vec<f64> {
    let (first, last) = ((low - SLACK).ceil(), (high + SLACK).floor());
    let every = ((last - first) / wanted as f64).ceil().max(1.0);
    let count = ((last - first) / every + SLACK).floor().clamp(0.0, MOST as f64) as usize;
    (0..=count).map(|n| base.powf(first + n as f64 * every)).collect()
}

fn in_decades(low: f64, high: f64) -> Vec<f64> {
    let first = low.log10().floor();
    let tens = (0..5).map(|n| 10f64.powf(first + f64::from(n)));
    let all: Vec<f64> = tens.flat_map(|ten| [1.0, 2.0, 5.0].map(|m| m * ten)).collect();
    let inside = |v: &f64| *v >= low * (1.0 - SLACK) && *v <= high * (1.0 + SLACK);
    all.into_iter().filter(inside).collect()
}

/// 0, 50, 90, 99, 99.9 % and so on.
pub(crate) fn nines(low: f64, high: f64) -> Vec<Label> {
    let tails = (1..=12).map(|n| (1.0 - 10f64.powi(-n), n));
    let text = |n: i32| match n {
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        n => format!("99.{} %", "9".repeat(n as usize - 2)),
    };
    let all = [(0.0, "0 %".to_owned()), (0.5, "50 %".to_owned())];
    let all = all.into_iter().chain(tails.map(|(value, n)| (value, text(n))));
    all.filter(|(value, _)| *value >= low - SLACK && *value <= high + 1e-15).collect()
}
