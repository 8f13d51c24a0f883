//! BlueStore's allocator dump: JSON with capacity and free extents, offsets and lengths as hexadecimal text.
//!
//! Invariant: numbers are believed only as `0x` text or whole numbers.

use crate::text::shown;
use crate::{FreeState, ImportError, Result, Run, disk, wrong};
use serde::Deserialize;

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

pub(crate) fn parse(text: &str) -> Result<FreeState> {
    let dump: Dump = serde_json::from_str(text).map_err(|error| ImportError {
        line: error.line() as u64,
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
