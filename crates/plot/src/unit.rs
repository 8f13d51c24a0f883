//! How numbers are written: binary sizes, durations, shares, counts. Invariant: every finite number gets a short
//! text that names its unit or prefix. It does not know where on an axis the number stands.

/// What a number measures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// A count or a ratio without unit: `1200`, `35 k`, `0.25`.
    #[default]
    Plain,
    /// Bytes, written in B, KiB, MiB, GiB, ...
    Bytes,
    /// Nanoseconds, written in ns, µs, ms, s, min, h.
    Nanoseconds,
    /// A share of one, written in percent.
    Share,
    /// Anything else: the name stands at the axis, the number takes SI prefixes (`"MB/s"`, `"operations"`).
    Named(String),
}

/// A factor and the text written after a number divided by it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) factor: f64,
    pub(crate) suffix: &'static str,
    /// From this value on the step is used.
    from: f64,
}

const fn step(factor: f64, suffix: &'static str, from: f64) -> Step {
    Step { factor, suffix, from }
}

const KIB: f64 = 1024.0;
const BYTES: [Step; 7] = [
    step(1.0, " B", 0.0),
    step(KIB, " KiB", KIB),
    step(KIB * KIB, " MiB", KIB * KIB),
    step(KIB * KIB * KIB, " GiB", KIB * KIB * KIB),
    step(KIB * KIB * KIB * KIB, " TiB", KIB * KIB * KIB * KIB),
    step(KIB * KIB * KIB * KIB * KIB, " PiB", KIB * KIB * KIB * KIB * KIB),
    step(KIB * KIB * KIB * KIB * KIB * KIB, " EiB", KIB * KIB * KIB * KIB * KIB * KIB),
];
// Minutes and hours only from three on: "90 s" is read faster than "1.5 min".
const TIMES: [Step; 6] = [
    step(1.0, " ns", 0.0),
    step(1e3, " µs", 1e3),
    step(1e6, " ms", 1e6),
    step(1e9, " s", 1e9),
    step(60e9, " min", 180e9),
    step(3600e9, " h", 10_800e9),
];
const SHARES: [Step; 1] = [step(0.01, " %", 0.0)];
const COUNTS: [Step; 7] = [
    step(1.0, "", 0.0),
    step(1e3, " k", 1e4),
    step(1e6, " M", 1e6),
    step(1e9, " G", 1e9),
    step(1e12, " T", 1e12),
    step(1e15, " P", 1e15),
    step(1.0, "", 1e18),
];

impl Unit {
    /// The step in which `value` is written.
    pub(crate) fn step(&self, value: f64) -> Step {
        let steps: &[Step] = match self {
            Unit::Bytes => &BYTES,
            Unit::Nanoseconds => &TIMES,
            Unit::Share => &SHARES,
            Unit::Plain | Unit::Named(_) => &COUNTS,
        };
        let small = |s: &&Step| s.from <= value.abs() * (1.0 + 1e-9);
        steps.iter().rev().find(small).copied().unwrap_or(steps[0])
    }

    /// Whether ticks fall on powers of two.
    pub(crate) fn is_binary(&self) -> bool {
        matches!(self, Unit::Bytes)
    }

    /// What an axis says after its label, if its ticks do not say it.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Unit::Named(name) => Some(name),
            _ => None,
        }
    }

    /// `value` in three digits with its prefix or unit: `1.5 GiB`, `45.6 ms`, `12 %`, `35 k`, `−0.25`.
    pub fn format(&self, value: f64) -> String {
        if value == 0.0 || !value.is_finite() {
            return if value == 0.0 { "0".to_owned() } else { "n/a".to_owned() };
        }
        let mut step = self.step(value);
        // 1023.9 KiB rounds to 1024 KiB: take the step of the rounded number.
        let places = places_of(value / step.factor);
        let rounded = round(value / step.factor, places) * step.factor;
        step = self.step(rounded);
        number(value / step.factor, places_of(value / step.factor)) + step.suffix
    }

    /// `value` with the unit's name also where the axis would carry it, for texts that stand alone.
    pub(crate) fn spell(&self, value: f64) -> String {
        match self.name() {
            Some(name) => format!("{} {name}", self.format(value)),
            None => self.format(value),
        }
    }
}

/// Decimal places that leave three digits; whole numbers below ten thousand stay whole.
fn places_of(value: f64) -> usize {
    let size = value.abs();
    if size >= 99.95 || (size - size.round()).abs() < size * 1e-9 {
        0
    } else if size >= 9.995 {
        1
    } else if size >= 0.9995 {
        2
    } else {
        (2.0 - size.log10().floor()).clamp(0.0, 18.0) as usize
    }
}

fn round(value: f64, places: usize) -> f64 {
    let scale = 10f64.powi(places as i32);
    (value * scale).round() / scale
}

/// `value` with `places` decimals, trailing zeros cut, a true minus sign, and powers of ten at the extremes.
pub(crate) fn number(value: f64, places: usize) -> String {
    if value.abs() >= 1e6 || (value != 0.0 && value.abs() < 1e-4) {
        return trimmed(&format!("{value:.1e}").replace(".0e", "e"), false);
    }
    trimmed(&format!("{value:.places$}"), places > 0)
}

fn trimmed(digits: &str, cut: bool) -> String {
    let digits = if cut { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    let digits = if digits == "-0" { "0" } else { digits };
    digits.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary() {
        let cases = [(0.0, "0"), (512.0, "512 B"), (1536.0, "1.5 KiB"), (1048575.0, "1 MiB")];
        for (value, text) in cases {
            assert_eq!(Unit::Bytes.format(value), text);
        }
        assert_eq!(Unit::Bytes.format(3.0 * KIB * KIB * KIB), "3 GiB");
    }

    #[test]
    fn durations_take_their_unit() {
        let cases = [(250.0, "250 ns"), (1.5e3, "1.5 µs"), (45.6e6, "45.6 ms"), (90e9, "90 s")];
        for (value, text) in cases {
            assert_eq!(Unit::Nanoseconds.format(value), text);
        }
        assert_eq!(Unit::Nanoseconds.format(4.0 * 3600e9), "4 h");
    }

    #[test]
    fn shares_and_counts_are_short() {
        assert_eq!(Unit::Share.format(0.125), "12.5 %");
        let cases =
            [(1200.0, "1200"), (34_567.0, "34.6 k"), (-0.25, "−0.25"), (0.000_02, "2e−5"), (1e21, "1e21")];
        for (value, text) in cases {
            assert_eq!(Unit::Plain.format(value), text);
        }
    }

    #[test]
    fn what_is_no_number_is_said() {
        assert_eq!(Unit::Plain.format(f64::NAN), "n/a");
        assert_eq!(Unit::Bytes.format(f64::INFINITY), "n/a");
    }
}
