//! The seam between the layout and the kinds of chart. Invariant: a panel draws only inside its canvas' area and
//! only what its axes have a place for. It does not know other panels.

use crate::axis::{Axis, Extent, Fit, Resolved};
use crate::colormap::{ColorScale, Colormap};
use crate::palette::{Palette, Style};
use crate::scene::{Area, At, Scene, at};

/// What a panel wants at one side.
pub(crate) enum Need {
    /// Numbers on this axis.
    Numbers(Axis, Fit),
    /// A title and names in slots.
    Names(String, Vec<String>),
}

/// How a name looks in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Line,
    Point,
    Fill,
}

/// One entry of the legend.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) look: Look,
}

/// Where a line ends, for a label beside it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct End {
    pub(crate) name: String,
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// Which grid lines help to read a panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    Both,
    Level,
    None,
}

/// How many values a panel cannot draw, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    pub(crate) not_a_number: usize,
    pub(crate) not_positive: usize,
    pub(crate) out_of_range: usize,
    /// Labels that found no room.
    pub(crate) labels: usize,
}

impl LeftOut {
    /// Counts one point.
    pub(crate) fn count(&mut self, x: (f64, &Resolved), y: (f64, &Resolved)) {
        let usable = |(value, _): (f64, &Resolved)| crate::axis::is_drawable(value);
        if !usable(x) || !usable(y) {
            self.not_a_number += 1;
        } else if x.1.refuses(x.0) || y.1.refuses(y.0) {
            self.not_positive += 1;
        } else if x.1.position(x.0).is_none() || y.1.position(y.0).is_none() {
            self.out_of_range += 1;
        }
    }
    pub(crate) fn add(&mut self, other: LeftOut) {
        self.not_a_number += other.not_a_number;
        self.not_positive += other.not_positive;
        self.out_of_range += other.out_of_range;
        self.labels += other.labels;
    }
    /// Sentences for the reader.
    pub(crate) fn notes(&self) -> Vec<String> {
        let texts = [
            (self.not_a_number, "not drawn: not a number, infinite or too large"),
            (self.not_positive, "not drawn: outside the scale (zero or less on a log axis)"),
            (self.out_of_range, "outside the shown range"),
            (self.labels, "without a label: no room"),
        ];
        let kept = texts.into_iter().filter(|(count, _)| *count > 0);
        kept.map(|(count, text)| format!("{count} {} {text}", if count == 1 { "value" } else { "values" }))
            .collect()
    }
}

/// A kind of chart as the layout sees it.
pub(crate) trait Panel {
    /// The x and y axes.
    fn needs(&self) -> (Need, Need);
    /// The range of the data on each.
    fn extents(&self) -> (Extent, Extent);
    /// Colors for values, if the panel uses them.
    fn colors(&self) -> Option<(Axis, Extent, Colormap)> {
        None
    }
    /// All names that choose a style, in the legend or not.
    fn names(&self) -> Vec<String>;
    /// Entries for the legend.
    fn keys(&self) -> Vec<Key>;
    /// Where lines end, if the panel has lines.
    fn ends(&self) -> Vec<End> {
        Vec::new()
    }
    fn grid(&self) -> Grid;
    /// Whether there is nothing to draw.
    fn is_empty(&self) -> bool;
    fn left_out(&self, x: &Resolved, y: &Resolved) -> LeftOut;
    /// The height of a lone panel when the caller gives none.
    fn usual_height(&self) -> f64 {
        300.0
    }
    fn draw(&self, canvas: &mut Canvas<'_>);
    /// What the panel shows, for the alt text.
    fn in_words(&self) -> String;
}

/// A panel with the value it stands for.
pub(crate) struct Facet<'a> {
    pub(crate) name: &'a str,
    pub(crate) panel: &'a dyn Panel,
}

/// The place a panel draws in.
pub(crate) struct Canvas<'a> {
    pub(crate) area: Area,
    pub(crate) x: &'a Resolved,
    pub(crate) y: &'a Resolved,
    pub(crate) colors: Option<&'a ColorScale>,
    pub(crate) palette: &'a Palette,
    pub(crate) scene: &'a mut Scene,
    /// Labels that found no room while drawing.
    pub(crate) labels_left_out: usize,
}

impl Canvas<'_> {
    /// The place of a point; `None` if an axis has no place for it.
    pub(crate) fn point(&self, x: f64, y: f64) -> Option<At> {
        Some(at(self.across(self.x.position(x)?), self.down(self.y.position(y)?)))
    }
    /// The x of a position on the x axis, 0 to 1.
    pub(crate) fn across(&self, position: f64) -> f64 {
        self.area.left + position * self.area.width
    }
    /// The y of a position on the y axis, 0 (bottom) to 1.
    pub(crate) fn down(&self, position: f64) -> f64 {
        self.area.bottom() - position * self.area.height
    }
    pub(crate) fn style(&self, name: &str) -> Style {
        self.palette.style(name)
    }
}
