//! What a device should do, as its maker or a measurement says: a part's `[datasheet]`, and the cells that it is made of.
//!
//! Invariant: a sheet changes no model; it is what the model is held against. Knows no mechanism.

use super::DeviceParameters;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of load, in fio's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Sequential reads.
    Read,
    /// Reads of random places, each a multiple of the request.
    RandRead,
    /// Sequential writes.
    Write,
    /// Writes of random places.
    RandWrite,
}

impl Access {
    /// In the order of tables.
    pub const ALL: [Access; 4] = [Access::RandRead, Access::Read, Access::RandWrite, Access::Write];
    /// Fio's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Access::Read => "read",
            Access::RandRead => "randread",
            Access::Write => "write",
            Access::RandWrite => "randwrite",
        }
    }
    /// Whether places are random.
    #[must_use]
    pub fn is_random(self) -> bool {
        matches!(self, Access::RandRead | Access::RandWrite)
    }
    /// Whether it writes.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(self, Access::Write | Access::RandWrite)
    }
}

/// One load: so many requests of this size in flight at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cell {
    /// Its kind.
    pub access: Access,
    /// Bytes of a request, in KiB; a multiple of 4.
    pub request_kib: u64,
    /// Requests in flight.
    pub depth: u64,
}

/// The largest request, the deepest queue and the most in flight of a cell: what a prediction costs follows them.
const REQUEST_KIB_MAX: u64 = 16 * 1024;
const DEPTH_MAX: u64 = 4096;
const FLIGHT_KIB_MAX: u64 = 256 * 1024;
/// The largest figure: far beyond any device, far below overflow.
const FIGURE_MAX: u64 = 1_000_000_000;

impl Cell {
    /// Whether it can be predicted. Errors: what is wrong, in words.
    pub fn validate(&self) -> Result<(), String> {
        if !(4..=REQUEST_KIB_MAX).contains(&self.request_kib) || !self.request_kib.is_multiple_of(4) {
            return Err(format!(
                "a request of {} KiB: it must be a multiple of 4 KiB, at most 16 MiB",
                self.request_kib
            ));
        }
        if !(1..=DEPTH_MAX).contains(&self.depth) {
            return Err(format!("a queue depth of {}: it must be 1 to {DEPTH_MAX}", self.depth));
        }
        if self.request_kib * self.depth > FLIGHT_KIB_MAX {
            return Err(format!("{self}: more than 256 MiB in flight; lower the depth or the request"));
        }
        Ok(())
    }
    /// Requests a second at that rate.
    #[must_use]
    pub fn iops(&self, bytes_per_s: u64) -> u64 {
        bytes_per_s / (self.request_kib * 1024)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} KiB depth {}", self.access.name(), self.request_kib, self.depth)
    }
}

/// A cell and how fast it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Figure {
    /// The load.
    pub cell: Cell,
    /// Bytes a second.
    pub bytes_per_s: u64,
}

/// A `[datasheet]` table.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSheet {
    /// Who says so.
    pub source: String,
    /// What it says.
    pub cells: Vec<SheetCell>,
}

/// A line of it: `{ rw = "randread", kib = 4, depth = 1, iops = 19000 }`, or with `mb_per_s` (10^6 bytes).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SheetCell {
    /// The kind of load.
    pub rw: Access,
    /// KiB of a request.
    pub kib: u64,
    /// Requests in flight.
    pub depth: u64,
    /// Requests a second; or
    pub iops: Option<u64>,
    /// megabytes of 10^6 bytes a second.
    pub mb_per_s: Option<u64>,
}

impl SheetCell {
    /// The figure. Errors: what is wrong with the line, in words.
    pub fn figure(&self) -> Result<Figure, String> {
        let cell = Cell { access: self.rw, request_kib: self.kib, depth: self.depth };
        cell.validate()?;
        let (value, unit_bytes) = match (self.iops, self.mb_per_s) {
            (Some(iops), None) => (iops, self.kib * 1024),
            (None, Some(rate)) => (rate, 1_000_000),
            _ => return Err(format!("{cell}: give one of `iops` and `mb_per_s`")),
        };
        if !(1..=FIGURE_MAX).contains(&value) {
            return Err(format!("{cell}: a figure must be 1 to {FIGURE_MAX}"));
        }
        Ok(Figure { cell, bytes_per_s: value * unit_bytes })
    }
}

impl DataSheet {
    /// All figures. Errors: what is wrong with the first wrong line.
    pub fn figures(&self) -> Result<Vec<Figure>, String> {
        self.cells.iter().map(SheetCell::figure).collect()
    }
}

/// A file of `configs/device/`: a `[device]` table and, if there is one, the `[datasheet]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DevicePart {
    /// What the model is made of.
    pub device: DeviceParameters,
    /// What the model is held against.
    pub datasheet: Option<DataSheet>,
}

impl DevicePart {
    /// From a file's text.
    ///
    /// # Errors
    /// TOML's, with the place; also for unknown keys, missing keys and values out of range.
    pub fn from_toml(text: &str) -> Result<DevicePart, toml::de::Error> {
        let part = toml::from_str::<DevicePart>(text)?;
        part.device.validate().map_err(serde::de::Error::custom)?;
        if let Some(sheet) = &part.datasheet {
            sheet.figures().map_err(|wrong| serde::de::Error::custom(format!("[datasheet] {wrong}")))?;
        }
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(line: &str) -> String {
        let text =
            format!("[device]\nkind = \"memory\"\n[datasheet]\nsource = \"a test\"\ncells = [{{ {line} }}]");
        DevicePart::from_toml(&text).unwrap_err().to_string()
    }

    #[test]
    fn a_line_that_makes_no_sense_is_refused_with_its_reason() {
        for (line, reason) in [
            ("rw = \"read\", kib = 5, depth = 1, iops = 1", "multiple of 4 KiB"),
            ("rw = \"read\", kib = 4, depth = 0, iops = 1", "queue depth"),
            ("rw = \"read\", kib = 1024, depth = 257, iops = 1", "in flight"),
            ("rw = \"read\", kib = 4, depth = 1", "one of `iops` and `mb_per_s`"),
            ("rw = \"read\", kib = 4, depth = 1, iops = 1, mb_per_s = 1", "one of"),
            ("rw = \"read\", kib = 4, depth = 1, iops = 9223372036854775807", "figure must be"),
            ("rw = \"trim\", kib = 4, depth = 1, iops = 1", "trim"),
            ("rw = \"read\", kib = 4, depth = 1, iops = 1, why = 2", "why"),
        ] {
            assert!(wrong(line).contains(reason), "{line}: {}", wrong(line));
        }
    }
}
