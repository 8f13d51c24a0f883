//! The embedded fonts and the measure of text. Invariant: after [`register_fonts`] every text call of plotters
//! finds a font, on a machine without any. It does not know where text is placed.

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};
use std::sync::Once;

const NORMAL: &[u8] = include_bytes!("../fonts/DejaVuSans.subset.ttf");
const BOLD: &[u8] = include_bytes!("../fonts/DejaVuSans-Bold.subset.ttf");
const ELLIPSIS: char = '…';
/// Font sizes are ems here. Plotters' SVG writer divides its font size by this to get the em ...
pub(crate) const SVG_EM: f64 = 1.24;
/// ... while its bitmaps take the font size as the height from descender to ascender: (1901 + 483) / 2048 em.
pub(crate) const BITMAP_EM: f64 = 1.1640625;
const MEASURED_AT: f64 = 100.0;

static FONTS: Once = Once::new();

/// Registers the embedded DejaVu Sans (normal and bold) as plotters' `sans-serif`, once in the process.
///
/// Every `render` of this crate calls it. Call it first in the `main` of a criterion bench that is built in one
/// graph with this crate: features unify, criterion's plots then find no system font and panic.
pub fn register_fonts() {
    FONTS.call_once(|| {
        for (style, bytes) in [(FontStyle::Normal, NORMAL), (FontStyle::Bold, BOLD)] {
            assert!(register_font("sans-serif", style, bytes).is_ok(), "the embedded font must parse");
        }
    });
}

/// The font of `size` as plotters wants it.
pub(crate) fn font(size: f64, bold: bool) -> FontDesc<'static> {
    register_fonts();
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, size, style)
}

/// Width in pixels of one line of text of this em. A reader of the SVG may have another font; nearly all are
/// narrower than this one.
pub(crate) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let box_of = font(MEASURED_AT * BITMAP_EM, bold).layout_box(text);
    let ((left, _), (right, _)) = box_of.expect("the embedded font is registered");
    f64::from(right - left) * size / MEASURED_AT
}

/// `text` on one line, control characters (which XML forbids) turned into spaces.
pub(crate) fn clean(text: &str) -> String {
    let allowed = |c: char| !c.is_control() && c != '\u{FFFE}' && c != '\u{FFFF}';
    text.chars().map(|c| if allowed(c) { c } else { ' ' }).collect()
}

/// `text` cut with an ellipsis so that it fits `limit` pixels.
pub(crate) fn fit(text: &str, limit: f64, size: f64, bold: bool) -> String {
    // A hostile name may be megabytes long; nothing near this many glyphs fits a figure.
    let mut kept: Vec<char> = clean(text).chars().take(400).collect();
    let whole = kept.iter().collect::<String>();
    if kept.len() < 400 && width(&whole, size, bold) <= limit {
        return whole;
    }
    while !kept.is_empty() {
        let mut tried: String = kept.iter().collect::<String>().trim_end().to_owned();
        tried.push(ELLIPSIS);
        if width(&tried, size, bold) <= limit {
            return tried;
        }
        kept.truncate(kept.len() - 1 - kept.len() / 16);
    }
    ELLIPSIS.to_string()
}

/// `text` cut in the middle so that it fits `limit` pixels: names of variants differ at their ends.
pub(crate) fn fit_name(text: &str, limit: f64, size: f64) -> String {
    let letters: Vec<char> = clean(text).chars().collect();
    let ends = |kept: usize| -> String {
        let (start, end) = (&letters[..kept.div_ceil(2)], &letters[letters.len() - kept / 2..]);
        start.iter().chain([&ELLIPSIS]).chain(end).collect()
    };
    let whole: String = letters.iter().take(400).collect();
    if letters.len() < 400 && width(&whole, size, false) <= limit {
        return whole;
    }
    let most = letters.len().min(400);
    (0..most).rev().map(ends).find(|cut| width(cut, size, false) <= limit).unwrap_or(ELLIPSIS.to_string())
}

/// `text` in at most `lines` lines of `limit` pixels, broken at spaces (or after `-`, `_`, `/`, `+`); the last
/// line is cut with an ellipsis when it does not fit.
pub(crate) fn wrap(text: &str, limit: f64, size: f64, bold: bool, lines: usize) -> Vec<String> {
    let text = clean(text);
    let mut rest = text.trim();
    let mut done = Vec::new();
    while !rest.is_empty() && done.len() + 1 < lines {
        let Some(end) = first_line(rest, limit, size, bold) else { break };
        done.push(rest[..end].trim_end().to_owned());
        rest = rest[end..].trim_start();
    }
    if !rest.is_empty() {
        done.push(fit(rest, limit, size, bold));
    }
    done
}

/// Bytes of the longest prefix that ends at a break and fits; `None` if not even the first word does.
fn first_line(text: &str, limit: f64, size: f64, bold: bool) -> Option<usize> {
    let mut best = None;
    for (end, _) in breaks(text) {
        if width(text[..end].trim_end(), size, bold) > limit {
            return best;
        }
        best = Some(end);
    }
    best
}

fn breaks(text: &str) -> impl Iterator<Item = (usize, char)> {
    let after = text.char_indices().filter(|(_, c)| matches!(c, ' ' | '-' | '_' | '/' | '+' | ','));
    after.map(|(at, c)| (at + c.len_utf8(), c)).chain([(text.len(), ' ')]).take(400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_the_figures_use_is_in_both_fonts() {
        for bold in [false, true] {
            let missing = width("\u{4E00}", 100.0, bold);
            for sign in "≤≥≈−×µ→←↑↓²₂αβΔσ…–—·°±√∞%".chars() {
                let drawn = rows_drawn(sign, bold);
                assert_ne!(
                    drawn,
                    rows_drawn('\u{4E00}', bold),
                    "{sign} is drawn as the missing glyph {missing}"
                );
            }
        }
    }

    fn rows_drawn(sign: char, bold: bool) -> Vec<(i32, i32)> {
        use plotters::style::{BLACK, TextStyle};
        let style = TextStyle::from(font(40.0, bold)).color(&BLACK);
        let mut seen = Vec::new();
        let drawn = plotters::style::FontDesc::draw(
            &style.font,
            &sign.to_string(),
            (0, 0),
            |x, y, alpha| -> Result<(), ()> {
                if alpha > 0.5 {
                    seen.push((x, y));
                }
                Ok(())
            },
        );
        assert!(matches!(drawn, Ok(Ok(()))));
        seen
    }

    #[test]
    fn a_long_text_is_cut_to_its_width() {
        let cut = fit(&"fragmentation ".repeat(5000), 200.0, 12.0, false);
        assert!(cut.ends_with(ELLIPSIS) && width(&cut, 12.0, false) <= 200.0, "{cut}");
    }

    #[test]
    fn wrapping_keeps_every_word_when_there_is_room() {
        let lines = wrap("free runs grow under random overwrite", 120.0, 12.0, true, 9);
        assert_eq!(lines.join(" "), "free runs grow under random overwrite");
        assert!(lines.len() > 1);
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(clean("a\u{0}b\nc"), "a b c");
    }
}
