//! What each fault of a device may cost: the table that the tests assert and the README shows.
//!
//! Invariant: a fault that is not in the table is not tested; a row says the worst that may happen. Data only.

use super::matrix::Outcome;
use spinney_core::{Error, Pba};
use spinney_device::FaultKind;

/// An error, as a caller of the pool sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answer {
    /// `Io` with EIO.
    Eio,
    /// `Io` with ENOSPC.
    Enospc,
    /// `Corrupt`.
    Corrupt,
    /// `OutOfRange`.
    OutOfRange,
    /// Another one: never expected.
    Other,
}

impl Answer {
    /// The answer that an error is.
    #[must_use]
    pub fn of(error: &Error) -> Answer {
        match error {
            Error::Io { code: 5, .. } => Answer::Eio,
            Error::Io { code: 28, .. } => Answer::Enospc,
            Error::Corrupt { .. } => Answer::Corrupt,
            Error::OutOfRange { .. } => Answer::OutOfRange,
            _ => Answer::Other,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Answer::Eio => "EIO",
            Answer::Enospc => "ENOSPC",
            Answer::Corrupt => "`Corrupt`",
            Answer::OutOfRange => "`OutOfRange`",
            Answer::Other => "other",
        }
    }
}

/// What is left when the fault is gone and the pool is opened again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum After {
    /// All that was flushed, and `check` finds nothing.
    Kept,
    /// Some of it may be lost, and then opening, reading and `check` say so.
    Told,
}

/// A kind of fault, and the worst that it may do.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// What the device does.
    pub what: &'static str,
    /// The fault for the `n`th trial; `written` are the blocks that a calm run writes.
    pub kind: fn(n: u64, written: &[Pba]) -> FaultKind,
    /// The errors that operations may give while it is there.
    pub during: &'static [Answer],
    /// Whether each strike is answered by an error at once.
    pub always_answered: bool,
    /// What is left afterwards.
    pub after: After,
    /// Whether opening may go back to an older flush without a word.
    pub older: bool,
    /// What the pool does about it.
    pub why: &'static str,
}

impl Row {
    /// What of an outcome goes beyond this row, if anything.
    #[must_use]
    pub fn beyond(&self, outcome: &Outcome) -> Option<&'static str> {
        let rules = [
            (
                outcome.answers.iter().all(|answer| self.during.contains(answer)),
                "an answer that the table does not have",
            ),
            (!self.always_answered || outcome.strikes == 0 || outcome.told, "it struck and nobody was told"),
            (self.older || !outcome.older, "a flushed epoch is gone without a word"),
            (outcome.after <= self.after, "more is lost than the table allows"),
        ];
        rules.into_iter().find(|(holds, _)| !holds).map(|(_, what)| what)
    }
}

/// A bit somewhere in a block, another one each time.
fn bit(n: u64) -> u64 {
    n.wrapping_mul(7919) % 32_768
}

/// Near and far; 8 is from one superblock slot to the other.
fn shift_blocks(n: u64) -> u64 {
    [1, 8, 37, 301, 2, 100][n as usize % 6]
}

/// The rows.
pub const ROWS: &[Row] = &[
    Row {
        name: "read-error",
        what: "a read fails",
        kind: |_, _| FaultKind::ReadError,
        during: &[Answer::Eio],
        always_answered: true,
        after: After::Kept,
        older: false,
        why: "passed on; a commit that meets it closes the pool",
    },
    Row {
        name: "write-error",
        what: "a write fails",
        kind: |_, _| FaultKind::WriteError,
        during: &[Answer::Eio],
        always_answered: true,
        after: After::Kept,
        older: false,
        why: "passed on; in a commit it closes the pool, which opens again as of the last flush",
    },
    Row {
        name: "host-full",
        what: "a write fails with ENOSPC",
        kind: |_, _| FaultKind::NoSpace,
        during: &[Answer::Enospc],
        always_answered: true,
        after: After::Kept,
        older: false,
        why: "as a failed write: what was flushed does not move",
    },
    Row {
        name: "flush-error",
        what: "a flush fails",
        kind: |_, _| FaultKind::FlushError,
        during: &[Answer::Eio],
        always_answered: true,
        after: After::Kept,
        older: false,
        why: "closes the pool: it is never tried again; opened anew it is as of this flush or the one before",
    },
    Row {
        name: "gone",
        what: "every request fails",
        kind: |_, _| FaultKind::AnyError,
        during: &[Answer::Eio],
        always_answered: true,
        after: After::Kept,
        older: false,
        why: "passed on; the pool closes at the first commit",
    },
    Row {
        name: "slow",
        what: "a request takes 30 s longer",
        kind: |_, _| FaultKind::Slow { nanoseconds: 30_000_000_000 },
        during: &[],
        always_answered: false,
        after: After::Kept,
        older: false,
        why: "nothing below an export has a clock, so nothing times out",
    },
    Row {
        name: "flip-in-flight-read",
        what: "a read returns one wrong bit",
        kind: |n, _| FaultKind::FlipOnRead { bit: bit(n) },
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Kept,
        older: false,
        why: "data and pages are checked against a checksum kept elsewhere; in the older superblock it does no harm",
    },
    Row {
        name: "flip-in-flight-write",
        what: "a write arrives with one wrong bit",
        kind: |n, _| FaultKind::FlipOnWrite { bit: bit(n) },
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Told,
        older: false,
        why: "seen when it is read; a superblock is read back in its commit",
    },
    Row {
        name: "flip-at-rest",
        what: "a bit of a block changes on the medium",
        kind: |n, written| FaultKind::FlipAtRest {
            at: written[(n * 31) as usize % written.len()],
            bit: bit(n),
        },
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Told,
        older: false,
        why: "seen when it is read",
    },
    Row {
        name: "lost-write",
        what: "a write is acknowledged and dropped",
        kind: |_, _| FaultKind::LostWrite,
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Told,
        older: false,
        why: "the checksum in the parent is that of what should be there; a superblock is read back in its commit",
    },
    Row {
        name: "torn-write",
        what: "of an acknowledged write only some 512-byte sectors arrive",
        kind: |n, _| FaultKind::TornWrite { sectors: 0x5A3C_9669_0FF0_A55Au64.rotate_left(n as u32 % 64) },
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Told,
        older: false,
        why: "as a flipped bit",
    },
    Row {
        name: "misdirected-write",
        what: "a write lands elsewhere",
        kind: |n, _| FaultKind::MisdirectedWrite { shift_blocks: shift_blocks(n) },
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Told,
        older: false,
        why: "both places then hold what their checksums, seeded with the place, do not match",
    },
    Row {
        name: "misdirected-read",
        what: "a read returns another place's blocks",
        kind: |n, _| FaultKind::MisdirectedRead { shift_blocks: shift_blocks(n) },
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Kept,
        older: false,
        why: "the checksum is seeded with the place; two places with equal bytes (zeros) are no difference",
    },
    Row {
        name: "stale-read",
        what: "a read returns what was there before the last write",
        kind: |_, _| FaultKind::StaleRead,
        during: &[Answer::Corrupt],
        always_answered: false,
        after: After::Told,
        older: true,
        why: "the parent has the checksum and epoch of what should be there; only the superblock has no parent",
    },
];

/// The table as the README shows it.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::from(
        "| fault | what the device does | operations answer | afterwards | why |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in ROWS {
        let answers: Vec<&str> = row.during.iter().map(|answer| answer.text()).collect();
        let during = match (answers.is_empty(), row.always_answered) {
            (true, _) => "nothing".into(),
            (false, true) => format!("{} at once", answers.join(", ")),
            (false, false) => format!("{} when it is met", answers.join(", ")),
        };
        let after = match row.after {
            After::Kept => "all that was flushed",
            After::Told => "all, or an error where something is lost",
        };
        let after = if row.older {
            format!("{after}; *a pool whose superblock is stale opens as it was then*")
        } else {
            after.into()
        };
        text.push_str(&format!("| {} | {} | {during} | {after} | {} |\n", row.name, row.what, row.why));
    }
    text
}
