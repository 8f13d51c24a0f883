//! The steps of a life, and their text.
//!
//! Invariant: `parse(step.to_string()) == step`. A step names versions by a number that is taken modulo those alive, so
//! any sub-list of a life is a life.

use std::fmt;

/// A request of the device that can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bad {
    /// A read.
    Read,
    /// A write.
    Write,
    /// A flush.
    Flush,
}

/// The names of [`Bad`].
const BAD: [(&str, Bad); 3] = [("read", Bad::Read), ("write", Bad::Write), ("flush", Bad::Flush)];

/// One step. Blocks are 4 KiB; `of` counts versions alive; places are spread out by the geometry's stride.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Write whole blocks.
    Write {
        /// Which version.
        of: u8,
        /// First block.
        at: u8,
        /// How many.
        blocks: u8,
    },
    /// Write bytes across block borders.
    Ragged {
        /// Which version.
        of: u8,
        /// First byte.
        offset: u32,
        /// How many.
        bytes: u16,
    },
    /// Discard whole blocks.
    Discard {
        /// Which version.
        of: u8,
        /// First block.
        at: u8,
        /// How many.
        blocks: u8,
    },
    /// Write zeroes over bytes.
    Zero {
        /// Which version.
        of: u8,
        /// First byte.
        offset: u32,
        /// How many.
        bytes: u32,
    },
    /// Make a volume.
    Create {
        /// Its size.
        blocks: u8,
    },
    /// Take a snapshot.
    Snapshot {
        /// Of which version.
        of: u8,
    },
    /// Make a clone.
    Clone {
        /// Of which version.
        of: u8,
    },
    /// Delete a version.
    Delete {
        /// Which.
        of: u8,
    },
    /// Make a volume with a name.
    Name {
        /// Its size.
        blocks: u8,
    },
    /// Take a snapshot by name.
    SnapshotAs {
        /// Of which volume, of those that have names.
        of: u8,
    },
    /// Make a clone by name.
    CloneAs {
        /// Of which snapshot, of those that have names.
        of: u8,
    },
    /// Give it another name.
    Rename {
        /// Which name.
        of: u8,
    },
    /// Roll a volume back.
    Rollback {
        /// To which snapshot, of those that have names.
        of: u8,
    },
    /// Promote a clone.
    Promote {
        /// Which volume, of those that have names.
        of: u8,
    },
    /// Destroy a set of names.
    Destroy {
        /// A bit for each name.
        set: u32,
    },
    /// Flush.
    Flush,
    /// Background work.
    Tend {
        /// Slots.
        budget: u8,
    },
    /// Compare everything with the model, without a crash.
    Audit,
    /// Open a reader of the last commit, unless there are enough.
    Pin,
    /// See whether all readers see what they saw, and let the oldest go.
    Unpin,
    /// Close without a flush, and open again; the power stays on.
    Reopen,
    /// Let one request fail with EIO.
    Fail {
        /// Which kind.
        kind: Bad,
        /// Requests that still pass.
        after: u8,
        /// If that closes the pool: whether the power goes too.
        then_cut: bool,
    },
    /// Cut the power after so many more changes of the device.
    Crash {
        /// Changes and flushes that still succeed.
        after: u8,
        /// Draws what becomes of each unflushed request.
        fates: u64,
    },
}

impl Step {
    /// Whether it goes by names.
    pub(crate) fn is_named(self) -> bool {
        matches!(
            self,
            Step::Name { .. }
                | Step::SnapshotAs { .. }
                | Step::CloneAs { .. }
                | Step::Rename { .. }
                | Step::Rollback { .. }
                | Step::Promote { .. }
                | Step::Destroy { .. }
        )
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Write { of, at, blocks } => write!(f, "write {of} {at} {blocks}"),
            Step::Ragged { of, offset, bytes } => write!(f, "ragged {of} {offset} {bytes}"),
            Step::Discard { of, at, blocks } => write!(f, "discard {of} {at} {blocks}"),
            Step::Zero { of, offset, bytes } => write!(f, "zero {of} {offset} {bytes}"),
            Step::Create { blocks } => write!(f, "create {blocks}"),
            Step::Snapshot { of } => write!(f, "snapshot {of}"),
            Step::Clone { of } => write!(f, "clone {of}"),
            Step::Delete { of } => write!(f, "delete {of}"),
            Step::Name { blocks } => write!(f, "name {blocks}"),
            Step::SnapshotAs { of } => write!(f, "snapshot-as {of}"),
            Step::CloneAs { of } => write!(f, "clone-as {of}"),
            Step::Rename { of } => write!(f, "rename {of}"),
            Step::Rollback { of } => write!(f, "rollback {of}"),
            Step::Promote { of } => write!(f, "promote {of}"),
            Step::Destroy { set } => write!(f, "destroy {set}"),
            Step::Flush => write!(f, "flush"),
            Step::Tend { budget } => write!(f, "tend {budget}"),
            Step::Audit => write!(f, "audit"),
            Step::Pin => write!(f, "pin"),
            Step::Unpin => write!(f, "unpin"),
            Step::Reopen => write!(f, "reopen"),
            Step::Fail { kind, after, then_cut } => {
                let name = BAD.iter().find(|(_, other)| other == kind).map_or("", |(name, _)| name);
                write!(f, "fail {name} {after} {}", if *then_cut { "cut" } else { "stay" })
            }
            Step::Crash { after, fates } => write!(f, "crash {after} {fates}"),
        }
    }
}

/// Read a step back; `None` if it is not one.
#[must_use]
pub fn parse(line: &str) -> Option<Step> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    if name == "fail" {
        return parse_fail(&words.collect::<Vec<_>>());
    }
    let mut number = || words.next()?.parse::<u64>().ok();
    let step = match name {
        "write" => Step::Write { of: number()? as u8, at: number()? as u8, blocks: number()? as u8 },
        "ragged" => Step::Ragged { of: number()? as u8, offset: number()? as u32, bytes: number()? as u16 },
        "discard" => Step::Discard { of: number()? as u8, at: number()? as u8, blocks: number()? as u8 },
        "zero" => Step::Zero { of: number()? as u8, offset: number()? as u32, bytes: number()? as u32 },
        "create" => Step::Create { blocks: number()? as u8 },
        "snapshot" => Step::Snapshot { of: number()? as u8 },
        "clone" => Step::Clone { of: number()? as u8 },
        "delete" => Step::Delete { of: number()? as u8 },
        "name" => Step::Name { blocks: number()? as u8 },
        "snapshot-as" => Step::SnapshotAs { of: number()? as u8 },
        "clone-as" => Step::CloneAs { of: number()? as u8 },
        "rename" => Step::Rename { of: number()? as u8 },
        "rollback" => Step::Rollback { of: number()? as u8 },
        "promote" => Step::Promote { of: number()? as u8 },
        "destroy" => Step::Destroy { set: number()? as u32 },
        "flush" => Step::Flush,
        "tend" => Step::Tend { budget: number()? as u8 },
        "audit" => Step::Audit,
        "pin" => Step::Pin,
        "unpin" => Step::Unpin,
        "reopen" => Step::Reopen,
        "crash" => Step::Crash { after: number()? as u8, fates: number()? },
        _ => return None,
    };
    Some(step)
}

fn parse_fail(words: &[&str]) -> Option<Step> {
    let [name, after, then] = words else { return None };
    let kind = BAD.iter().find(|(other, _)| other == name)?.1;
    let then_cut = *then == "cut";
    (then_cut || *then == "stay").then_some(Step::Fail { kind, after: after.parse().ok()?, then_cut })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw;

    #[test]
    fn every_drawn_step_reads_back_from_its_text() {
        for step in (0..50).flat_map(|seed| draw(seed, 40)) {
            assert_eq!(parse(&step.to_string()), Some(step));
        }
    }
}
