//! The plain format: `time_us,op,offset,length`.
//!
//! Invariant: what [`line`] writes, [`parse`] reads back as the same request.

use super::{Kind, Parsed, Request, fields, number};
use crate::error::escaped;

/// The first line of a plain trace; optional when reading.
pub(crate) const HEADING: &str = "time_us,op,offset,length";

pub(crate) fn is_heading(line: &str) -> bool {
    line.eq_ignore_ascii_case(HEADING)
}

/// Whether a first line can be of this format: four fields, the second a letter of an operation.
pub(crate) fn looks_like(line: &str) -> bool {
    is_heading(line) || fields::<4>(line).is_ok_and(|[_, op, ..]| Kind::from_letter(op.trim()).is_some())
}

pub(crate) fn parse(line: &str) -> Parsed {
    let [time, op, offset, length] = fields::<4>(line)?;
    let op = op.trim();
    let kind =
        Kind::from_letter(op).ok_or_else(|| format!("op \"{}\" is none of R W F D Z S E", escaped(op)))?;
    let time_us = number(time, "time_us")?;
    let (offset, length) = (number(offset, "offset")?, number(length, "length")?);
    Ok(Request::checked(time_us, kind, offset, length)?)
}

pub(crate) fn line(request: &Request) -> String {
    format!("{},{},{},{}\n", request.time_us, request.kind.letter(), request.offset, request.length)
}
