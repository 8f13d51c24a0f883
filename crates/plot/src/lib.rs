#![doc = include_str!("../README.md")]
//!
//! This file only names the parts. Invariant: data in, figure out; nothing here knows volumes, allocators or
//! experiments.

mod axis;
mod bars;
mod colormap;
mod facets;
mod figure;
mod fonts;
mod heatmap;
mod layout;
mod legend;
mod lines;
mod mark;
mod names;
mod paint;
mod palette;
mod panel;
mod place;
mod raster;
mod scatter;
mod scene;
mod svg;
mod thin;
mod ticks;
mod unit;

pub use axis::{Axis, Scale};
pub use bars::{Bar, BarSeries, Bars};
pub use colormap::Colormap;
pub use facets::{Chart, Facets};
pub use figure::{Figure, Frame};
pub use fonts::register_fonts;
pub use heatmap::Heatmap;
pub use lines::{Lines, Point, Series};
pub use palette::{Color, Dash, Hatch, Marker, Palette, Style};
pub use scatter::{Better, Dot, Scatter};
pub use unit::Unit;
