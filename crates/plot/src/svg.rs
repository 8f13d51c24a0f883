//! A scene as SVG: text stays text, a picture is one embedded PNG, colors of text and ground follow the page.
//! Invariant: ids begin with the id of the figure, and the same scene gives the same bytes. It lays nothing out.

use crate::fonts;
use crate::paint::{self, SCALE, SURE};
use crate::palette::{Color, GRID, GROUND, INK, MUTED};
use crate::raster;
use crate::scene::{Area, Picture, Scene, Shape, at};
use plotters::backend::{DrawingBackend, SVGBackend};
use std::fmt::Write as _;

/// Neutral colors: CSS variable that a page may set, color on light ground, color on dark ground.
const THEMED: [(&str, Color, u32); 4] = [
    ("--plot-ink", INK, 0xE6EDF3),
    ("--plot-muted", MUTED, 0x9DA7B3),
    ("--plot-grid", GRID, 0x30363D),
    ("--plot-ground", GROUND, 0x12161B),
];

/// The scene as an SVG document that can stand alone or inside HTML.
pub(crate) fn svg(scene: &Scene, id: &str, alt: &str) -> String {
    let (width, height) = (scene.width.ceil() as u32, scene.height.ceil() as u32);
    let (alt, id) = (escaped(alt), escaped(id));
    let mut out = String::new();
    let (wide, high) = (width * SCALE, height * SCALE);
    _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"{id}\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {wide} {high}\" role=\"img\" aria-label=\"{alt}\" stroke-linejoin=\"round\">"
    );
    _ = writeln!(out, "<desc>{alt}</desc>\n<style>{}</style>", theme(&id));
    out.push_str(&body(scene));
    out.push_str("</svg>\n");
    out
}

/// What stands between the header and the end; equal scenes give equal bodies.
pub(crate) fn body(scene: &Scene) -> String {
    let area = Area::new(0.0, 0.0, scene.width.ceil(), scene.height.ceil());
    let mut out = String::new();
    write_shapes(&mut out, &[Shape::Box { area, color: GROUND }], scene);
    write_shapes(&mut out, &scene.shapes, scene);
    out
}

fn theme(id: &str) -> String {
    let rules = |dark: bool| -> String {
        THEMED.iter().fold(String::new(), |mut css, (name, color, on_dark)| {
            let light = hex(*color);
            let value = if dark { hex(Color::hex(*on_dark)) } else { light.clone() };
            _ = write!(css, "#{id} [fill=\"{light}\"]{{fill:var({name},{value})}}");
            _ = write!(css, "#{id} [stroke=\"{light}\"]{{stroke:var({name},{value})}}");
            css
        })
    };
    format!("{}@media (prefers-color-scheme:dark){{{}}}", rules(false), rules(true))
}

/// The color as plotters writes it.
fn hex(color: Color) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

fn write_shapes(out: &mut String, shapes: &[Shape], scene: &Scene) {
    let mut rest = shapes;
    while let Some(first) = rest.first() {
        let plain = rest.iter().take_while(|shape| !is_wrapped(shape)).count();
        if plain > 0 {
            out.push_str(&by_plotters(&rest[..plain], scene));
            rest = &rest[plain..];
        } else {
            write_wrapped(out, first, scene);
            rest = &rest[1..];
        }
    }
}

/// Whether a shape needs markup that plotters does not write.
fn is_wrapped(shape: &Shape) -> bool {
    match shape {
        Shape::Path { stroke, .. } => !stroke.dash.lengths().is_empty(),
        Shape::Picture { .. } | Shape::Tip { .. } => true,
        _ => false,
    }
}

fn write_wrapped(out: &mut String, shape: &Shape, scene: &Scene) {
    match shape {
        Shape::Path { stroke, .. } => {
            let lengths = stroke.dash.lengths().iter();
            let lengths: Vec<String> = lengths.map(|v| paint::length(*v).to_string()).collect();
            _ = writeln!(out, "<g stroke-dasharray=\"{}\">", lengths.join(" "));
            out.push_str(&by_plotters(std::slice::from_ref(shape), scene));
            out.push_str("</g>\n");
        }
        Shape::Tip { tip, shapes } => {
            _ = writeln!(out, "<g><title>{}</title>", escaped(tip));
            write_shapes(out, shapes, scene);
            out.push_str("</g>\n");
        }
        Shape::Picture { area, picture } => write_picture(out, area, picture),
        _ => {}
    }
}

/// Shapes drawn by plotters' SVG backend, without the document it puts round them.
fn by_plotters(shapes: &[Shape], scene: &Scene) -> String {
    let size = (scene.width.ceil() as u32 * SCALE, scene.height.ceil() as u32 * SCALE);
    let mut document = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut document, size);
        for shape in shapes {
            match shape {
                Shape::Path { points, stroke } => paint::path(&mut backend, points, stroke),
                Shape::Text(text) => paint::text(&mut backend, text, fonts::SVG_EM),
                plain => paint::plain(&mut backend, plain),
            }
        }
        backend.present().expect(SURE);
    }
    let start = document.find('\n').map_or(0, |end| end + 1);
    let end = document.rfind("</svg>").unwrap_or(document.len());
    document[start..end].to_owned()
}

fn write_picture(out: &mut String, area: &Area, picture: &Picture) {
    let (x, y) = paint::pixel(at(area.left, area.top));
    let (right, bottom) = paint::pixel(at(area.right(), area.bottom()));
    let (width, height) = (right - x, bottom - y);
    let data = base64(&raster::indexed_png(picture));
    _ = writeln!(
        out,
        "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
         image-rendering=\"optimizeSpeed\" style=\"image-rendering:pixelated\" \
         href=\"data:image/png;base64,{data}\"/>"
    );
}

/// Text that cannot end an attribute or an element.
pub(crate) fn escaped(text: &str) -> String {
    fonts::clean(text).chars().fold(String::new(), |mut out, c| {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            other => out.push(other),
        }
        out
    })
}

/// Base64 of RFC 4648 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n) & 63) as usize];
            out.push(if n > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_the_standard() {
        let cases = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in cases {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn markup_in_text_is_escaped() {
        assert_eq!(escaped("<a b=\"c\">&'\u{1}"), "&lt;a b=&quot;c&quot;&gt;&amp;&apos; ");
    }
}
