//! What stands round a chart (title, caption, size) and the finished figure. Invariant: `svg`, `png` and `alt`
//! of a figure come from one scene. It does not know what kind of chart it frames.

use crate::fonts;
use crate::palette::{Palette, fnv};
use crate::panel::Facet;
use crate::{layout, raster, svg};

/// A finished figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// An SVG document; also valid inside HTML.
    pub svg: String,
    /// A PNG file of `2 * width` by `2 * height` pixels, marked as 192 dots an inch.
    pub png: Vec<u8>,
    /// The figure in words, for readers who cannot see it.
    pub alt: String,
    /// Width in logical pixels.
    pub width: u32,
    /// Height in logical pixels.
    pub height: u32,
    /// What could not be drawn as asked ("3 values ≤ 0 cannot stand on a log axis"); also printed in the figure.
    pub notes: Vec<String>,
}

/// Title, caption and size of a figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Frame {
    /// The finding, as a sentence; wraps to two lines.
    pub title: String,
    /// What the marks stand for: which seeds, which band, which config. Wraps to two lines.
    pub caption: String,
    /// Start of all ids in the SVG; a hash of the drawing when empty. Letters, digits, `-` and `_` are kept.
    pub id: String,
    /// Replaces the alt text that the figure composes itself.
    pub alt: String,
    /// What the names in the legend are ("allocator").
    pub legend: String,
    /// Width of the whole figure in logical pixels, 320 to 1600; chosen by the kind when absent.
    pub width: Option<u32>,
    /// Height of each panel in logical pixels, 80 to 800; chosen by the kind when absent, less when
    /// many rows of panels would make the figure higher than 2400.
    pub panel_height: Option<u32>,
}

impl Frame {
    /// A frame whose title states the finding.
    pub fn new(title: impl Into<String>) -> Self {
        Frame { title: title.into(), ..Frame::default() }
    }
    /// The frame with this caption.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = caption.into();
        self
    }
    /// The frame with this id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }
    /// The frame with this alt text.
    #[must_use]
    pub fn alt(mut self, alt: impl Into<String>) -> Self {
        self.alt = alt.into();
        self
    }
    /// The frame with this word before the legend.
    #[must_use]
    pub fn legend(mut self, legend: impl Into<String>) -> Self {
        self.legend = legend.into();
        self
    }
    /// The frame with this width of the figure and height of each panel, in logical pixels.
    #[must_use]
    pub fn size(mut self, width: u32, panel_height: u32) -> Self {
        (self.width, self.panel_height) = (Some(width), Some(panel_height));
        self
    }
}

/// Draws panels in their frame.
pub(crate) fn render(
    frame: &Frame,
    palette: &Palette,
    facets: &[Facet<'_>],
    columns: Option<usize>,
) -> Figure {
    fonts::register_fonts();
    let shown = &facets[..facets.len().min(layout::MOST_PANELS)];
    let drawing = layout::compose(frame, palette, shown, facets.len() - shown.len(), columns);
    let alt = if frame.alt.is_empty() { in_words(frame, shown, &drawing.notes) } else { frame.alt.clone() };
    let id = id_of(&frame.id, &svg::body(&drawing.scene));
    Figure {
        svg: svg::svg(&drawing.scene, &id, &alt),
        png: raster::png(&drawing.scene),
        alt: fonts::clean(&alt),
        width: drawing.scene.width.ceil() as u32,
        height: drawing.scene.height.ceil() as u32,
        notes: drawing.notes,
    }
}

fn id_of(wish: &str, body: &str) -> String {
    if wish.is_empty() {
        return format!("plot-{:016x}", fnv(body.as_bytes()));
    }
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '-' };
    format!("plot-{}", wish.chars().take(120).map(kept).collect::<String>())
}

fn in_words(frame: &Frame, facets: &[Facet<'_>], notes: &[String]) -> String {
    let mut parts = vec![frame.title.clone()];
    for facet in facets.iter().take(12) {
        let said = facet.panel.in_words();
        parts.push(if facet.name.is_empty() { said } else { format!("{}: {said}", facet.name) });
    }
    parts.extend(notes.iter().cloned());
    parts.retain(|part| !part.trim().is_empty());
    let ended = |part: &String| if part.ends_with('.') { part.clone() } else { format!("{part}.") };
    parts.iter().map(ended).collect::<Vec<_>>().join(" ")
}
