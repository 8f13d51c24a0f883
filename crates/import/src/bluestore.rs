//! BlueStore's allocator dump: JSON with capacity and free extents, offsets and lengths as hexadecimal text; ceph-bluestore-tool prints
//! the allocator's name on a line before it.
//!
//! Invariant: numbers are believed only as `0x` text or whole numbers. Knows nothing of BlueFS's own devices.

use crate::text::shown;
use crate::{FreeState, ImportError, Result, Run, disk, wrong};
use serde::Deserialize;

/// The lines before each dump of ceph-bluestore-tool; that of the data device is the first.
const NAMES: [&str; 4] = ["block:", "bluefs-db:", "bluefs-wal:", "bluefs-slow:"];

#[derive(Deserialize)]
struct Dump {
    capacity: Number,
    extents: Vec<Free>,
}

#[derive(Deserialize)]
struct Free {
    offset: Number,
    length: Number,
}

/// `0x1000` or 4096.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

impl Number {
    fn value(&self) -> Result<u64> {
        match self {
            Number::Plain(value) => Ok(*value),
            Number::Text(text) => {
                let (digits, base) =
                    text.strip_prefix("0x").map_or((text.as_str(), 10), |digits| (digits, 16));
                u64::from_str_radix(digits, base)
                    .or_else(|_| wrong(0, format!("\"{}\" is not a number below 2^64", shown(text))))
            }
        }
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}

fn is_name(line: &str) -> bool {
    NAMES.contains(&line.trim())
}

/// Whether a text is a dump, sound or not.
pub(crate) fn knows(text: &str) -> bool {
    is_json(text) || text.lines().any(is_name)
}

/// The data device's dump (the first one, if none is its), and the number of lines before it.
fn body(text: &str) -> (u64, &str) {
    let mut end = 0;
    let places = (1..).zip(text.split_inclusive('\n')).map(|(line, content)| {
        let start = end;
        end += content.len();
        (line, content.trim(), start, end)
    });
    let names: Vec<_> = places.filter(|(_, content, ..)| is_name(content)).collect();
    let chosen = names.iter().position(|(_, name, ..)| *name == NAMES[0]).unwrap_or(0);
    match names.get(chosen) {
        Some(&(line, .., from)) if !is_json(text) => {
            (line, &text[from..names.get(chosen + 1).map_or(text.len(), |next| next.2)])
        }
        _ => (0, text),
    }
}

pub(crate) fn parse(text: &str) -> Result<FreeState> {
    let (before, text) = body(text);
    if text.trim_start().starts_with('[') {
        return wrong(
            before,
            "a dump without the device's size, as older Ceph prints it (Octopus); write {\"capacity\": BYTES, \"extents\": before it and } after it",
        );
    }
    let dump: Dump = serde_json::from_str(text).map_err(|error| ImportError {
        line: before + error.line() as u64,
        what: format!("not BlueStore's allocator dump: {}", shown(&error.to_string())),
    })?;
    let run = |(at, free): (u64, &Free)| {
        let numbered =
            |error: ImportError| ImportError { what: format!("extent {at}: {}", error.what), ..error };
        let (start, bytes) = (free.offset.value().map_err(numbered)?, free.length.value().map_err(numbered)?);
        Ok(Run { line: 0, start, bytes })
    };
    let runs = (0..).zip(&dump.extents).map(run).collect::<Result<Vec<Run>>>()?;
    disk("BlueStore allocator dump", dump.capacity.value()?, runs)
}
