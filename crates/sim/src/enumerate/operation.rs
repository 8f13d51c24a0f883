//! The operations of exhaustive workloads, and their text.
//!
//! Invariant: `parse(operation.to_string()) == Some(operation)`, and an operation names versions by their role, so that every
//! sequence of operations is a workload. To try one more operation in every sequence: one more row in [`ALPHABET`].

use std::fmt;

/// A version by its role. Volumes and clones count by age; "last" is the youngest of at least three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The oldest writable version.
    First,
    /// The second oldest.
    Second,
    /// The youngest, if there are more than two: a clone.
    Last,
    /// The oldest snapshot.
    Oldest,
    /// The snapshot in the middle of at least three.
    Middle,
    /// The youngest snapshot, if there are at least two.
    Newest,
}

const ROLES: [(Role, &str); 6] = [
    (Role::First, "first"),
    (Role::Second, "second"),
    (Role::Last, "last"),
    (Role::Oldest, "oldest"),
    (Role::Middle, "middle"),
    (Role::Newest, "newest"),
];

/// One operation. Offsets and lengths are bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Write.
    Write(Role, u32, u32),
    /// Write and flush.
    WriteThrough(Role, u32, u32),
    /// Write zeroes: holes, with ragged ends written.
    Zero(Role, u32, u32),
    /// Discard the whole blocks inside.
    Discard(Role, u32, u32),
    /// Make a volume of so many blocks.
    Create(u32),
    /// Take a snapshot.
    Snapshot(Role),
    /// Make a clone.
    CloneOf(Role),
    /// Delete.
    Delete(Role),
    /// Flush.
    Flush,
    /// So many units of background work.
    Tend(u32),
    /// Commit and tend until nothing is left to do: a checkpoint.
    Settle,
    /// The process ends without a flush and starts again; the device keeps its power.
    Reopen,
    /// The process dies in a commit (of a block, if nothing else waits), when so many of its flushes are done, and starts again; the
    /// device keeps its power.
    Kill(u32),
}

use Operation::{
    CloneOf, Create, Delete, Discard, Flush, Kill, Reopen, Settle, Snapshot, Tend, Write, WriteThrough, Zero,
};
use Role::{First, Last, Middle, Newest, Oldest, Second};

/// What sequences are made of: two volumes, three extents of each (blocks 0 to 1, 1 to 3, and bytes across block borders), and
/// everything that a pool offers for versions and time.
pub const ALPHABET: &[Operation] = &[
    Write(First, 0, 8_192),
    Write(First, 4_096, 12_288),
    Write(First, 10_000, 9_000),
    Write(Second, 0, 8_192),
    Write(Last, 4_096, 8_192),
    WriteThrough(First, 20_480, 4_096),
    Zero(First, 2_000, 15_000),
    Discard(First, 0, 12_288),
    Discard(Last, 0, 32_768),
    Flush,
    Create(8),
    Snapshot(First),
    Snapshot(Last),
    CloneOf(Second),
    CloneOf(Newest),
    Delete(Oldest),
    Delete(Middle),
    Delete(Newest),
    Delete(Last),
    Delete(Second),
    Tend(1),
    Settle,
    Reopen,
    Kill(0),
    Kill(1),
];

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ROLES.iter().find(|(role, _)| role == self).map_or("", |(_, name)| name);
        write!(f, "{name}")
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Write(role, offset, bytes) => write!(f, "write {role} {offset} {bytes}"),
            WriteThrough(role, offset, bytes) => write!(f, "write-through {role} {offset} {bytes}"),
            Zero(role, offset, bytes) => write!(f, "zero {role} {offset} {bytes}"),
            Discard(role, offset, bytes) => write!(f, "discard {role} {offset} {bytes}"),
            Create(blocks) => write!(f, "create {blocks}"),
            Snapshot(role) => write!(f, "snapshot {role}"),
            CloneOf(role) => write!(f, "clone {role}"),
            Delete(role) => write!(f, "delete {role}"),
            Flush => write!(f, "flush"),
            Tend(budget) => write!(f, "tend {budget}"),
            Settle => write!(f, "settle"),
            Reopen => write!(f, "reopen"),
            Kill(flushes) => write!(f, "kill {flushes}"),
        }
    }
}

/// Read an operation back; `None` if it is not one.
#[must_use]
pub fn parse(line: &str) -> Option<Operation> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let role = || ROLES.iter().find(|(_, name)| words.get(1) == Some(name)).map(|(role, _)| *role);
    let number = |at: usize| words.get(at)?.parse::<u32>().ok();
    let operation = match *words.first()? {
        "write" => Write(role()?, number(2)?, number(3)?),
        "write-through" => WriteThrough(role()?, number(2)?, number(3)?),
        "zero" => Zero(role()?, number(2)?, number(3)?),
        "discard" => Discard(role()?, number(2)?, number(3)?),
        "create" => Create(number(1)?),
        "snapshot" => Snapshot(role()?),
        "clone" => CloneOf(role()?),
        "delete" => Delete(role()?),
        "flush" => Flush,
        "tend" => Tend(number(1)?),
        "settle" => Settle,
        "reopen" => Reopen,
        "kill" => Kill(number(1)?),
        _ => return None,
    };
    Some(operation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_reads_back_from_its_text() {
        for operation in ALPHABET {
            assert_eq!(parse(&operation.to_string()), Some(*operation), "{operation}");
        }
        assert_eq!(parse("write nobody 0 1"), None);
    }
}
