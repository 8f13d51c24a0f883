//! The format of the MSR Cambridge traces (Narayanan et al., FAST 2008):
//! `Timestamp,Hostname,DiskNumber,Type,Offset,Size,ResponseTime`.
//!
//! Invariant: times count from the first request of the file, and saturate. There are no flushes and no discards in this
//! format, so whoever replays it must add flushes.

use super::{Kind, Parsed, Request, fields, number};
use crate::error::escaped;

/// Windows file times count 100 ns.
const TICKS_A_MICROSECOND: u64 = 10;

fn kind(word: &str) -> Option<Kind> {
    match word.trim() {
        word if word.eq_ignore_ascii_case("read") => Some(Kind::Read),
        word if word.eq_ignore_ascii_case("write") => Some(Kind::Write),
        _ => None,
    }
}

pub(crate) fn is_heading(line: &str) -> bool {
    fields::<7>(line).is_ok_and(|[time, ..]| time.trim().eq_ignore_ascii_case("timestamp"))
}

/// Whether a first line can be of this format: seven fields, the fourth `Read` or `Write`.
pub(crate) fn looks_like(line: &str) -> bool {
    is_heading(line) || fields::<7>(line).is_ok_and(|[_, _, _, word, ..]| kind(word).is_some())
}

/// `first` is the file time of the first request, set by it.
pub(crate) fn parse(line: &str, first: &mut Option<u64>) -> Parsed {
    let [time, _host, _disk, word, offset, size, _response] = fields::<7>(line)?;
    let kind =
        kind(word).ok_or_else(|| format!("type \"{}\" is neither Read nor Write", escaped(word.trim())))?;
    let ticks = number(time, "timestamp")?;
    let (offset, length) = (number(offset, "offset")?, number(size, "size")?);
    let time_us = ticks.saturating_sub(first.unwrap_or(ticks)) / TICKS_A_MICROSECOND;
    let request = Request::checked(time_us, kind, offset, length)?;
    first.get_or_insert(ticks);
    Ok(request)
}
