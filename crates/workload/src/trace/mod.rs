//! Block traces: read them as a stream, write them, describe them, replay them.
//!
//! Invariant: a trace is untrusted. Memory does not follow any number in it; every line is bounded; what cannot be
//! understood is counted and, beyond a small budget, an error with file, line and remedy. Knows no volume but its size.
//!
//! | format | a line |
//! | --- | --- |
//! | plain | `time_us,op,offset,length`, op one of R W F D Z (read, write, flush, discard, zero), bytes; or S and E (a snapshot is taken, and ends) with a number of its own in place of the offset, and 0; the heading is optional |
//! | MSR Cambridge | `filetime,host,disk,Read or Write,offset,size,response time`, bytes and units of 100 ns |
//!
//! Either may be zstd-compressed. Which one a file is, its first bytes and its first line tell; its name does not matter.

mod footprint;
mod info;
mod lines;
mod msr;
mod outside;
mod plain;
mod reader;
mod replay;
mod source;
mod write;
mod zstd;

pub use info::TraceInfo;
pub use lines::LINE_BYTES_MAX;
pub use outside::Outside;
pub use reader::{BAD_LINES_MAX, Format, TraceReader};
pub use replay::{ENTRY, Replay, ReplayLimits};
pub use write::{TraceWriter, convert};
pub use zstd::{WINDOW_BYTES_MAX, ZSTD_RATIO_MAX};

/// Longest read or write that is believed, in bytes: the block layers that traces come from send at most a few MiB at a
/// time, so more is damage, and would only make a replay allocate. Discards and zeros carry no data and may be longer.
pub const DATA_BYTES_MAX: u64 = 1 << 30;

/// What a request does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// `R`
    Read,
    /// `W`
    Write,
    /// `F`
    Flush,
    /// `D`
    Discard,
    /// `Z`
    Zero,
    /// `S`: a snapshot is taken.
    Snapshot,
    /// `E`: a snapshot ends.
    End,
}

impl Kind {
    /// All, in the order of [`TraceInfo`]'s counters.
    pub const ALL: [Kind; 7] =
        [Kind::Read, Kind::Write, Kind::Flush, Kind::Discard, Kind::Zero, Kind::Snapshot, Kind::End];

    /// The letter in a plain trace.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Kind::Read => 'R',
            Kind::Write => 'W',
            Kind::Flush => 'F',
            Kind::Discard => 'D',
            Kind::Zero => 'Z',
            Kind::Snapshot => 'S',
            Kind::End => 'E',
        }
    }
    /// The word in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Flush => "flush",
            Kind::Discard => "discard",
            Kind::Zero => "zero",
            Kind::Snapshot => "snapshot",
            Kind::End => "snapshot ends",
        }
    }
    fn from_letter(letter: &str) -> Option<Kind> {
        match letter {
            "R" | "r" => Some(Kind::Read),
            "W" | "w" => Some(Kind::Write),
            "F" | "f" => Some(Kind::Flush),
            "D" | "d" => Some(Kind::Discard),
            "Z" | "z" => Some(Kind::Zero),
            "S" | "s" => Some(Kind::Snapshot),
            "E" | "e" => Some(Kind::End),
            _ => None,
        }
    }
}

/// One request of a trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    /// Microseconds since the first request (plain: as written; MSR: computed).
    pub time_us: u64,
    /// What it does.
    pub kind: Kind,
    /// First byte; 0 for a flush; the number of a snapshot.
    pub offset: u64,
    /// Bytes; 0 for a flush and for a snapshot's coming and going, and only for these. `offset + length` does not overflow.
    pub length: u64,
}

impl Request {
    /// First byte after it.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + self.length
    }
    /// The checks that every format shares. The error says what is wrong.
    fn checked(time_us: u64, kind: Kind, offset: u64, length: u64) -> Result<Request, &'static str> {
        if kind == Kind::Flush {
            return Ok(Request { time_us, kind, offset: 0, length: 0 });
        }
        if matches!(kind, Kind::Snapshot | Kind::End) {
            return Ok(Request { time_us, kind, offset, length: 0 });
        }
        if length == 0 {
            return Err("a request of 0 bytes");
        }
        if offset.checked_add(length).is_none() {
            return Err("offset + length passes 2^64");
        }
        if matches!(kind, Kind::Read | Kind::Write) && length > DATA_BYTES_MAX {
            return Err("a read or write of more than 1 GiB");
        }
        Ok(Request { time_us, kind, offset, length })
    }
}

/// What a line of a trace turned out to be.
type Parsed = Result<Request, String>;

/// A whole number with a name, from a field.
fn number(field: &str, name: &str) -> Result<u64, String> {
    let field = field.trim();
    field
        .parse()
        .map_err(|_| format!("{name} \"{}\" is not a whole number below 2^64", crate::error::escaped(field)))
}

/// Exactly `N` fields.
fn fields<const N: usize>(line: &str) -> Result<[&str; N], String> {
    let mut parts = line.split(',');
    let found: [&str; N] = std::array::from_fn(|_| parts.next().unwrap_or("\0"));
    if found[N - 1] == "\0" || parts.next().is_some() {
        return Err(format!("{} fields where {N} belong", line.split(',').count()));
    }
    Ok(found)
}
