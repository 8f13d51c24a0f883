//! Which color, marker, dash and hatch belong to a name. Invariant: one palette gives one name one style, in
//! every figure and whatever else the figure shows. It does not know what the names mean.

use std::collections::BTreeMap;

/// A color as red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// The color of a number such as `0x0072B2`.
    pub const fn hex(rgb: u32) -> Self {
        Color((rgb >> 16 & 0xFF) as u8, (rgb >> 8 & 0xFF) as u8, (rgb & 0xFF) as u8)
    }

    /// How light the color is to the eye, from 0 (black) to 1 (white): relative luminance with gamma 2.2.
    pub fn luminance(self) -> f64 {
        let linear = |v: u8| (f64::from(v) / 255.0).powf(2.2);
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// The color between this one (`share` 0) and `other` (`share` 1).
    pub fn toward(self, other: Color, share: f64) -> Color {
        let mix = |a: u8, b: u8| {
            (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)).round() as u8
        };
        Color(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// Text and axes.
pub(crate) const INK: Color = Color::hex(0x1F2328);
/// Captions, tick labels, notes.
pub(crate) const MUTED: Color = Color::hex(0x57606A);
/// Grid lines.
pub(crate) const GRID: Color = Color::hex(0xE3E6EA);
/// The ground of the figure.
pub(crate) const GROUND: Color = Color::hex(0xFFFFFF);
/// Where a heat map has no value.
pub(crate) const MISSING: Color = Color::hex(0xD0D4D9);
/// White that stays white on a dark page (labels inside bars).
pub(crate) const WHITE: Color = Color::hex(0xFEFEFE);
/// Black that stays black on a dark page.
pub(crate) const BLACK: Color = Color::hex(0x111111);
/// The baseline others are compared with.
const BASELINE: Color = Color::hex(0x7A7F85);

/// Okabe and Ito's colors in the order of this project, without the yellow that vanishes on white.
const COLORS: [Color; 6] = [
    Color::hex(0x0072B2),
    Color::hex(0xD55E00),
    Color::hex(0x009E73),
    Color::hex(0xCC79A7),
    Color::hex(0xE69F00),
    Color::hex(0x56B4E9),
];

/// Black or white, whichever reads better on `color`.
pub(crate) fn readable_on(color: Color) -> Color {
    // Equal contrast with both lies where (L + 0.05)² = 0.05 · 1.05 (WCAG contrast).
    if color.luminance() > 0.18 { BLACK } else { WHITE }
}

/// The sign at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each shape's name says it")]
pub enum Marker {
    Disc,
    Square,
    Triangle,
    Diamond,
    TriangleDown,
    Cross,
    Ring,
}

const MARKERS: [Marker; 7] = [
    Marker::Disc,
    Marker::Square,
    Marker::Triangle,
    Marker::Diamond,
    Marker::TriangleDown,
    Marker::Cross,
    Marker::Ring,
];

/// The pattern of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each pattern's name says it")]
pub enum Dash {
    Solid,
    Dashed,
    Dotted,
    DashDot,
    Long,
}

const DASHES: [Dash; 5] = [Dash::Solid, Dash::Dashed, Dash::Dotted, Dash::DashDot, Dash::Long];

impl Dash {
    /// Drawn and blank lengths in logical pixels, in turn; empty for a solid line.
    pub(crate) fn lengths(self) -> &'static [f64] {
        match self {
            Dash::Solid => &[],
            Dash::Dashed => &[7.0, 4.0],
            Dash::Dotted => &[2.0, 3.0],
            Dash::DashDot => &[9.0, 3.0, 2.0, 3.0],
            Dash::Long => &[14.0, 5.0],
        }
    }
}

/// What fills a bar besides its color, so that bars stay apart in grey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each pattern's name says it")]
pub enum Hatch {
    Plain,
    Rising,
    Level,
    Falling,
    Grid,
    Upright,
}

const HATCHES: [Hatch; 6] =
    [Hatch::Plain, Hatch::Rising, Hatch::Level, Hatch::Falling, Hatch::Grid, Hatch::Upright];

/// How one name is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Color of line, marker and bar.
    pub color: Color,
    /// Sign at each point.
    pub marker: Marker,
    /// Pattern of the line.
    pub dash: Dash,
    /// Pattern in the bar.
    pub hatch: Hatch,
}

impl Style {
    /// The style with this number; the first 42 differ in color or marker, the first 210 in one of the three.
    pub fn numbered(number: usize) -> Self {
        Style {
            color: COLORS[number % COLORS.len()],
            marker: MARKERS[number % MARKERS.len()],
            dash: DASHES[number % DASHES.len()],
            // As many hatches as colors: shifted each round, or a hatch would always come with one color.
            hatch: HATCHES[(number + number / HATCHES.len()) % HATCHES.len()],
        }
    }

    /// Grey, dashed, hollow: for what others are compared with.
    pub fn baseline() -> Self {
        Style { color: BASELINE, marker: Marker::Ring, dash: Dash::Dashed, hatch: Hatch::Plain }
    }
}

/// Names and their styles. Build one from all the names of a study and pass it to all its figures.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    styles: BTreeMap<String, Style>,
    given: usize,
}

impl Palette {
    /// Styles for `names` in their order; a name met twice keeps its first style.
    pub fn of<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        names.into_iter().fold(Palette::default(), |palette, name| palette.also(name))
    }

    /// Adds a name with the next free style.
    #[must_use]
    pub fn also(mut self, name: impl Into<String>) -> Self {
        if let std::collections::btree_map::Entry::Vacant(place) = self.styles.entry(name.into()) {
            place.insert(Style::numbered(self.given));
            self.given += 1;
        }
        self
    }

    /// Gives a name this style.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, style: Style) -> Self {
        self.styles.insert(name.into(), style);
        self
    }

    /// The style of a name. One that was never added gets a style from a hash of its letters. Within one figure
    /// it then gives way to styles already taken, so such a name may differ between figures: add all names.
    pub fn style(&self, name: &str) -> Style {
        let known = self.styles.get(name).copied();
        known.unwrap_or_else(|| Style::numbered(number_of(name)))
    }

    /// The palette with a style for each of a figure's names, no two alike as long as there are enough.
    pub(crate) fn completed<'a>(&self, names: impl Iterator<Item = &'a str> + Clone) -> Palette {
        let mut palette = self.clone();
        let mut taken: Vec<Style> = names.clone().filter_map(|name| self.styles.get(name).copied()).collect();
        for name in names {
            if !palette.styles.contains_key(name) {
                let style = free_style(number_of(name), &taken);
                taken.push(style);
                palette.styles.insert(name.to_owned(), style);
            }
        }
        palette
    }
}

/// How many numbered styles there are before one repeats.
const STYLES: usize = 210;

fn number_of(name: &str) -> usize {
    (fnv(name.as_bytes()) % STYLES as u64) as usize
}

/// The first style from `wish` on whose color is free; else one that differs from all in some cue.
fn free_style(wish: usize, taken: &[Style]) -> Style {
    let from_wish = || (0..STYLES).map(|step| Style::numbered((wish + step) % STYLES));
    let new_color = |style: &Style| taken.iter().all(|other| other.color != style.color);
    let new_cues = |style: &Style| {
        let same = |other: &Style| {
            other.color == style.color && (other.marker == style.marker || other.hatch == style.hatch)
        };
        !taken.iter().any(same)
    };
    from_wish().find(new_color).or_else(|| from_wish().find(new_cues)).unwrap_or(Style::numbered(wish))
}

/// FNV-1a, 64 bits: stable across versions and machines, which the standard hasher does not promise.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_style_whatever_else_is_named() {
        let (few, many) = (Palette::of(["a", "b"]), Palette::of(["a", "b", "c", "a"]));
        assert_eq!(few.style("b"), many.style("b"));
        assert_eq!(few.style("unknown"), many.style("unknown"));
    }

    #[test]
    fn the_first_forty_two_styles_differ_in_color_or_marker() {
        for a in 0..42 {
            for b in 0..a {
                let (a, b) = (Style::numbered(a), Style::numbered(b));
                assert!(a.color != b.color || a.marker != b.marker);
            }
        }
    }

    #[test]
    fn names_without_a_style_do_not_share_one_in_a_figure() {
        let names: Vec<String> = (0..24).map(|n| format!("name {n}")).collect();
        let palette = Palette::of(["name 3"]).completed(names.iter().map(String::as_str));
        for (n, a) in names.iter().enumerate() {
            for b in &names[..n] {
                let (a, b) = (palette.style(a), palette.style(b));
                assert!(a.color != b.color || (a.marker != b.marker && a.hatch != b.hatch), "{a:?} {b:?}");
            }
        }
        assert_eq!(palette.style("name 3"), Style::numbered(0));
    }

    #[test]
    fn neighbors_differ_without_color() {
        for a in 0..6 {
            for b in 0..a {
                let (a, b) = (Style::numbered(a), Style::numbered(b));
                assert!(a.marker != b.marker && a.hatch != b.hatch);
            }
        }
    }
}
