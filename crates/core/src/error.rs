//! The one error of the core: few kinds, each saying what the caller can do; no strings that cannot be acted on.
//!
//! Invariant: whatever is read from outside ends as one of these, never as a panic. Programmer errors assert instead.

use crate::{DevId, PageNo, Pba};
use core::fmt;

/// `Result` with [`Error`].
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Where something was found to be wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A physical block.
    Block(Pba),
    /// A metadata page.
    Page(PageNo),
    /// A version.
    Version(DevId),
    /// A superblock slot.
    Superblock(u8),
    /// No single place.
    Pool,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Block(at) => write!(f, "block {at}"),
            Place::Page(page) => write!(f, "metadata page {page}"),
            Place::Version(dev) => write!(f, "version {dev}"),
            Place::Superblock(slot) => write!(f, "superblock slot {slot}"),
            Place::Pool => write!(f, "the pool"),
        }
    }
}

/// What can go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// Not enough free data blocks. Nothing was changed; delete or discard something.
    NoSpace {
        /// Blocks asked for.
        needed: u64,
        /// Blocks that could be had.
        free: u64,
    },
    /// The volume would reference more than its quota. Nothing was changed; discard something in it, or raise the quota.
    OverQuota {
        /// Blocks by which it would grow.
        needed: u64,
        /// Blocks that it may still grow by.
        free: u64,
    },
    /// Not enough free metadata pages. Nothing was changed; delete versions or format with a larger metadata area.
    NoPages {
        /// Pages asked for.
        needed: u64,
        /// Pages that could be had.
        free: u64,
    },
    /// What was read is not what was written.
    Corrupt {
        /// Which structure.
        what: &'static str,
        /// Where.
        place: Place,
    },
    /// The device failed.
    Io {
        /// `read`, `write`, `flush` or `discard`, and what to do if that is not obvious.
        operation: &'static str,
        /// First block of the request (0 for a flush).
        at: Pba,
        /// The system's error number, 0 if there is none.
        code: i32,
    },
    /// A request past the end.
    OutOfRange {
        /// First block or byte asked for.
        start: u64,
        /// How many.
        length: u64,
        /// The end that it passes.
        limit: u64,
    },
    /// No such version.
    NotFound(DevId),
    /// No volume or snapshot of that name.
    NoSuchName,
    /// A volume or snapshot of that name is there already.
    NameTaken,
    /// Something else stands in the way; the text says what, and what to do.
    Busy(&'static str),
    /// A write to a snapshot.
    ReadOnly(DevId),
    /// This plug-in does not offer the operation; the text says what it is.
    Unsupported(&'static str),
    /// A setting has a value that the plug-in cannot take; the text names the setting and the rule.
    BadSetting(&'static str),
    /// A commit failed before: close and reopen, the last durable epoch is intact.
    Closed,
}

impl Error {
    /// Shorthand for [`Error::Corrupt`] at a page.
    #[must_use]
    pub fn corrupt_page(what: &'static str, page: PageNo) -> Error {
        Error::Corrupt { what, place: Place::Page(page) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Error::NoSpace { needed, free } => {
                write!(f, "no space: {needed} blocks needed, {free} free; delete or discard something")
            }
            Error::OverQuota { needed, free } => {
                write!(
                    f,
                    "over the volume's quota: {needed} blocks more, {free} left; discard something in it, or raise it"
                )
            }
            Error::NoPages { needed, free } => write!(
                f,
                "no metadata space: {needed} pages needed, {free} free; delete versions, or format with a larger metadata area"
            ),
            Error::Corrupt { what, place } => write!(f, "corrupt {what} at {place}"),
            Error::Io { operation, at, code } => write!(f, "{operation} failed at block {at} (error {code})"),
            Error::OutOfRange { start, length, limit } => {
                write!(f, "{start}+{length} is past the end, {limit}")
            }
            Error::NotFound(dev) => write!(f, "no version {dev}"),
            Error::NoSuchName => write!(f, "no volume or snapshot of that name"),
            Error::NameTaken => write!(f, "that name is taken; choose another, or destroy what has it"),
            Error::Busy(what) => write!(f, "busy: {what}"),
            Error::ReadOnly(dev) => write!(f, "version {dev} is a snapshot and cannot be written; clone it"),
            Error::Unsupported(what) => write!(f, "not supported here: {what}"),
            Error::BadSetting(what) => write!(f, "bad setting: {what}"),
            Error::Closed => write!(f, "the pool is closed after a failed commit; reopen it"),
        }
    }
}

impl core::error::Error for Error {}
