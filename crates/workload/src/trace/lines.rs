//! Lines of a stream, each bounded.
//!
//! Invariant: no more than [`LINE_BYTES_MAX`] bytes of a line are ever held; the rest of a longer one is skipped as it
//! streams by. Knows no format.

use std::io::{self, BufRead};

/// Longest line that is read, in bytes. A trace's line has below 100; 64 KiB leaves room for any and stops an endless one.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// One line, or why it is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    /// Without its end, and without white space round it.
    Text(&'a str),
    /// What is wrong with it.
    Bad(&'static str),
}

/// Hands out lines and counts them.
pub(crate) struct Lines<R> {
    source: R,
    held: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(source: R) -> Lines<R> {
        Lines { source, held: Vec::new(), number: 0 }
    }
    /// The number of the last line, counted from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
    /// The next line, `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.held.clear();
        let Some(whole) = self.take_line()? else { return Ok(None) };
        self.number += 1;
        if !whole {
            return Ok(Some(Line::Bad("a line of more than 64 KiB")));
        }
        Ok(Some(match std::str::from_utf8(&self.held) {
            Ok(text) => Line::Text(text.trim_start_matches('\u{feff}').trim()),
            Err(_) => Line::Bad("a line that is not UTF-8"),
        }))
    }
    /// Fill `held` up to the end of the line; false if it was cut, `None` if there was nothing.
    fn take_line(&mut self) -> io::Result<Option<bool>> {
        let (mut whole, mut any) = (true, false);
        loop {
            let piece = match self.source.fill_buf() {
                Ok(piece) => piece,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if piece.is_empty() {
                return Ok(any.then_some(whole));
            }
            any = true;
            let end = piece.iter().position(|byte| *byte == b'\n');
            let text = &piece[..end.unwrap_or(piece.len())];
            whole &= self.held.len() + text.len() <= LINE_BYTES_MAX;
            if whole {
                self.held.extend_from_slice(text);
            }
            let used = end.map_or(piece.len(), |end| end + 1);
            self.source.consume(used);
            if end.is_some() {
                return Ok(Some(whole));
            }
        }
    }
}
