//! Words and numbers of a line.
//!
//! Invariant: what is shown of a text is escaped and cut. Knows no format.

use crate::{Result, wrong};

/// The lines with their numbers, counted from 1.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    (1..).zip(text.lines())
}

/// A whole number.
pub(crate) fn number(line: u64, word: &str) -> Result<u64> {
    word.trim()
        .parse()
        .or_else(|_| wrong(line, format!("\"{}\" is not a whole number below 2^64", shown(word))))
}

/// A product that must fit in 64 bits.
pub(crate) fn product(line: u64, one: u64, other: u64) -> Result<u64> {
    one.checked_mul(other).map_or_else(|| wrong(line, format!("{one} x {other} passes 2^64")), Ok)
}

/// All of a line's words as numbers; `None` if any is none.
pub(crate) fn numbers<const N: usize>(text: &str) -> Option<[u64; N]> {
    let mut words = text.split_whitespace();
    let mut found = [0; N];
    for number in &mut found {
        *number = words.next()?.parse().ok()?;
    }
    words.next().is_none().then_some(found)
}

/// A word from outside, for a message.
pub(crate) fn shown(word: &str) -> String {
    word.chars().take(40).collect::<String>().escape_debug().to_string()
}

/// The number that stands behind `key` on the first line that begins with it.
pub(crate) fn field(text: &str, key: &str) -> Result<u64> {
    for (line, content) in lines(text) {
        if let Some(rest) = content.trim_start().strip_prefix(key) {
            return number(line, rest.split_whitespace().next().unwrap_or(""));
        }
    }
    wrong(0, format!("there is no line `{key}`"))
}
