//! What a finished figure consists of, in logical pixels: shapes in drawing order. Invariant: every coordinate is
//! finite and within [`LIMIT`] of the origin, so a backend can turn it into a whole number. It knows no data.

use crate::palette::{Color, Dash};

/// No coordinate is farther out than this; figures are at most a few thousand pixels wide.
pub(crate) const LIMIT: f64 = 20_000.0;

/// A place in logical pixels, y downwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct At {
    pub(crate) x: f64,
    pub(crate) y: f64,
}

/// The place (`x`, `y`), kept inside the limits.
pub(crate) fn at(x: f64, y: f64) -> At {
    let inside = |v: f64| if v.is_finite() { v.clamp(-LIMIT, LIMIT) } else { 0.0 };
    At { x: inside(x), y: inside(y) }
}

/// A box with its top left corner and its size in logical pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Area {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

impl Area {
    pub(crate) fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Area { left, top, width, height }
    }
    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }
    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }
    pub(crate) fn middle(&self) -> At {
        at(self.left + self.width / 2.0, self.top + self.height / 2.0)
    }
    pub(crate) fn overlaps(&self, other: &Area) -> bool {
        self.left < other.right()
            && other.left < self.right()
            && self.top < other.bottom()
            && other.top < self.bottom()
    }
    pub(crate) fn holds(&self, inner: &Area) -> bool {
        self.left <= inner.left
            && inner.right() <= self.right()
            && self.top <= inner.top
            && inner.bottom() <= self.bottom()
    }
}

/// How a path is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) color: Color,
    pub(crate) width: f64,
    pub(crate) dash: Dash,
}

impl Stroke {
    pub(crate) fn solid(color: Color, width: f64) -> Self {
        Stroke { color, width, dash: Dash::Solid }
    }
}

/// Which part of a text stands at its place, along the text; across it, it is always the middle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Start,
    Middle,
    End,
}

/// One line of text, its middle at the height of its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) place: At,
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) color: Color,
    pub(crate) across: Side,
    /// Turned a quarter to the left, read from below.
    pub(crate) upright: bool,
}

impl Text {
    pub(crate) fn new(text: impl Into<String>, place: At, size: f64, color: Color) -> Self {
        Text { text: text.into(), place, size, bold: false, color, across: Side::Start, upright: false }
    }
    pub(crate) fn across(mut self, side: Side) -> Self {
        self.across = side;
        self
    }
    pub(crate) fn bold(mut self) -> Self {
        self.bold = true;
        self
    }
    pub(crate) fn upright(mut self) -> Self {
        self.upright = true;
        self
    }
}

/// A picture, rows from the top, whose pixels are indices into a table of colors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) pixels: Vec<u8>,
    pub(crate) colors: Vec<Color>,
}

/// One thing to draw.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Shape {
    Path {
        points: Vec<At>,
        stroke: Stroke,
    },
    Polygon {
        points: Vec<At>,
        color: Color,
        alpha: f64,
    },
    Box {
        area: Area,
        color: Color,
    },
    Disc {
        center: At,
        radius: f64,
        color: Color,
    },
    Text(Text),
    Picture {
        area: Area,
        picture: Picture,
    },
    /// Shapes with a text that a reader of the SVG sees while pointing at them.
    Tip {
        tip: String,
        shapes: Vec<Shape>,
    },
}

/// A finished drawing: its size in logical pixels and its shapes, first drawn first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) shapes: Vec<Shape>,
}

impl Scene {
    pub(crate) fn push(&mut self, shape: Shape) {
        self.shapes.push(shape);
    }
    pub(crate) fn text(&mut self, text: Text) {
        self.shapes.push(Shape::Text(text));
    }
    pub(crate) fn path(&mut self, points: Vec<At>, stroke: Stroke) {
        if points.len() > 1 {
            self.shapes.push(Shape::Path { points, stroke });
        }
    }
    pub(crate) fn line(&mut self, from: At, to: At, stroke: Stroke) {
        self.path(vec![from, to], stroke);
    }
}
