//! A scene as PNG, two pixels per logical pixel. Invariant: drawn four times as fine and averaged, so edges are
//! smooth although plotters places whole pixels; the same scene gives the same bytes. It lays nothing out.

use crate::fonts;
use crate::paint::{self, SCALE, SURE};
use crate::palette::{Color, GROUND};
use crate::scene::{Area, At, Picture, Scene, Shape, Stroke, Text, at};
use plotters::backend::{BitMapBackend, DrawingBackend};

/// PNG pixels per logical pixel.
pub(crate) const FINENESS: u32 = 2;
/// Backend pixels averaged into one PNG pixel, along each side.
const AVERAGED: u32 = SCALE / FINENESS;
/// 192 dots an inch, in dots a meter: the picture is shown at its logical size.
const DOTS_PER_METER: u32 = 7559;

/// The scene as the bytes of a PNG file.
pub(crate) fn png(scene: &Scene) -> Vec<u8> {
    let (width, height) = (scene.width.ceil() as u32 * SCALE, scene.height.ceil() as u32 * SCALE);
    let ground = [GROUND.0, GROUND.1, GROUND.2];
    let mut pixels = ground.repeat((width * height) as usize);
    {
        let mut backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
        scene.shapes.iter().for_each(|shape| draw(&mut backend, shape));
        backend.present().expect(SURE);
    }
    encode(&averaged(&pixels, width, height), width / AVERAGED, height / AVERAGED)
}

fn draw(backend: &mut BitMapBackend<'_>, shape: &Shape) {
    match shape {
        Shape::Path { points, stroke } => stroked(backend, points, stroke),
        Shape::Text(text) => paint::text(backend, &lowered(text), fonts::BITMAP_EM),
        Shape::Picture { area, picture } => blit(backend, area, picture),
        Shape::Tip { shapes, .. } => shapes.iter().for_each(|inner| draw(backend, inner)),
        plain => paint::plain(backend, plain),
    }
}

/// Plotters sets the middle of a bitmap text higher than SVG does; this share of the em makes them equal: the
/// baseline belongs 0.5 ex = 0.273 em below the middle and comes out 0.113 em below.
const LOWER: f64 = 0.16;

fn lowered(text: &Text) -> Text {
    let (down, place) = (text.size * LOWER, text.place);
    let place = if text.upright { at(place.x + down, place.y) } else { at(place.x, place.y + down) };
    Text { place, ..text.clone() }
}

fn stroked(backend: &mut BitMapBackend<'_>, points: &[At], stroke: &Stroke) {
    if stroke.dash.lengths().is_empty() {
        return joined(backend, points, stroke);
    }
    dashes(points, stroke.dash.lengths()).iter().for_each(|dash| joined(backend, dash, stroke));
}

/// Each piece as a bar with a disc at each joint: plotters' own thick paths spike at sharp corners.
fn joined(backend: &mut BitMapBackend<'_>, points: &[At], stroke: &Stroke) {
    for pair in points.windows(2) {
        if let Some(corners) = bar(pair[0], pair[1], stroke.width / 2.0) {
            paint::polygon(backend, &corners, paint::style(stroke.color, 1.0, 1.0));
        }
    }
    if stroke.width > 1.2 && points.len() > 2 {
        for joint in &points[1..points.len() - 1] {
            paint::disc(backend, *joint, stroke.width / 2.0, stroke.color);
        }
    }
}

fn bar(from: At, to: At, half: f64) -> Option<[At; 4]> {
    let (dx, dy) = (to.x - from.x, to.y - from.y);
    let long = dx.hypot(dy);
    if long < 1e-6 {
        return None;
    }
    let (x, y) = (-dy / long * half, dx / long * half);
    Some([
        at(from.x + x, from.y + y),
        at(to.x + x, to.y + y),
        at(to.x - x, to.y - y),
        at(from.x - x, from.y - y),
    ])
}

/// A path cut into its dashes.
fn dashes(points: &[At], lengths: &[f64]) -> Vec<Vec<At>> {
    let (mut done, mut current) = (Vec::new(), Vec::new());
    let (mut index, mut left) = (0, lengths[0]);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let long = (to.x - from.x).hypot(to.y - from.y);
        let mut walked = 0.0;
        let along = |d: f64| at(from.x + (to.x - from.x) * d / long, from.y + (to.y - from.y) * d / long);
        if current.is_empty() && index % 2 == 0 {
            current.push(from);
        }
        while long > 0.0 && walked + left <= long {
            walked += left;
            if index % 2 == 0 {
                current.push(along(walked));
                done.push(std::mem::take(&mut current));
            } else {
                current.push(along(walked));
            }
            index = (index + 1) % lengths.len();
            left = lengths[index];
        }
        left -= long - walked;
        if index % 2 == 0 {
            current.push(to);
        }
    }
    done.push(current);
    done.retain(|dash| dash.windows(2).any(|pair| pair[0] != pair[1]));
    done
}

/// Copies a picture into its area, each picture pixel as a block.
fn blit(backend: &mut BitMapBackend<'_>, area: &Area, picture: &Picture) {
    let (left, top) = paint::pixel(at(area.left, area.top));
    let (right, bottom) = paint::pixel(at(area.right(), area.bottom()));
    let (limit_x, limit_y) = backend.get_size();
    let inside = left >= 0 && top >= 0 && right as u32 <= limit_x && bottom as u32 <= limit_y;
    if !inside || right <= left || bottom <= top {
        return;
    }
    let (width, height) = ((right - left) as usize, (bottom - top) as usize);
    let mut bytes = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        let row = y * picture.height as usize / height * picture.width as usize;
        for x in 0..width {
            let index = picture.pixels[row + x * picture.width as usize / width];
            let Color(r, g, b) = picture.colors[usize::from(index)];
            bytes.extend([r, g, b]);
        }
    }
    backend.blit_bitmap((left, top), (width as u32, height as u32), &bytes).expect(SURE);
}

/// The mean of each square of fine pixels.
fn averaged(fine: &[u8], width: u32, height: u32) -> Vec<u8> {
    let (side, wide, high) = (AVERAGED as usize, width as usize / AVERAGED as usize, height as usize);
    let mut coarse = Vec::with_capacity(wide * high / side * 3);
    let mut sums = vec![0u16; wide * 3];
    for rows in fine.chunks_exact(width as usize * 3 * side) {
        sums.fill(0);
        for row in rows.chunks_exact(width as usize * 3) {
            for (sum, square) in sums.chunks_exact_mut(3).zip(row.chunks_exact(3 * side)) {
                for pixel in square.chunks_exact(3) {
                    sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u16::from(*value));
                }
            }
        }
        coarse.extend(sums.iter().map(|sum| (sum / (AVERAGED * AVERAGED) as u16) as u8));
    }
    coarse
}

fn encode(pixels: &[u8], width: u32, height: u32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_pixel_dims(Some(png::PixelDimensions {
        xppu: DOTS_PER_METER,
        yppu: DOTS_PER_METER,
        unit: png::Unit::Meter,
    }));
    let mut writer = encoder.write_header().expect("a vector takes every byte");
    writer.write_image_data(pixels).expect("the buffer has the size in the header");
    writer.finish().expect("a vector takes every byte");
    file
}

/// A picture as the bytes of a PNG file with a table of colors.
pub(crate) fn indexed_png(picture: &Picture) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, picture.width, picture.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(picture.colors.iter().flat_map(|c| [c.0, c.1, c.2]).collect::<Vec<u8>>());
    let mut writer = encoder.write_header().expect("a vector takes every byte");
    writer.write_image_data(&picture.pixels).expect("the buffer has the size in the header");
    writer.finish().expect("a vector takes every byte");
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_cover_their_share_of_a_bent_path() {
        let points = [at(0.0, 0.0), at(25.0, 0.0), at(25.0, 30.0)];
        let pieces = dashes(&points, &[7.0, 4.0]);
        let long = |piece: &Vec<At>| -> f64 {
            piece.windows(2).map(|p| (p[1].x - p[0].x).hypot(p[1].y - p[0].y)).sum()
        };
        assert_eq!(pieces.len(), 5);
        assert!(pieces.iter().all(|piece| (long(piece) - 7.0).abs() < 1e-9), "{pieces:?}");
    }
}
