//! Colors for values. Invariant: cividis and viridis grow evenly in lightness, so a heat map reads in grey; the
//! diverging map is lightest at its center. It does not know what the values are.

use crate::axis::{Axis, Extent, Fit, Resolved};
use crate::palette::{Color, MISSING};

/// A path through colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colormap {
    /// Dark blue to yellow, made for every color vision (Nuñez, Anderton and Renslow 2018). The default.
    #[default]
    Cividis,
    /// Purple to yellow (van der Walt and Smith 2015).
    Viridis,
    /// Blue through white to orange, with white at the middle of the range: for ratios on a log axis round 1.
    Diverging,
}

/// Every sixteenth color of the published 256, mixed between.
const CIVIDIS: [u32; 17] = [
    0x00224E, 0x002E6A, 0x1A386F, 0x32436D, 0x434E6C, 0x535A6D, 0x61656F, 0x6F7073, 0x7D7C78, 0x8C8878,
    0x9B9476, 0xABA072, 0xBCAE6C, 0xCDBB63, 0xDEC958, 0xF0D846, 0xFEE838,
];
const VIRIDIS: [u32; 17] = [
    0x440154, 0x48186A, 0x472D7B, 0x424086, 0x3B528B, 0x33638D, 0x2C728E, 0x26828E, 0x21918C, 0x1FA088,
    0x28AE80, 0x3FBC73, 0x5EC962, 0x84D44B, 0xADDC30, 0xD8E219, 0xFDE725,
];
const DIVERGING: [u32; 7] = [0x0A4A7A, 0x3B87BD, 0xA6CBE3, 0xF5F5F5, 0xF6C49A, 0xDD7A2B, 0x96450A];

impl Colormap {
    /// The color at a position from 0 to 1.
    pub(crate) fn color(self, position: f64) -> Color {
        let stops: &[u32] = match self {
            Colormap::Cividis => &CIVIDIS,
            Colormap::Viridis => &VIRIDIS,
            Colormap::Diverging => &DIVERGING,
        };
        let along = position.clamp(0.0, 1.0) * (stops.len() - 1) as f64;
        let first = (along.floor() as usize).min(stops.len() - 2);
        Color::hex(stops[first]).toward(Color::hex(stops[first + 1]), along - first as f64)
    }
}

/// Index of the color for "no value" in [`ColorScale::table`].
pub(crate) const NONE: u8 = 255;
/// Colors of the scale itself.
const SHADES: usize = 255;

/// An axis of colors.
pub(crate) struct ColorScale {
    pub(crate) axis: Resolved,
    map: Colormap,
}

impl ColorScale {
    pub(crate) fn of(axis: &Axis, extent: &Extent, map: Colormap) -> Self {
        ColorScale { axis: Resolved::of(axis, extent, Fit::Exact, 5), map }
    }

    /// The index of a value's color; a value outside a fixed range takes the color of the nearer end.
    pub(crate) fn index(&self, value: f64) -> u8 {
        let known = !self.axis.refuses(value);
        match self.axis.clamped(value).filter(|_| known) {
            Some(position) => (position * (SHADES - 1) as f64).round() as u8,
            None => NONE,
        }
    }

    pub(crate) fn table(&self) -> Vec<Color> {
        let shade = |n: usize| self.map.color(n as f64 / (SHADES - 1) as f64);
        (0..SHADES).map(shade).chain([MISSING]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequential_maps_grow_lighter_at_every_step() {
        for map in [Colormap::Cividis, Colormap::Viridis] {
            let shades: Vec<f64> = (0..=32).map(|n| map.color(f64::from(n) / 32.0).luminance()).collect();
            assert!(shades.windows(2).all(|pair| pair[0] < pair[1]), "{map:?} {shades:?}");
        }
    }
}
