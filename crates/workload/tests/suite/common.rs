//! What the tests of this crate share: building by name, draining, and the laws that every stream obeys.
//!
//! Invariant: none; test code. Knows only the public face of the crate.

use spinney_core::{Setting, Settings};
use spinney_workload::{ENTRIES, Op, Result, Workload, WorkloadContext, WorkloadEntry};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The folder of the configs.
pub(crate) fn configs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"))
}

pub(crate) fn context(volume_blocks: u64, seed: u64) -> WorkloadContext {
    WorkloadContext { volume_blocks, seed, folder: configs() }
}

pub(crate) fn entry(name: &str) -> &'static WorkloadEntry {
    ENTRIES.iter().find(|entry| entry.name == name).expect("a known entry")
}

pub(crate) fn integer(value: u64) -> Setting {
    Setting::Integer(value)
}

pub(crate) fn word(value: &str) -> Setting {
    Setting::Word(value.into())
}

pub(crate) fn settings(pairs: &[(&str, Setting)]) -> Settings {
    pairs.iter().fold(Settings::new(), |settings, (name, value)| settings.with(name, value.clone()))
}

pub(crate) fn build(
    name: &str,
    volume_blocks: u64,
    seed: u64,
    pairs: &[(&str, Setting)],
) -> Result<Box<dyn Workload>> {
    (entry(name).build)(&context(volume_blocks, seed), &settings(pairs))
}

/// All operations.
pub(crate) fn drained(mut workload: Box<dyn Workload>) -> Vec<Op> {
    let mut ops = Vec::new();
    while let Some(op) = workload.next().expect("no error") {
        ops.push(op);
    }
    assert!(workload.next().expect("no error").is_none(), "something came behind the end");
    ops
}

pub(crate) fn ops_of(name: &str, volume_blocks: u64, seed: u64, pairs: &[(&str, Setting)]) -> Vec<Op> {
    drained(build(name, volume_blocks, seed, pairs).expect("good settings"))
}

/// The laws of a stream: ranges lie inside, versions exist when they are named, snapshots are not written, a round follows
/// a flush and rounds count up.
pub(crate) fn check_laws(ops: &[Op], volume_bytes: u64, what: &str) {
    let (mut alive, mut frozen, mut named_before) = (BTreeSet::from([0]), BTreeSet::new(), 0);
    let (mut before, mut round) = (None, 0);
    for (index, op) in ops.iter().enumerate() {
        let at = format!("{what}, operation {index}: {op:?}");
        match *op {
            Op::Write { to: of, bytes } | Op::Discard { of, bytes } | Op::Zero { of, bytes } => {
                assert!(alive.contains(&of.0) && !frozen.contains(&of.0), "{at}");
                assert!(bytes.length > 0 && bytes.offset + bytes.length <= volume_bytes, "{at}");
            }
            Op::Read { of, bytes } => {
                assert!(alive.contains(&of.0), "{at}");
                assert!(bytes.length > 0 && bytes.offset + bytes.length <= volume_bytes, "{at}");
            }
            Op::Snapshot { of, named } | Op::Clone { of, named } => {
                assert!(alive.contains(&of.0) && named.0 > named_before, "{at}");
                named_before = named.0;
                alive.insert(named.0);
                if matches!(op, Op::Snapshot { .. }) {
                    frozen.insert(named.0);
                }
            }
            Op::Delete { of } => assert!(alive.remove(&of.0), "{at}"),
            Op::Phase(_) => round = 0,
            Op::Round(number) => {
                assert!(before == Some(Op::Flush) && number == round + 1, "{at}, after {before:?}");
                round = number;
            }
            Op::Flush | Op::Settle | Op::OpenReader | Op::CloseReader => {}
        }
        before = Some(*op);
    }
}
