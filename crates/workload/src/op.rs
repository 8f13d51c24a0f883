//! What a workload asks of a pool: the small set of operations that a runner applies, one after the other.
//!
//! Invariant: handle 0 is a volume that exists before the first operation; any other handle is named by exactly one
//! `Snapshot` or `Clone` before it is used, and never after its `Delete`. A [`Op::Round`] follows a [`Op::Flush`] with
//! nothing between. Knows no volume, no device and no version numbers of a scheme: the runner maps handles to those.

/// A version as the stream names it. Assigned by the stream, rising from 1, never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Handle(pub u64);

impl Handle {
    /// The volume that the runner creates before the first operation.
    pub const VOLUME: Handle = Handle(0);
}

/// A run of bytes of a version. Need not be aligned: a volume turns ragged ends of a write into read-modify-write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bytes {
    /// First byte.
    pub offset: u64,
    /// How many bytes; never 0, and `offset + length` never overflows nor passes the volume's end.
    pub length: u64,
}

/// Which part of a run begins. A report may leave rows of `Fill` out, or time `Scan` alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Content is laid down for the first time.
    Fill,
    /// What the workload is about.
    Measure,
    /// The newest version is read from front to back.
    Scan,
}

impl Phase {
    /// As a row names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Phase::Fill => "fill",
            Phase::Measure => "measure",
            Phase::Scan => "scan",
        }
    }
}

/// One operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Write new content.
    Write {
        /// Never a snapshot.
        to: Handle,
        /// Where.
        bytes: Bytes,
    },
    /// Read.
    Read {
        /// Any version.
        of: Handle,
        /// Where.
        bytes: Bytes,
    },
    /// The content is no longer needed: whole blocks inside become free, and read as zeros.
    Discard {
        /// Never a snapshot.
        of: Handle,
        /// Where.
        bytes: Bytes,
    },
    /// The range must read as zeros.
    Zero {
        /// Never a snapshot.
        of: Handle,
        /// Where.
        bytes: Bytes,
    },
    /// All that was done before is durable afterwards: a commit, or an intent log record.
    Flush,
    /// A read-only version that shares all content.
    Snapshot {
        /// The version that is frozen.
        of: Handle,
        /// The new name.
        named: Handle,
    },
    /// A writable version that shares all content.
    Clone {
        /// The version that is cloned.
        of: Handle,
        /// The new name.
        named: Handle,
    },
    /// Delete a version.
    Delete {
        /// Not used again.
        of: Handle,
    },
    /// Background work goes on until nothing is left of it and all that was freed can be used again.
    Settle,
    /// A reader begins at what the last flush made durable and stays, so that nothing of it may be reused. At most one is open.
    OpenReader,
    /// That reader leaves.
    CloseReader,
    /// Another part of the run begins.
    Phase(Phase),
    /// Round `n` (counted from 1 within a phase) is over and durable: a row may be taken here.
    Round(u64),
}

impl Op {
    /// The version and bytes that this operation changes; `None` if it changes no content.
    #[must_use]
    pub fn changes(&self) -> Option<(Handle, Bytes)> {
        match *self {
            Op::Write { to: of, bytes } | Op::Discard { of, bytes } | Op::Zero { of, bytes } => {
                Some((of, bytes))
            }
            _ => None,
        }
    }
}
